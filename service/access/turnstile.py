"""Lets the processes of this service write an SQLite file one at a time.

SQLite cannot distinguish a busy worker from a program that keeps the file locked. Here only workers wait for each
other, so whatever still blocks the file afterwards is not one of them.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from gevent import monkey

# long enough for a worker on a busy machine
MOST_SECONDS = 2.0
PAUSE_SECONDS = 0.003

# the unpatched sleep, for a real thread
_sleep: Callable[[float], None] = monkey.get_original("time", "sleep")


class Turnstile:
    """path: a lock file, which stays empty. waiting: called while another worker makes progress."""

    def __init__(self, path: str, waiting: Callable[[], None]) -> None:
        self._path = path
        self._waiting = waiting
        self._file: int | None = None

    @contextmanager
    def passed(self) -> Iterator[None]:
        """Enters alone, or after a while together with a worker that is stuck."""
        file = self._opened()
        if file is None or not self._locked(file):
            yield
            return
        failed = True
        try:
            yield
            failed = False
        finally:
            _tell(file, failed=failed)
            fcntl.flock(file, fcntl.LOCK_UN)

    def _opened(self) -> int | None:
        if self._file is None:
            try:
                self._file = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            except OSError:
                # if something is wrong with the folder, SQLite reports it better
                return None
        return self._file

    def _locked(self, file: int) -> bool:
        until = time.monotonic() + MOST_SECONDS
        while time.monotonic() < until:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                # one who fails is himself waiting for somebody else
                if not _last_failed(file):
                    self._waiting()
                _sleep(PAUSE_SECONDS)
            else:
                return True
        return False


def _last_failed(file: int) -> bool:
    return os.fstat(file).st_size > 0


def _tell(file: int, *, failed: bool) -> None:
    if _last_failed(file) != failed:
        # a disk may be full
        with suppress(OSError):
            os.ftruncate(file, int(failed))
