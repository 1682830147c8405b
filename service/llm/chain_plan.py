"""Decides how to run a chain, once when the worker starts."""

import copy
import functools
import inspect
from dataclasses import dataclass
from typing import Any

from langchain_core.callbacks import CallbackManager
from langchain_core.globals import get_debug
from langchain_core.output_parsers import ListOutputParser, StrOutputParser
from langchain_core.prompts import BasePromptTemplate
from langchain_core.runnables import (
    Runnable,
    RunnableBinding,
    RunnableBranch,
    RunnableLambda,
    RunnableParallel,
    RunnableSequence,
)
from langchain_core.runnables.base import RunnableBindingBase
from langchain_core.runnables.history import RunnableWithMessageHistory
from langchain_core.runnables.passthrough import RunnableAssign
from langgraph.pregel import Pregel

from service.llm.agents import Agent, agent_of
from service.llm.chain_input import Wanted, variables_of, wanted_by
from service.llm.chain_parts import (
    bare,
    chain_with_history,
    first_step,
    history_around,
    parts,
    with_whole_steps,
)
from service.llm.guarded import SHOWN, Guarded
from service.llm.plain_prompt import Fill, fill_of


@dataclass(frozen=True)
class FastPath:
    """prompts | model: the guard's events are the answer, without a LangChain object per token.

    fill: does the work of a single plain-text prompt.
    """

    prompts: tuple[BasePromptTemplate[Any], ...]
    fill: Fill | None
    model: Any
    options: dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """graph: the chain ends in a graph, after `before`. agent: what is known of it, if it is one.

    variables: those that its first prompt takes. shows_model: the last model's text goes to the turn directly. needs:
    the `configurable` keys by which it stores conversations; if any, the caller's history is left out. adds_lists: its
    lists are parts of one list. answer_field: the field of its object that is the answer. fields: the names of those
    that it fills at once, in order.
    """

    chain: Runnable[Any, Any]
    wanted: Wanted
    variables: frozenset[str] | None = None
    fast: FastPath | None = None
    graph: Any = None
    before: Runnable[Any, Any] | None = None
    agent: Agent | None = None
    shows_model: bool = False
    needs: frozenset[str] = frozenset()
    adds_lists: bool = False
    answer_field: str | None = None
    fields: tuple[str, ...] = ()


def plan_of(chain: Runnable[Any, Any]) -> Plan:
    wanted = wanted_by(chain)
    needs = frozenset(name for part in parts(chain) for name in _kept_by(part))
    variables = variables_of(first_step(chain))
    graph, before = _graph_in(chain)
    if graph is not None:
        agent = agent_of(graph)
        return Plan(chain, wanted, variables, graph=graph, before=before, agent=agent, needs=needs)
    marked = _marked(chain)
    return Plan(
        _with_marked_choice(with_whole_steps(chain)) if marked is None else marked,
        "messages" if isinstance(bare(chain), Guarded) else wanted,
        variables,
        fast=_fast_path(chain),
        shows_model=marked is not None,
        needs=needs,
        adds_lists=isinstance(bare(_last(chain)), ListOutputParser),
        answer_field=_answer_field_of(chain),
        fields=_fields_of(bare(_last(chain))),
    )


def _last(chain: Any) -> Any:
    return chain.last if isinstance(chain, RunnableSequence) else chain


def _answer_field_of(chain: Any) -> str | None:
    """Of a history around a chain, or of a chain of langchain_classic, which returns its input, too."""
    if (name := getattr(bare(chain), "output_messages_key", None)) is not None:
        return str(name)
    names = getattr(bare(_last(chain)), "output_keys", None)
    return str(names[0]) if isinstance(names, list) and names else None


def _fields_of(step: Any) -> tuple[str, ...]:
    parallel = step.mapper if isinstance(step, RunnableAssign) else step
    return tuple(parallel.steps__) if isinstance(parallel, RunnableParallel) else ()


def _kept_by(part: Any) -> list[str]:
    """The keys by which a part of a chain finds its conversations."""
    if isinstance(part, RunnableWithMessageHistory):
        return [field.id for field in part.history_factory_config]
    if isinstance(part, Pregel) and part.checkpointer:
        return ["thread_id"]
    return []


def _graph_in(chain: Any) -> tuple[Any, Runnable[Any, Any] | None]:
    if isinstance(bare(chain), Pregel):
        return chain, None
    if isinstance(chain, RunnableSequence) and isinstance(bare(chain.last), Pregel):
        steps = [with_whole_steps(step) for step in chain.steps[:-1]]
        before = steps[0] if len(steps) == 1 else RunnableSequence(*steps)
        return chain.last, before
    return None, None


def _fast_path(chain: Any) -> FastPath | None:
    """None if any other step may take long, or handlers need to see what happens."""
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
    return FastPath(plain, fill_of(plain[0]) if len(plain) == 1 else None, last, options)


def _watched() -> bool:
    """Whether global handlers are on: tracers, or LangChain's debugging."""
    return get_debug() or bool(CallbackManager.configure().handlers)


def _marked(step: Any) -> Any:
    """The chain with its last model marked as shown; None if the model's text is not the answer."""
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


def _with_marked_choice(step: Any) -> Any:
    """The chain whose last function, if it returns another chain, has that one's last model marked."""
    if isinstance(step, RunnableSequence):
        steps, place = list(step.steps), _last_place(step)
        last, steps[place] = steps[place], _with_marked_choice(steps[place])
        return step if steps[place] is last else RunnableSequence(*steps, name=step.name)
    function = getattr(step, "func", None) if isinstance(step, RunnableLambda) else None
    if not inspect.isfunction(function) or inspect.isgeneratorfunction(function):
        return step
    choosing = copy.copy(step)
    choosing.func = _marking(function)
    return choosing


def _marking(function: Any) -> Any:
    @functools.wraps(function)
    def choose(*args: Any, **options: Any) -> Any:
        chosen = function(*args, **options)
        if not isinstance(chosen, Runnable):
            return chosen
        marked = _marked(chosen)
        return _with_marked_choice(chosen) if marked is None else marked

    return choose


def _last_place(sequence: RunnableSequence[Any, Any]) -> int:
    """Of the last step that is not a parser of text."""
    steps = sequence.steps
    place = len(steps) - 1
    while place > 0 and type(steps[place]) is StrOutputParser:
        place -= 1
    return place


def _marked_sequence(sequence: RunnableSequence[Any, Any]) -> Any:
    steps, place = list(sequence.steps), _last_place(sequence)
    inner = _marked(steps[place])
    if inner is None:
        return None
    steps[place] = inner
    before = [with_whole_steps(step) for step in steps[:place]]
    return RunnableSequence(*before, *steps[place:], name=sequence.name)


def _marked_branch(branch: RunnableBranch[Any, Any]) -> Any:
    """Marks all branches, or none."""
    ways = [(condition, _marked(way)) for condition, way in branch.branches]
    default = _marked(branch.default)
    if default is None or any(way is None for _, way in ways):
        return None
    return RunnableBranch(*ways, default)


def _marked_history(step: RunnableWithMessageHistory) -> Any:
    inner = chain_with_history(step)
    marked = None if inner is None else _marked(inner)
    return None if marked is None else history_around(marked, step)
