"""A circuit breaker for streams: pybreaker is the state machine, and no lock is held during an attempt.

admit() comes before an attempt, and one outcome after it. pybreaker's own call() would hold its lock while an answer
streams, count a disconnect as a failure and an excluded error as a success, and admit every waiting call when half
open; it also counts every failure, whatever was asked and whoever asked.
"""

import math
from collections.abc import Callable
from typing import Any, Literal, Protocol

import pybreaker

from service.chat.deadline import Clock
from service.errors import CircuitOpen
from service.resilience.blame import EVERYBODY, Origin, Scope, Tally
from service.resilience.listener import BreakerState, Listener

# systemic: a failure that the question cannot have caused
Outcome = Literal["success", "failure", "systemic", "neutral"]
# another worker is probing: check again soon
ELSEWHERE_SECONDS = 1.0
# a caller whose probe failed goes last, because its input may be the cause
YIELD_SECONDS = 1.0


class Sharing(Protocol):
    """Keeps the breakers of other workers informed, best effort and without a long wait."""

    def opened(self, model: str, scope: Scope) -> None: ...
    def closed(self, model: str) -> None: ...
    def lease_probe(self, model: str) -> bool:
        """Whether this worker may make the probe."""

    def free_probe(self, model: str) -> None: ...


class Alone:
    """Sharing for a single worker."""

    def opened(self, model: str, scope: Scope) -> None:
        pass

    def closed(self, model: str) -> None:
        pass

    def lease_probe(self, model: str) -> bool:  # noqa: ARG002
        return True

    def free_probe(self, model: str) -> None:
        pass


class Permit:
    """The right to make one attempt. Only the first outcome counts, and only while the breaker's state is the same."""

    def __init__(self, breaker: "Breaker", origin: Origin, era: int, *, probe: bool) -> None:
        self._breaker = breaker
        self.model = breaker.model
        self.origin = origin
        self.era = era
        self.probe = probe
        self._settled = False

    def settle(self, outcome: Outcome) -> None:
        if not self._settled:
            self._settled = True
            self._breaker.record(self, outcome)

    def content(self) -> None:
        """The first content arrived, which is enough for a probe to succeed."""
        if self.probe:
            self.settle("success")


class Breaker:
    """The breaker of one upstream model in one worker. It uses a monotonic clock instead of pybreaker's wall clock.

    It may be open only for the one caller who caused all the failures; others are then admitted as if it were closed.
    failures: how many open it. probe_seconds: after this, a running probe no longer blocks the next one.
    """

    def __init__(
        self,
        model: str,
        failures: int,
        open_seconds: float,
        probe_seconds: float,
        clock: Clock,
        listener: Listener,
        sharing: Sharing,
    ) -> None:
        self.model = model
        self._failures = failures
        self._open_seconds = open_seconds
        self._probe_seconds = probe_seconds
        self._clock = clock
        self._listener = listener
        self._sharing = sharing
        self._era = 0
        self._tally = Tally()
        self._scope = EVERYBODY
        self._probe: Permit | None = None
        self._probe_until = 0.0
        self._yielding: Scope | None = None
        self._leasing = False
        self._open_until = 0.0
        self._machine = pybreaker.CircuitBreaker(name=model, listeners=[_Changes(self._changed)])
        listener.breaker_is(model, "closed")

    @property
    def state(self) -> BreakerState:
        state: BreakerState = self._machine.current_state  # type: ignore[assignment]
        return state

    def rejects(self, origin: Origin) -> bool:
        """Whether it is open for this origin, and will stay open for a while."""
        return self.state == "open" and origin.within(self._scope)

    def admit(self, origin: Origin) -> Permit:
        """Raises CircuitOpen, with the seconds to wait before a retry makes sense."""
        if self.state == "closed" or not origin.within(self._scope):
            return Permit(self, origin, self._era, probe=False)
        wait = self._open_until - self._clock()
        if wait > 0:
            raise self._rejection(wait)
        if origin.caller == self._yielding and wait > -YIELD_SECONDS:
            raise self._rejection(wait + YIELD_SECONDS)
        if self._leasing or (self._probe is not None and self._clock() < self._probe_until):
            raise self._rejection(ELSEWHERE_SECONDS)
        return self._admit_probe(origin)

    def record(self, permit: Permit, outcome: Outcome) -> None:
        """Called by Permit."""
        if permit.era != self._era:
            return
        if permit.probe:
            self._record_probe(permit, outcome)
        elif outcome == "success":
            self._tally = Tally()
        elif outcome != "neutral":
            self._tally.add(permit.origin, systemic=outcome == "systemic")
            if len(self._tally) >= self._failures:
                # callers that were not blocked have failed, too
                self._open(self._tally.scope if self.state == "closed" else EVERYBODY)

    def adopt_open(self, seconds: float, scope: Scope = EVERYBODY) -> None:
        """Another worker's breaker is open for these seconds."""
        elapsed = self._open_until <= self._clock()
        wider = scope == EVERYBODY and self._scope != EVERYBODY
        if self.state != "open" or elapsed or wider:
            self._open_for(min(seconds, self._open_seconds), scope)

    def adopt_closed(self) -> None:
        """Another worker's probe succeeded."""
        if self.state != "closed":
            self._machine.close()

    def _admit_probe(self, origin: Origin) -> Permit:
        era = self._era
        self._leasing = True
        try:
            leased = self._sharing.lease_probe(self.model)
        finally:
            self._leasing = False
        if era != self._era:
            # another worker opened or closed it in the meantime
            return self.admit(origin)
        if not leased:
            self._open_until = self._clock() + ELSEWHERE_SECONDS
            raise self._rejection(ELSEWHERE_SECONDS)
        if self.state != "half-open":
            self._machine.half_open()
        self._probe = Permit(self, origin, self._era, probe=True)
        self._probe_until = self._clock() + self._probe_seconds
        return self._probe

    def _record_probe(self, permit: Permit, outcome: Outcome) -> None:
        if outcome == "success":
            self._yielding = None
            self._machine.close()
            self._sharing.closed(self.model)
        elif permit is self._probe:
            self._probe = None
            if outcome == "neutral":
                self._sharing.free_probe(self.model)
            else:
                self._yielding = permit.origin.caller if outcome == "failure" else None
                self._open(self._scope)

    def _open(self, scope: Scope) -> None:
        self._open_for(self._open_seconds, scope)
        self._sharing.opened(self.model, scope)

    def _open_for(self, seconds: float, scope: Scope) -> None:
        self._open_until = self._clock() + seconds
        self._scope = scope
        self._machine.open()

    def _changed(self, new: BreakerState) -> None:
        self._era += 1
        self._probe = None
        self._tally = Tally()
        alone = new == "open" and self._scope != EVERYBODY
        self._listener.breaker_is(self.model, new, alone=alone)

    def _rejection(self, seconds: float) -> CircuitOpen:
        return CircuitOpen(cause="breaker", retry_after_seconds=max(1, math.ceil(seconds)))


class Breakers:
    """The breakers of one server, created per model on first use: chains may call models that no setting names."""

    def __init__(self, make: Callable[[str], Breaker]) -> None:
        self._make = make
        self._made: dict[str, Breaker] = {}

    def of(self, model: str) -> Breaker:
        if model not in self._made:
            self._made[model] = self._make(model)
        return self._made[model]


class _Changes(pybreaker.CircuitBreakerListener):
    def __init__(self, changed: Callable[[BreakerState], None]) -> None:
        self._changed = changed

    def state_change(self, cb: Any, old_state: Any, new_state: Any) -> None:  # noqa: ARG002
        self._changed(new_state.name)
