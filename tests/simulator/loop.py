"""One thread, one epoll, one heap of timers."""

import heapq
import math
import os
import select
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

_NEVER = 3600.0


class Timed(Protocol):
    """A thing with at most one timer; `timer` is the number of the one that is valid."""

    timer: int

    def on_time(self, now: float, /) -> None: ...


class Watcher(Protocol):
    def on_event(self, mask: int, /) -> None: ...


class Loop:
    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._watchers: dict[int, Watcher] = {}
        self._timers: list[tuple[float, int, Timed]] = []
        self._ready: deque[Timed] = deque()
        self._number = 0
        self._stopped = False
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._wake_fd, select.EPOLLIN)

    def watch(self, fd: int, mask: int, watcher: Watcher) -> None:
        self._watchers[fd] = watcher
        self._epoll.register(fd, mask)

    def change(self, fd: int, mask: int) -> None:
        self._epoll.modify(fd, mask)

    def forget(self, fd: int) -> None:
        del self._watchers[fd]
        self._epoll.unregister(fd)

    def call_at(self, due: float, target: Timed) -> None:
        """Replaces the target's timer."""
        self._number += 1
        target.timer = self._number
        if due < math.inf:
            heapq.heappush(self._timers, (due, self._number, target))

    def call_soon(self, target: Timed) -> None:
        """In the next round, after the sockets had their turn; replaces the target's timer."""
        target.timer = 0
        self._ready.append(target)

    def stop(self) -> None:
        """May be called from another thread or a signal handler."""
        self._stopped = True
        os.eventfd_write(self._wake_fd, 1)

    def run(self, each_round: Callable[[], None]) -> None:
        watchers = self._watchers
        while not self._stopped:
            for fd, mask in self._epoll.poll(self._timeout(), 512):
                watcher = watchers.get(fd)
                if watcher is not None:
                    watcher.on_event(mask)
            self._run_timers(time.monotonic())
            each_round()

    def close(self) -> None:
        self._epoll.close()
        os.close(self._wake_fd)

    def _timeout(self) -> float:
        if self._ready:
            return 0.0
        if not self._timers:
            return _NEVER
        return min(max(0.0, self._timers[0][0] - time.monotonic()), _NEVER)

    def _run_timers(self, now: float) -> None:
        timers, ready = self._timers, self._ready
        for _ in range(len(ready)):
            ready.popleft().on_time(now)
        while timers and timers[0][0] <= now:
            _, number, target = heapq.heappop(timers)
            if target.timer == number:
                target.on_time(now)
