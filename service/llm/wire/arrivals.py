"""Waits for bytes on many sockets with one timer: a timer for each wait would cost more than the read."""

from functools import cache, partial
from typing import Any

from gevent.hub import Waiter

from service.llm.per_loop import PerLoop

READABLE = 1
ROUNDS_PER_TICK = 4


class Arrivals:
    """On one event loop. A wait ends with the first byte, or after a tick, at most a quarter of one later."""

    def __init__(self, tick_seconds: float, loop: Any) -> None:
        seconds = tick_seconds / ROUNDS_PER_TICK
        self._loop = loop
        self._timer = loop.timer(seconds, seconds)
        self._round = 0
        # when each began to wait; the oldest first
        self._waiting: dict[Any, int] = {}

    def watch(self, descriptor: int) -> Any:
        """A watcher for one socket. It has to be closed before the socket is."""
        return self._loop.io(descriptor, READABLE)

    def wait(self, watcher: Any) -> None:
        """Returns once there is something to read, or after a tick."""
        if not self._waiting:
            self._timer.start(self._end_round, update=True)
        waiter = Waiter()
        self._waiting[waiter] = self._round
        watcher.start(waiter.switch, None)
        try:
            waiter.get()
        finally:
            watcher.stop()
            self._waiting.pop(waiter, None)

    def _end_round(self) -> None:
        self._round += 1
        for waiter, began in list(self._waiting.items()):
            if self._round - began <= ROUNDS_PER_TICK:
                break
            if self._waiting.pop(waiter, None) is not None:
                waiter.switch(None)
        if not self._waiting:
            self._timer.stop()


@cache
def arrivals(tick_seconds: float) -> PerLoop[Arrivals]:
    return PerLoop(partial(Arrivals, tick_seconds))
