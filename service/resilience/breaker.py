"""A circuit breaker for streams: pybreaker as the state machine, nothing held during an attempt.

admit() before the attempt, one outcome after it: success, failure, or neutral. pybreaker's own call() would hold its
lock while an answer streams, take a caller's leaving for a failure, an excluded error for a success, and let a crowd
in when half open.
"""

import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal, Protocol

import pybreaker

from service.chat.deadline import Clock
from service.errors import CircuitOpen
from service.resilience.listener import BreakerState, Listener

Outcome = Literal["success", "failure", "neutral"]
# a probe that another worker makes: look again soon
ELSEWHERE_SECONDS = 1.0


class Sharing(Protocol):
    """Keeps breakers of the same model in other workers informed: best effort, and never waited for long."""

    def opened(self, model: str) -> None: ...
    def closed(self, model: str) -> None: ...
    def lease_probe(self, model: str) -> bool:
        """Whether this worker may make the one probe."""

    def free_probe(self, model: str) -> None: ...


class Alone:
    """No other workers."""

    def opened(self, model: str) -> None:
        pass

    def closed(self, model: str) -> None:
        pass

    def lease_probe(self, model: str) -> bool:  # noqa: ARG002
        return True

    def free_probe(self, model: str) -> None:
        pass


class Permit:
    """The right to make one attempt. The first outcome counts; one of an earlier state changes nothing."""

    def __init__(self, breaker: "Breaker", era: int, *, probe: bool) -> None:
        self._breaker = breaker
        self.era = era
        self.probe = probe
        self._settled = False

    def settle(self, outcome: Outcome) -> None:
        if not self._settled:
            self._settled = True
            self._breaker.record(self, outcome)

    def content(self) -> None:
        """The first content came: enough for a probe."""
        if self.probe:
            self.settle("success")


class Breaker:
    """One upstream model's breaker in one worker. Monotonic clock; pybreaker's wall clock is not asked."""

    def __init__(
        self,
        model: str,
        failures: int,
        open_seconds: float,
        clock: Clock,
        listener: Listener,
        sharing: Sharing,
    ) -> None:
        self.model = model
        self._open_seconds = open_seconds
        self._clock = clock
        self._listener = listener
        self._sharing = sharing
        self._era = 0
        self._probe: Permit | None = None
        self._leasing = False
        self._open_until = 0.0
        self._machine = pybreaker.CircuitBreaker(
            fail_max=failures,
            throw_new_error_on_trip=False,
            name=model,
            listeners=[_Changes(self._changed)],
        )
        listener.breaker_is(model, "closed")

    @property
    def state(self) -> BreakerState:
        state: BreakerState = self._machine.current_state  # type: ignore[assignment]
        return state

    def admit(self) -> Permit:
        """Raises CircuitOpen, with the seconds after which asking again makes sense."""
        if self.state == "closed":
            return Permit(self, self._era, probe=False)
        wait = self._open_until - self._clock()
        if wait > 0:
            raise self._rejection(wait)
        if self._probe is not None or self._leasing:
            raise self._rejection(ELSEWHERE_SECONDS)
        return self._admit_probe()

    def record(self, permit: Permit, outcome: Outcome) -> None:
        """Called by the permit."""
        if permit.era != self._era:
            return
        if permit is self._probe:
            self._probe = None
            if outcome == "neutral":
                self._sharing.free_probe(self.model)
        if outcome == "success":
            self._succeed(permit)
        elif outcome == "failure":
            self._fail()

    def adopt_open(self, seconds: float) -> None:
        """Another worker's breaker is open for this much longer."""
        if self.state != "open" or self._open_until <= self._clock():
            self._open(seconds)

    def adopt_closed(self) -> None:
        """Another worker's probe succeeded."""
        if self.state != "closed":
            self._machine.close()

    def _admit_probe(self) -> Permit:
        era = self._era
        self._leasing = True
        try:
            leased = self._sharing.lease_probe(self.model)
        finally:
            self._leasing = False
        if era != self._era:
            # another worker opened or closed it while we asked
            return self.admit()
        if not leased:
            self._open_until = self._clock() + ELSEWHERE_SECONDS
            raise self._rejection(ELSEWHERE_SECONDS)
        if self.state != "half-open":
            self._machine.half_open()
        self._probe = Permit(self, self._era, probe=True)
        return self._probe

    def _succeed(self, permit: Permit) -> None:
        self._machine.call(lambda: None)
        if permit.probe:
            self._sharing.closed(self.model)

    def _fail(self) -> None:
        with suppress(_Failure):
            self._machine.call(_raise)
        if self.state == "open":
            self._open_until = self._clock() + self._open_seconds
            self._sharing.opened(self.model)

    def _open(self, seconds: float) -> None:
        self._open_until = self._clock() + seconds
        self._machine.open()

    def _changed(self, new: BreakerState) -> None:
        self._era += 1
        self._probe = None
        self._listener.breaker_is(self.model, new)

    def _rejection(self, seconds: float) -> CircuitOpen:
        return CircuitOpen(cause="breaker", retry_after_seconds=max(1, math.ceil(seconds)))


class Breakers:
    """One for each model of a place, made when it is first asked: chains may name models that no setting has."""

    def __init__(self, make: Callable[[str], Breaker]) -> None:
        self._make = make
        self._made: dict[str, Breaker] = {}

    def of(self, model: str) -> Breaker:
        if model not in self._made:
            self._made[model] = self._make(model)
        return self._made[model]


class _Failure(Exception):
    """Stands for a failure that has been dealt with already."""


def _raise() -> None:
    raise _Failure


class _Changes(pybreaker.CircuitBreakerListener):
    def __init__(self, changed: Callable[[BreakerState], None]) -> None:
        self._changed = changed

    def state_change(self, cb: Any, old_state: Any, new_state: Any) -> None:  # noqa: ARG002
        self._changed(new_state.name)
