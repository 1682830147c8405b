"""Limits the number of concurrent turns, with a short wait for a free slot."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from service.errors import Overloaded


class Admission:
    """The slots of one worker. Further turns wait for at most wait_seconds and are then refused."""

    def __init__(self, slots: int, wait_seconds: float) -> None:
        self._slots = threading.BoundedSemaphore(slots)
        self._wait_seconds = wait_seconds

    @contextmanager
    def admit(self) -> Iterator[None]:
        """Raises Overloaded if no slot becomes free in time."""
        if not self._slots.acquire(timeout=self._wait_seconds):
            raise Overloaded(cause="no free slot")
        try:
            yield
        finally:
            self._slots.release()
