"""How often a busy worker reads its upstreams: less often, so that frames grow as load grows."""

import time

import gevent

# people do not see it, and it is far below every limit on gaps
LONGEST_SECONDS = 0.05
STEP_SECONDS = 0.01
MEASURE_SECONDS = 0.1
BUSY_SHARE = 0.12
IDLE_SHARE = 0.08
LATE_SECONDS = 0.02


class Pace:
    """One per worker. A worker is busy when it used much of a core, or when its sleeps end late."""

    def __init__(self) -> None:
        self.delay_seconds = 0.0
        self._measured_at = time.monotonic()
        self._cpu_seconds = time.process_time()
        self._latest_seconds = 0.0

    def wait(self) -> None:
        """Before a read; it lets the other streams run."""
        began = time.monotonic()
        if began - self._measured_at >= MEASURE_SECONDS:
            self._measure(began)
        if self.delay_seconds > 0:
            # all streams at the same moments: the loop wakes once for many
            pause = self.delay_seconds - began % self.delay_seconds
            gevent.sleep(pause)
            late = time.monotonic() - began - pause
            self._latest_seconds = max(self._latest_seconds, late)

    def _measure(self, now: float) -> None:
        cpu_seconds = time.process_time()
        share = (cpu_seconds - self._cpu_seconds) / (now - self._measured_at)
        if share > BUSY_SHARE or self._latest_seconds > LATE_SECONDS:
            self.delay_seconds = min(LONGEST_SECONDS, self.delay_seconds + STEP_SECONDS)
        elif share < IDLE_SHARE:
            self.delay_seconds = max(0.0, self.delay_seconds - STEP_SECONDS)
        self._measured_at, self._cpu_seconds, self._latest_seconds = now, cpu_seconds, 0.0
