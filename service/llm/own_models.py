"""Finds the models that chains created themselves, once all chains are built."""

import gc
from collections.abc import Callable, Iterator
from typing import Any

from langchain_core.language_models import BaseChatModel

from service.llm.asked_model import name_of
from service.llm.configured import ConfiguredChatOpenAI
from service.llm.guarded import Guarded


def announce(warn: Callable[[list[str]], None]) -> None:
    """Makes unguarded models report their usage, and warns about them."""
    found = list(_unguarded())
    for model in found:
        # a custom base URL silently disables it
        if getattr(model, "stream_usage", True) is None:
            model.stream_usage = True
    if found:
        warn(sorted({f"{type(model).__name__}({name_of(model) or '?'})" for model in found}))


def _unguarded() -> Iterator[Any]:
    """Compares exact types: isinstance on every object would take seconds."""
    kinds = {kind for kind in _below(BaseChatModel) if not issubclass(kind, Guarded)}
    kinds -= {ConfiguredChatOpenAI}
    for thing in gc.get_objects():
        if type(thing) in kinds:
            yield thing


def _below(kind: type) -> Iterator[type]:
    children: list[type] = kind.__subclasses__()
    for child in children:
        yield child
        yield from _below(child)
