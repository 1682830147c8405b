"""What can be told of a chain without running it: refused at start, in one sentence that names the line to change."""

from typing import Any

from langchain_core.prompts import BasePromptTemplate
from langchain_core.runnables import (
    Runnable,
    RunnableBinding,
    RunnableParallel,
    RunnableSequence,
)
from langchain_core.runnables.passthrough import RunnableAssign
from langgraph.pregel import Pregel

from service.llm.chain_input import NAMES


class UnusableChain(ValueError):
    """The service cannot start with this chain."""


def check(chain: Runnable[Any, Any], where: str) -> None:
    """where: file and line of the builder. Raises UnusableChain."""
    _check_concurrency(chain, where)
    known: set[str] | None = set(NAMES)
    for step in _steps(chain):
        bare = _bare(step)
        if isinstance(bare, BasePromptTemplate):
            _check_prompt(bare, known, where)
            known = None
        else:
            known = _known_after(bare, known)


def _check_prompt(prompt: BasePromptTemplate[Any], known: set[str] | None, where: str) -> None:
    if known is None:
        return
    missing = sorted(set(prompt.input_variables) - known)
    if missing:
        names = ", ".join(f"{{{name}}}" for name in missing)
        given = ", ".join(sorted(known))
        raise UnusableChain(f"{where}: the prompt wants {names}, and is given {given}")


def _known_after(step: Any, known: set[str] | None) -> set[str] | None:
    """None: whatever it hands out cannot be told."""
    if isinstance(step, RunnableParallel):
        return set(step.steps__)
    if isinstance(step, RunnableAssign) and known is not None:
        return known | set(step.mapper.steps__)
    return None


def _check_concurrency(chain: Any, where: str) -> None:
    config: dict[str, Any] = {}
    while isinstance(chain, RunnableBinding):
        config = {**chain.config, **config}
        chain = chain.bound
    most = config.get("max_concurrency")
    own = (getattr(chain, "config", None) or {}).get("max_concurrency")
    if isinstance(chain, Pregel) and 1 in (most, own):
        raise UnusableChain(
            f"{where}: a graph with max_concurrency=1 waits for itself for ever when it is streamed; take it away"
        )


def _steps(chain: Any) -> list[Any]:
    chain = _bare(chain)
    return list(chain.steps) if isinstance(chain, RunnableSequence) else [chain]


def _bare(step: Any) -> Any:
    while isinstance(step, RunnableBinding):
        step = step.bound
    return step
