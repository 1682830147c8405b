"""Finds the parts a chain is composed of; calls inside functions and graphs are not visible."""

import itertools
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from langchain_core.runnables import (
    Runnable,
    RunnableBinding,
    RunnableBranch,
    RunnableParallel,
    RunnableSequence,
    RunnableWithFallbacks,
)
from langchain_core.runnables.base import RunnableBindingBase, RunnableEachBase
from langchain_core.runnables.history import RunnableWithMessageHistory
from langchain_core.runnables.passthrough import RunnableAssign
from langgraph.pregel import Pregel

Replace = Callable[[Any], Any]


class WholeGraph(RunnableBinding[Any, Any]):
    """A graph among other steps: instead of its nodes' updates, which no later step can read, it streams its state."""

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


def with_whole_graphs(step: Any) -> Any:
    """The chain with each inner graph wrapped in WholeGraph."""
    if isinstance(step, Pregel):
        return WholeGraph(bound=step)
    if not any(isinstance(part, Pregel) for part in parts(step)):
        return step
    if isinstance(step, RunnableWithMessageHistory):
        return history_around(with_whole_graphs(chain_with_history(step)), step)
    for kind, _, changed in COMPOSED:
        if isinstance(step, kind):
            changed_step: Any = step
            return changed_step.model_copy(update=changed(step, with_whole_graphs))
    return step


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
