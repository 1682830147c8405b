"""Checks a chain without running it. Mistakes prevent the start, with one sentence that names the line to change."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from langchain_core.prompts import BasePromptTemplate
from langchain_core.runnables import (
    Runnable,
    RunnableBinding,
    RunnableBranch,
    RunnableGenerator,
    RunnableParallel,
    RunnableSequence,
    RunnableWithFallbacks,
)
from langchain_core.runnables.history import RunnableWithMessageHistory
from langchain_core.runnables.passthrough import RunnableAssign
from langgraph.pregel import Pregel

from service.llm.chain_input import NAMES
from service.llm.chain_parts import bare, inner, parts

LIBRARIES = "site-packages"
Known = set[str] | None
# each of their parts is given what they are given
ALL_GIVEN_THE_SAME = (
    RunnableParallel,
    RunnableAssign,
    RunnableBranch,
    RunnableWithFallbacks,
    RunnableWithMessageHistory,
)
CONFIGURABLE = frozenset({"session_id", "thread_id", "user_id", "request_id"})


class UnusableChain(ValueError):
    """The service cannot start with this chain."""


def check(chain: Runnable[Any, Any], where: str) -> None:
    """where: file and line of the builder. Raises UnusableChain."""
    _check_concurrency(chain, where)
    _check_step(chain, set(NAMES), where)
    if isinstance(bare(_steps(chain)[-1]), BasePromptTemplate):
        raise UnusableChain(
            f"{where}: the chain ends with a prompt, which nobody answers; add | model"
        )
    for part in parts(chain):
        _check_part(part, where)


def _check_step(step: Any, known: Known, where: str) -> Known:
    """Checks its prompts by what is known to come in, and returns what goes out. None: that is not known in advance."""
    step = bare(step)
    if isinstance(step, BasePromptTemplate):
        _check_prompt(step, known, where)
        return None
    if isinstance(step, RunnableSequence):
        for one in step.steps:
            known = _check_step(one, known, where)
        return known
    if isinstance(step, RunnableWithMessageHistory):
        _check_question(step, known, where)
    if isinstance(step, ALL_GIVEN_THE_SAME):
        for part in inner(step):
            _check_step(part, _known_within(step, known), where)
    return _known_after(step, known)


def _known_within(step: Any, known: Known) -> Known:
    if known is None:
        return None
    if isinstance(step, RunnableWithMessageHistory):
        name = step.history_messages_key
        return known | {name} if name and step.input_messages_key else None
    added = step.exception_key if isinstance(step, RunnableWithFallbacks) else None
    return known | {added} if added else known


def _check_part(part: Any, where: str) -> None:
    if isinstance(part, RunnableWithMessageHistory):
        unknown = sorted({field.id for field in part.history_factory_config} - CONFIGURABLE)
        if unknown:
            given = ", ".join(sorted(CONFIGURABLE))
            raise UnusableChain(
                f"{where}: the history wants {', '.join(unknown)} in configurable, which has {given}"
            )
    if isinstance(part, RunnableGenerator) and not hasattr(part, "_transform"):
        function = part._atransform  # noqa: SLF001
        raise UnusableChain(
            f"{_line_of(function) or where}: {part.get_name()} is an async generator, and chains are run by sync code; "
            "write it with def"
        )
    for name, function in _async_only(part):
        raise UnusableChain(
            f"{_line_of(function) or where}: {name} has async code alone, and chains are run by sync code; "
            "wrap it in on_asyncio()"
        )


def _async_only(part: Any) -> Iterator[tuple[str, Any]]:
    """The steps, nodes and tools that have only a coroutine function."""
    function, coroutine = getattr(part, "func", None), getattr(part, "afunc", None)
    if function is None and inspect.iscoroutinefunction(coroutine):
        yield getattr(coroutine, "__name__", "a step"), coroutine
    for tool in (getattr(part, "tools_by_name", None) or {}).values():
        coroutine = getattr(tool, "coroutine", None)
        if coroutine is not None and getattr(tool, "func", None) is None:
            yield f"the tool {tool.name}", coroutine
    if isinstance(part, Pregel):
        for node_name, node in part.nodes.items():
            for one in parts(node.bound):
                # a middleware's decorators wrap its functions
                for name, function in _async_only(one):
                    yield (name if _line_of(function) else node_name), function


def _check_prompt(prompt: BasePromptTemplate[Any], known: Known, where: str) -> None:
    if known is None:
        return
    missing = sorted(set(prompt.input_variables) - known)
    if missing:
        names = ", ".join(f"{{{name}}}" for name in missing)
        given = ", ".join(sorted(known))
        raise UnusableChain(f"{where}: the prompt needs {names}; available: {given}")


def _check_question(history: RunnableWithMessageHistory, known: Known, where: str) -> None:
    name = history.input_messages_key
    if name and known is not None and name not in known | {"messages"}:
        given = ", ".join(sorted(known))
        raise UnusableChain(
            f"{where}: the history needs {{{name}}} as its input_messages_key; available: {given}"
        )


def _known_after(step: Any, known: Known) -> Known:
    """None: its output is not known in advance."""
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
            f"{where}: a graph with max_concurrency=1 deadlocks when it is streamed; remove it"
        )


def _steps(chain: Any) -> list[Any]:
    chain = bare(chain)
    return list(chain.steps) if isinstance(chain, RunnableSequence) else [chain]


def short(path: str | None) -> str:
    """The path relative to the working directory."""
    return str(path).removeprefix(f"{Path.cwd()}/")


def _line_of(function: Any) -> str | None:
    """None: it is a library's."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None or LIBRARIES in code.co_filename:
        return None
    return f"{short(code.co_filename)}:{code.co_firstlineno}"
