"""A bounded number of turns, and a short bounded wait for one."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from service.errors import Overloaded


class Admission:
    """Slots of one worker. More turns than these wait wait_seconds at most, then they are refused."""

    def __init__(self, slots: int, wait_seconds: float) -> None:
        self._slots = threading.BoundedSemaphore(slots)
        self._wait_seconds = wait_seconds

    @contextmanager
    def admit(self) -> Iterator[None]:
        """Raises Overloaded when no slot came free in time."""
        if not self._slots.acquire(timeout=self._wait_seconds):
            raise Overloaded(cause="no free slot")
        try:
            yield
        finally:
            self._slots.release()
