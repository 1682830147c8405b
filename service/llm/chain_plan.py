"""How a chain is run: looked at once, when the worker starts."""

from dataclasses import dataclass
from typing import Any

from langchain_core.callbacks import CallbackManager
from langchain_core.globals import get_debug
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import BasePromptTemplate
from langchain_core.runnables import Runnable, RunnableBinding, RunnableBranch, RunnableSequence
from langchain_core.runnables.base import RunnableBindingBase
from langchain_core.runnables.history import RunnableWithMessageHistory
from langgraph.pregel import Pregel

from service.llm.chain_input import Wanted, wanted_by
from service.llm.guarded import SHOWN, Guarded


@dataclass(frozen=True)
class FastPath:
    """prompts | model: the guard's own events are the answer, without a LangChain object per token."""

    prompts: tuple[BasePromptTemplate[Any], ...]
    model: Any
    options: dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """graph: the chain is one, behind `before`. shows_model: its last model's text goes to the turn directly.

    needs_session: it remembers conversations by session. keeps_history: so the caller's history would be there twice.
    """

    chain: Runnable[Any, Any]
    wanted: Wanted
    fast: FastPath | None = None
    graph: Any = None
    before: Runnable[Any, Any] | None = None
    shows_model: bool = False
    needs_session: bool = False
    keeps_history: bool = False


def plan_of(chain: Runnable[Any, Any]) -> Plan:
    wanted = wanted_by(chain)
    graph, before = _graph_in(chain)
    if graph is not None:
        remembers = bool(_bare(graph).checkpointer)
        return Plan(
            chain,
            wanted,
            graph=graph,
            before=before,
            needs_session=remembers,
            keeps_history=remembers,
        )
    remembers = isinstance(_bare(chain), RunnableWithMessageHistory)
    marked = _marked(chain)
    return Plan(
        chain if marked is None else marked,
        "messages" if isinstance(_bare(chain), Guarded) else wanted,
        fast=_fast_path(chain),
        shows_model=marked is not None,
        needs_session=remembers,
        keeps_history=remembers,
    )


def _bare(step: Any) -> Any:
    """What bindings stand around. A chain with a history is a binding, too: the outermost of those."""
    while isinstance(step, RunnableBinding) and not isinstance(step, RunnableWithMessageHistory):
        step = step.bound
    return step


def _graph_in(chain: Any) -> tuple[Any, Runnable[Any, Any] | None]:
    if isinstance(_bare(chain), Pregel):
        return chain, None
    if isinstance(chain, RunnableSequence) and isinstance(_bare(chain.last), Pregel):
        steps = chain.steps[:-1]
        before = steps[0] if len(steps) == 1 else RunnableSequence(*steps)
        return chain.last, before
    return None, None


def _fast_path(chain: Any) -> FastPath | None:
    """None where any other step may take long, or handlers have to see what happens."""
    steps = list(chain.steps) if isinstance(chain, RunnableSequence) else [chain]
    prompts, last = steps[:-1], steps[-1]
    if type(last) is StrOutputParser and len(steps) > 1:
        prompts, last = steps[:-2], steps[-2]
    options: dict[str, Any] = {}
    while isinstance(last, RunnableBinding):
        if last.config or last.config_factories:
            return None
        options = {**last.kwargs, **options}
        last = last.bound
    if not isinstance(last, Guarded) or last.callbacks or last.cache or last.rate_limiter:  # type: ignore[attr-defined]
        return None
    plain = tuple(step for step in prompts if isinstance(step, BasePromptTemplate))
    if len(plain) < len(prompts) or _watched():
        return None
    return FastPath(plain, last, options)


def _watched() -> bool:
    """Whether handlers of everything are switched on: tracers, or LangChain's debugging."""
    return get_debug() or bool(CallbackManager.configure().handlers)


def _marked(step: Any) -> Any:
    """The chain with its last model bound to be shown; None where what the model says is not the answer."""
    if isinstance(step, Guarded):
        return step.bind(**{SHOWN: True})  # type: ignore[attr-defined]
    if isinstance(step, RunnableWithMessageHistory):
        return _marked_history(step)
    if isinstance(step, RunnableBindingBase):
        inner = _marked(step.bound)
        return None if inner is None else step.model_copy(update={"bound": inner})
    if isinstance(step, RunnableSequence):
        return _marked_sequence(step)
    if isinstance(step, RunnableBranch):
        return _marked_branch(step)
    return None


def _marked_sequence(sequence: RunnableSequence[Any, Any]) -> Any:
    steps = list(sequence.steps)
    place = len(steps) - 1
    while place > 0 and type(steps[place]) is StrOutputParser:
        place -= 1
    inner = _marked(steps[place])
    if inner is None:
        return None
    steps[place] = inner
    return RunnableSequence(*steps, name=sequence.name)


def _marked_branch(branch: RunnableBranch[Any, Any]) -> Any:
    """All ways of it, or none."""
    ways = [(condition, _marked(way)) for condition, way in branch.branches]
    default = _marked(branch.default)
    if default is None or any(way is None for _, way in ways):
        return None
    return RunnableBranch(*ways, default)


def _marked_history(step: RunnableWithMessageHistory) -> Any:
    """It holds the chain in a closure: made once more around the marked one."""
    inner = _chain_with_history(step)
    marked = None if inner is None else _marked(inner)
    if marked is None:
        return None
    return RunnableWithMessageHistory(
        marked,
        step.get_session_history,
        input_messages_key=step.input_messages_key,
        output_messages_key=step.output_messages_key,
        history_messages_key=step.history_messages_key,
        history_factory_config=step.history_factory_config,
    )


def _chain_with_history(step: RunnableWithMessageHistory) -> Any:
    try:
        chooser = _bare(_bare(step.bound).last)
        called = dict(zip(chooser.func.__code__.co_freevars, chooser.func.__closure__, strict=True))
        return called["runnable_sync"].cell_contents.bound
    except (AttributeError, KeyError, ValueError):
        return None
