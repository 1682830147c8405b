"""Warnings about settings of a chain that have no effect here, logged once when a worker starts."""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.globals import get_llm_cache
from langchain_core.prompts import BasePromptTemplate
from langchain_core.runnables import RunnableBranch, RunnableWithFallbacks
from langchain_core.runnables.history import RunnableWithMessageHistory
from langchain_core.runnables.retry import RunnableRetry
from langgraph.checkpoint.memory import InMemorySaver

from service.llm.chain_input import NAMES
from service.llm.chain_parts import Whole, first_step, parts
from service.llm.chain_plan import Plan
from service.llm.guarded import Guarded
from service.llm.reached import reaches

IN_MEMORY = "InMemory"
EVERYWHERE = "*"


@dataclass(frozen=True)
class Notice:
    """what: in the words of the chain's author. effect: what it does here, and what to use instead."""

    chain: str
    what: str
    effect: str


RETRY = "LangChain does not retry a stream; call the step's invoke() in a function"
MODEL_RETRY = (
    "LangChain does not retry a stream, and the guard already does (RETRY_ATTEMPTS); leave it out"
)
FALLBACKS = (
    "it takes over only before the first word; FALLBACK_MODEL also restarts an answer that was cut"
)
NEVER_GIVEN = "always empty; the conversation is {history}, the other names are {others}"
CACHE = "has no effect: answers are streamed, so the model is called and billed every time"
REMEMBERS = (
    "conversations stay in one worker's memory until it ends; use a store that all workers share"
)


def notices(plans: Mapping[str, Plan]) -> list[Notice]:
    found = [notice for name, plan in plans.items() for notice in _of(name, plan)]
    if get_llm_cache() is not None:
        found.append(Notice(EVERYWHERE, "set_llm_cache", CACHE))
    return found


def _of(name: str, plan: Plan) -> Iterator[Notice]:
    yield from _of_first(name, first_step(plan.chain))
    invoked = {id(part) for part in _invoked(plan)}
    for part in parts(plan.chain):
        if isinstance(part, RunnableRetry):
            held = reaches(part.bound, (Guarded,))
            if held or id(part) not in invoked:
                yield Notice(name, "with_retry", MODEL_RETRY if held else RETRY)
        if isinstance(part, RunnableWithFallbacks) and any(
            isinstance(one, Guarded) for one in parts(part.runnable)
        ):
            yield Notice(name, "with_fallbacks", FALLBACKS)
        if isinstance(part, RunnableWithMessageHistory) and _is_kept_here(part):
            yield Notice(name, "InMemoryChatMessageHistory", REMEMBERS)
        if isinstance(getattr(part, "checkpointer", None), InMemorySaver):
            yield Notice(name, "InMemorySaver", REMEMBERS)


def _invoked(plan: Plan) -> Iterator[Any]:
    """The parts that are not streamed, so that retries work."""
    if plan.before is not None:
        yield from parts(plan.before)
    for part in parts(plan.chain):
        if isinstance(part, Whole):
            yield from parts(part.bound)
        if isinstance(part, RunnableBranch):
            for condition, _ in part.branches:
                yield from parts(condition)


def _of_first(name: str, step: Any) -> Iterator[Notice]:
    """A placeholder that may stay empty stays so in silence."""
    if not isinstance(step, BasePromptTemplate):
        return
    for unknown in sorted(set(step.optional_variables) - set(NAMES)):
        others = ", ".join(f"{{{one}}}" for one in NAMES if one != "history")
        effect = NEVER_GIVEN.format(history="{history}", others=others)
        yield Notice(name, f"{{{unknown}}}", effect)


def _is_kept_here(step: RunnableWithMessageHistory) -> bool:
    """Histories are created per session, by a function that names their class."""
    function = inspect.unwrap(step.get_session_history)
    code = getattr(function, "__code__", None)
    return code is not None and any(name.startswith(IN_MEMORY) for name in code.co_names)
