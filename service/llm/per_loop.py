"""One object for each event loop. A real thread has a loop of its own, and its timers and watchers belong to it."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

import gevent

T = TypeVar("T")


class PerLoop(Generic[T]):
    """make: called with each loop, when its object is first asked for."""

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make
        self._made: WeakKeyDictionary[Any, T] = WeakKeyDictionary()

    def here(self) -> T:
        """The running loop's object."""
        hub = gevent.get_hub()
        try:
            return self._made[hub]
        except KeyError:
            return self._made.setdefault(hub, self._make(hub.loop))
