"""Lets the processes of this service write an SQLite file one at a time.

SQLite itself cannot tell a busy worker from somebody who holds on to the file. Here only workers wait for each other,
so that whoever is in the way afterwards is somebody else.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gevent import monkey

# a worker on a busy machine is through within it
MOST_SECONDS = 2.0
PAUSE_SECONDS = 0.003

# this waits in a real thread
_sleep: Callable[[float], None] = monkey.get_original("time", "sleep")


class Turnstile:
    """path: of a file that is made, and stays empty. waiting: called while another worker is seen at work."""

    def __init__(self, path: str, waiting: Callable[[], None]) -> None:
        self._path = path
        self._waiting = waiting
        self._file: int | None = None

    @contextmanager
    def passed(self) -> Iterator[None]:
        """Alone, or after a while with whoever does not come out again."""
        file = self._opened()
        if file is None or not self._locked(file):
            yield
            return
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)

    def _opened(self) -> int | None:
        if self._file is None:
            try:
                self._file = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            except OSError:
                # whatever is wrong with the folder, SQLite says it better
                return None
        return self._file

    def _locked(self, file: int) -> bool:
        until = time.monotonic() + MOST_SECONDS
        while time.monotonic() < until:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                self._waiting()
                _sleep(PAUSE_SECONDS)
            else:
                return True
        return False
