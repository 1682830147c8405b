"""How often a busy worker reads its upstreams: less often, so that frames grow as load grows."""

import time
from collections.abc import Callable

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

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        cpu_clock: Callable[[], float] = time.process_time,
        sleep: Callable[[float], None] = gevent.sleep,
    ) -> None:
        self._clock = clock
        self._cpu_clock = cpu_clock
        self._sleep = sleep
        self._delay_seconds = 0.0
        self._measured_at = clock()
        self._cpu_seconds = cpu_clock()
        self._latest_seconds = 0.0

    def wait(self) -> None:
        """Before a read; it lets the other streams run."""
        now = self._clock()
        if now - self._measured_at >= MEASURE_SECONDS:
            self._measure(now)
        if self._delay_seconds > 0:
            # all streams at the same moments: the loop wakes once for many
            pause = self._delay_seconds - now % self._delay_seconds
            self._sleep(pause)
            late = self._clock() - now - pause
            self._latest_seconds = max(self._latest_seconds, late)

    def _measure(self, now: float) -> None:
        cpu_seconds = self._cpu_clock()
        share = (cpu_seconds - self._cpu_seconds) / (now - self._measured_at)
        if share > BUSY_SHARE or self._latest_seconds > LATE_SECONDS:
            self._delay_seconds = min(LONGEST_SECONDS, self._delay_seconds + STEP_SECONDS)
        elif share < IDLE_SHARE:
            self._delay_seconds = max(0.0, self._delay_seconds - STEP_SECONDS)
        self._measured_at, self._cpu_seconds, self._latest_seconds = now, cpu_seconds, 0.0
