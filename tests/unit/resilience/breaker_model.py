"""What a breaker should be, simple enough to be right: plain lists, and everything worked out from them each time."""

import math
from dataclasses import dataclass, field

from service.resilience.blame import Origin

FAILURES = 3
OPEN_SECONDS = 15
PROBE_SECONDS = 20
ELSEWHERE_SECONDS = 1
YIELD_SECONDS = 1


@dataclass
class Permit:
    era: int
    probe: bool
    origin: Origin
    at: float
    settled: bool = False


@dataclass
class Model:
    """What the breaker should be. failures: (turn, question, caller) of those that count; None: not due to it."""

    state: str = "closed"
    scope: tuple = ()
    failures: list = field(default_factory=list)
    open_until: float = 0.0
    era: int = 0
    probe: Permit | None = None
    yielding: tuple | None = None
    told: list = field(default_factory=list)

    def become(self, state):
        self.state, self.failures, self.probe = state, [], None
        self.era += 1

    def open(self, until, scope):
        self.scope = scope
        self.open_until = until
        self.become("open")

    def hear(self, news, now, scope=()):
        if news == "closed":
            if self.state != "closed":
                self.become("closed")
        elif self.state != "open" or self.open_until <= now or (self.scope and not scope):
            self.open(now + news, scope)

    def admit(self, origin, now, leased, meanwhile=None):
        """A permit, or the Retry-After of the rejection. meanwhile: what is heard while a lease is waited for."""
        pairs = zip(self.scope, origin.caller, strict=False)
        if self.state == "closed" or any(held != asking for held, asking in pairs):
            return Permit(self.era, probe=False, origin=origin, at=now)
        yields = origin.caller == self.yielding and now >= self.open_until
        until = self.open_until + YIELD_SECONDS * yields
        if now < until:
            return math.ceil(until - now)
        if self.probe is not None and now < self.probe.at + PROBE_SECONDS:
            return ELSEWHERE_SECONDS
        if meanwhile is not None:
            self.hear(meanwhile, now)
            return self.admit(origin, now, leased)
        if not leased:
            self.open_until = now + ELSEWHERE_SECONDS
            return ELSEWHERE_SECONDS
        if self.state == "open":
            self.become("half-open")
        self.probe = Permit(self.era, probe=True, origin=origin, at=now)
        return self.probe

    def settle(self, permit, outcome, now):
        if permit.settled:
            return
        permit.settled = True
        if permit.era != self.era:
            return
        if permit.probe:
            self._settle_probe(permit, outcome, now)
        elif outcome == "success":
            self.failures = []
        elif outcome != "neutral":
            self._fail(permit, outcome, now)

    def _settle_probe(self, permit, outcome, now):
        if outcome == "success":
            self.yielding = None
            self.become("closed")
            self.told.append("closed")
        elif permit is self.probe:
            self.probe = None
            if outcome == "neutral":
                self.told.append("freed")
            else:
                self.yielding = permit.origin.caller if outcome == "failure" else None
                self._trip(now, self.scope)

    def _fail(self, permit, outcome, now):
        turn, question, caller = permit.origin.turn, permit.origin.question, permit.origin.caller
        if outcome == "systemic":
            question, caller = None, ()
        known = [q for _, q, _ in self.failures if q is not None]
        if turn not in [counted for counted, _, _ in self.failures] and question not in known:
            self.failures.append((turn, question, caller))
        if len(self.failures) == FAILURES:
            self._trip(now, self._shared() if self.state == "closed" else ())

    def _shared(self):
        callers = [caller for _, _, caller in self.failures]
        lengths = [n for n in range(3) if len({caller[:n] for caller in callers}) == 1]
        return callers[0][: max(lengths)]

    def _trip(self, now, scope):
        self.open(now + OPEN_SECONDS, scope)
        self.told.append(("opened", scope))
