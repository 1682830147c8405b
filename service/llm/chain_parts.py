"""Finds the parts a chain is composed of; calls inside functions and graphs are not visible."""

import inspect
import itertools
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from langchain_core.language_models import BaseLanguageModel
from langchain_core.output_parsers import BaseOutputParser, BaseTransformOutputParser
from langchain_core.prompts import BasePromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import (
    Runnable,
    RunnableBinding,
    RunnableBranch,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnableSequence,
    RunnableWithFallbacks,
)
from langchain_core.runnables.base import RunnableBindingBase, RunnableEachBase
from langchain_core.runnables.history import RunnableWithMessageHistory
from langchain_core.runnables.passthrough import RunnableAssign
from langchain_core.runnables.retry import RunnableRetry
from langchain_core.tools import BaseTool
from langgraph.pregel import Pregel

from service.llm.reached import reaches

Replace = Callable[[Any], Any]
AT_ONCE = (
    RunnablePassthrough,
    BaseOutputParser,
    BasePromptTemplate,
    BaseRetriever,
    BaseTool,
)


class Whole(RunnableBinding[Any, Any]):
    """A step that is invoked where a chain is streamed.

    A graph among other steps streams its nodes' updates, which no later step can read. A step with a retry or fallbacks
    has none in a stream once it has begun, and some parsers have no errors there.
    """

    def stream(self, input: Any, config: Any = None, **kwargs: Any) -> Iterator[Any]:  # noqa: A002
        yield self.invoke(input, config, **kwargs)

    def transform(self, input: Iterator[Any], config: Any = None, **kwargs: Any) -> Iterator[Any]:  # noqa: A002
        yield from Runnable.transform(self, input, config, **kwargs)


def parts(step: Any) -> Iterator[Any]:
    """Yields the step and everything it is composed of."""
    yield step
    for one in inner(step):
        yield from parts(one)


def inner(step: Any) -> list[Any]:
    """What the step is composed of, one level deep."""
    for kind, composed_of, _ in COMPOSED:
        if isinstance(step, kind):
            return composed_of(step)
    return []


def with_whole_steps(step: Any) -> Any:
    """The chain with each step wrapped in Whole that has to be, and whose text nobody waits for."""
    if _has_to_be_whole(step):
        return Whole(bound=step)
    if not any(_has_to_be_whole(part) for part in parts(step)):
        return step
    if isinstance(step, RunnableWithMessageHistory):
        return history_around(with_whole_steps(chain_with_history(step)), step)
    for kind, _, changed in COMPOSED:
        if isinstance(step, kind):
            changed_step: Any = step
            return changed_step.model_copy(update=changed(step, with_whole_steps))
    return step


def _has_to_be_whole(step: Any) -> bool:
    if not isinstance(step, RunnableRetry | RunnableWithFallbacks):
        return isinstance(step, Pregel)
    found = list(parts(step))
    return (
        all(inner(part) or _says_it_at_once(part) for part in found)
        and not _passes_text_on(found)
        # the guard repeats its calls itself
        and not reaches(step, (BaseLanguageModel, Pregel))
    )


def _says_it_at_once(part: Any) -> bool:
    """False for models, generators and what is not known."""
    if isinstance(part, RunnableLambda):
        return not inspect.isgeneratorfunction(getattr(part, "func", None))
    return isinstance(part, AT_ONCE)


def _passes_text_on(found: list[Any]) -> bool:
    """Whether a model's text may go through it piece by piece."""
    passing = (BaseTransformOutputParser, RunnablePassthrough)
    collects = any(isinstance(part, RunnableParallel) for part in found)
    return not collects and any(isinstance(part, passing) for part in found)


def chain_with_history(step: RunnableWithMessageHistory) -> Any:
    """The wrapped chain, which is in a closure; None if LangChain has changed that."""
    try:
        chooser = bare(bare(step.bound).last)
        called = dict(zip(chooser.func.__code__.co_freevars, chooser.func.__closure__, strict=True))
        return called["runnable_sync"].cell_contents.bound
    except (AttributeError, KeyError, ValueError):
        return None


def history_around(chain: Any, step: RunnableWithMessageHistory) -> RunnableWithMessageHistory:
    """The same history around another chain."""
    with warnings.catch_warnings():
        # its user has already seen that the class is deprecated
        warnings.simplefilter("ignore", DeprecationWarning)
        return RunnableWithMessageHistory(
            chain,
            step.get_session_history,
            input_messages_key=step.input_messages_key,
            output_messages_key=step.output_messages_key,
            history_messages_key=step.history_messages_key,
            history_factory_config=step.history_factory_config,
        )


def first_step(chain: Any) -> Any:
    chain = bare(chain)
    return bare(chain.first) if isinstance(chain, RunnableSequence) else chain


def bare(step: Any) -> Any:
    """The step without its bindings."""
    while isinstance(step, RunnableBinding):
        step = step.bound
    return step


def _changed_sequence(step: Any, replace: Replace) -> dict[str, Any]:
    first, *middle, last = [replace(one) for one in step.steps]
    return {"first": first, "middle": middle, "last": last}


# type, its parts, and its fields after each part was replaced
COMPOSED: tuple[tuple[type, Callable[[Any], list[Any]], Callable[[Any, Replace], Any]], ...] = (
    (RunnableSequence, lambda step: list(step.steps), _changed_sequence),
    (
        RunnableParallel,
        lambda step: list(step.steps__.values()),
        lambda step, replace: {"steps__": {k: replace(v) for k, v in step.steps__.items()}},
    ),
    (
        RunnableAssign,
        lambda step: [step.mapper],
        lambda step, replace: {"mapper": replace(step.mapper)},
    ),
    (RunnableWithMessageHistory, lambda step: [chain_with_history(step)], lambda *_: {}),
    (
        RunnableBindingBase,
        lambda step: [step.bound],
        lambda step, replace: {"bound": replace(step.bound)},
    ),
    (
        RunnableEachBase,
        lambda step: [step.bound],
        lambda step, replace: {"bound": replace(step.bound)},
    ),
    (
        RunnableWithFallbacks,
        lambda step: [step.runnable, *step.fallbacks],
        lambda step, replace: {
            "runnable": replace(step.runnable),
            "fallbacks": [replace(one) for one in step.fallbacks],
        },
    ),
    (
        RunnableBranch,
        lambda step: [*itertools.chain.from_iterable(step.branches), step.default],
        lambda step, replace: {
            "branches": [(when, replace(way)) for when, way in step.branches],
            "default": replace(step.default),
        },
    ),
)
