"""One object for each event loop. A real thread has a loop of its own, and its timers and watchers belong to it."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import gevent
from gevent import monkey

T = TypeVar("T")

# gevent's would be one for each greenlet
_OfThread: Callable[[], Any] = monkey.get_original("threading", "local")


class PerLoop(Generic[T]):
    """make: called with each loop, when its object is first asked for."""

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make
        self._made = _OfThread()

    def here(self) -> T:
        """The running loop's object."""
        try:
            here: T = self._made.here
        except AttributeError:
            here = self._made.here = self._make(gevent.get_hub().loop)
        return here
