"""Sleeps that end together, with one timer for all of them: a timer for each would cost more than what follows it."""

from typing import Any

from gevent.hub import Waiter


class SharedSleep:
    """On one event loop. Everybody wakes with the one who began to sleep first, so all of them have to want the same
    moment."""

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        self._timer: Any = None
        self._sleeping: dict[Any, None] = {}

    def sleep(self, seconds: float) -> None:
        waiter = Waiter()
        if not self._sleeping:
            self._set(seconds)
        self._sleeping[waiter] = None
        try:
            waiter.get()
        finally:
            self._sleeping.pop(waiter, None)

    def _set(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.close()
        self._timer = self._loop.timer(seconds)
        self._timer.start(self._wake, update=True)

    def _wake(self) -> None:
        woken, self._sleeping = self._sleeping, {}
        for waiter in woken:
            waiter.switch(None)
