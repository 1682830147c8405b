"""Decides how often a worker reads its upstreams: less often under load, so that frames get larger."""

import time
from collections.abc import Callable

from service.llm.per_loop import PerLoop
from service.llm.shared_sleep import SharedSleep

# people do not notice it, and it is far below every limit on gaps
LONGEST_SECONDS = 0.07
STEP_SECONDS = 0.01
MEASURE_SECONDS = 0.1
IDLE_SHARE = 0.08
BUSY_SHARE = 0.12
LATE_SECONDS = 0.02
# a few streams cost little, however often they are read
SECONDS_PER_STREAM = 0.004


class Pace:
    """One per worker. A worker is busy when it used much of a core, or when its sleeps end late.

    streams: how many are read at this pace.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        cpu_clock: Callable[[], float] = time.process_time,
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        self.now = clock
        self._cpu_clock = cpu_clock
        self._sleep = sleep or _shared_sleep()
        self.streams = 0
        self._delay_seconds = 0.0
        self._measured_at = clock()
        self._cpu_seconds = cpu_clock()
        self._latest_seconds = 0.0
        self._wakes_at = 0.0

    def wait(self) -> None:
        """Called before a read; lets other streams run."""
        now = self.now()
        if now - self._measured_at >= MEASURE_SECONDS:
            self._measure(now)
        delay = min(self._delay_seconds, self.streams * SECONDS_PER_STREAM)
        if delay > 0:
            # all streams wait for the same moments, so that the loop wakes up once for many
            pause = delay - now % delay
            if now >= self._wakes_at:
                self._wakes_at = now + pause
            self._sleep(pause)
            late = self.now() - self._wakes_at
            self._latest_seconds = max(self._latest_seconds, late)

    def _measure(self, now: float) -> None:
        cpu_seconds = self._cpu_clock()
        share = (cpu_seconds - self._cpu_seconds) / (now - self._measured_at)
        if share > BUSY_SHARE or self._latest_seconds > LATE_SECONDS:
            self._delay_seconds = min(LONGEST_SECONDS, self._delay_seconds + STEP_SECONDS)
        if share < IDLE_SHARE:
            self._delay_seconds = max(0.0, self._delay_seconds - STEP_SECONDS)
        self._measured_at, self._cpu_seconds, self._latest_seconds = now, cpu_seconds, 0.0


def _shared_sleep() -> Callable[[float], None]:
    sleeps = PerLoop(SharedSleep)
    return lambda seconds: sleeps.here().sleep(seconds)
