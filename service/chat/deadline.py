"""Time budgets on a monotonic clock."""

from collections.abc import Callable
from dataclasses import dataclass

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Deadline:
    """A point in time, passed by value."""

    at: float
    clock: Clock

    @classmethod
    def after(cls, seconds: float, clock: Clock) -> "Deadline":
        return cls(clock() + seconds, clock)

    def remaining(self) -> float:
        return max(0.0, self.at - self.clock())

    def passed(self) -> bool:
        return self.clock() >= self.at


class Silence:
    """How long the upstream has been silent, not counting delays of our own process.

    A step counts for at most cap_seconds: if our process was held up for longer (stopped, overloaded, a frozen
    machine), the excess is not the upstream's fault.
    """

    __slots__ = ("_cap", "_clock", "_since", "seconds")

    def __init__(self, clock: Clock, cap_seconds: float) -> None:
        self._clock = clock
        self._cap = cap_seconds
        self._since = clock()
        self.seconds = 0.0

    def resume(self) -> None:
        """Starts a step: from here on, time counts against the upstream."""
        self._since = self._clock()

    def step(self) -> float:
        """Ends a step that brought nothing; returns the silence so far."""
        now = self._clock()
        self.seconds += min(now - self._since, self._cap)
        self._since = now
        return self.seconds

    def broken(self) -> None:
        self.seconds = 0.0
        self._since = self._clock()
