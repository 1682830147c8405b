"""Checks that a run is valid: a saturated load generator measures only itself."""

import time

BUSY_SHARE = 0.85
# a moment at start does not count
LOOK_SECONDS = 5.0


class OwnCpu:
    """Looks at this process's share of a core; the busiest stretch counts."""

    def __init__(self) -> None:
        self.busiest_share = 0.0
        self._at = time.monotonic()
        self._cpu = time.process_time()

    def look(self) -> None:
        now = time.monotonic()
        if now - self._at >= LOOK_SECONDS:
            cpu = time.process_time()
            self.busiest_share = max(self.busiest_share, (cpu - self._cpu) / (now - self._at))
            self._at, self._cpu = now, cpu

    @property
    def was_the_limit(self) -> bool:
        return self.busiest_share > BUSY_SHARE
