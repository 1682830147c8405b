"""From SIGTERM to the end of the last answer."""

import threading
import time
from collections.abc import Callable
from typing import Protocol

from service.web.context import Connection

LOOK_SECONDS = 0.25
# after SIGTERM, a caller who does not read is cut off after this long
WRITE_SECONDS = 3.0


class Worker(Protocol):
    alive: bool

    def close_silent_connections(self) -> None: ...


class Drain:
    """Knows when this worker began to drain, and cuts blocked writes that would delay its exit."""

    def __init__(self, drain_seconds: float, clock: Callable[[], float]) -> None:
        self._drain_seconds = drain_seconds
        self._clock = clock
        self._worker: Worker | None = None
        self._since: float | None = None
        self.streams: set[Connection] = set()

    def watch(self, worker: Worker) -> None:
        """Called in the worker, after its fork."""
        self._worker = worker
        threading.Thread(target=self._run, name="drain", daemon=True).start()

    def draining(self) -> bool:
        if self._since is None and self._worker is not None and not self._worker.alive:
            self._since = self._clock()
        return self._since is not None

    def passed(self) -> bool:
        """Whether running answers must end now."""
        return self.draining() and self._clock() - (self._since or 0.0) >= self._drain_seconds

    def _run(self) -> None:
        while not self.draining():
            time.sleep(LOOK_SECONDS)
        while True:
            for connection in list(self.streams):
                self._cut_if_stuck(connection)
            if self._worker is not None:
                self._worker.close_silent_connections()
            time.sleep(LOOK_SECONDS)

    def _cut_if_stuck(self, connection: Connection) -> None:
        began = connection.writing_since
        if began is None:
            return
        if self._clock() - max(began, self._since or 0.0) >= WRITE_SECONDS:
            connection.cut()
