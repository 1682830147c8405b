"""What a breaker should be, simple enough to be right."""

import math
from dataclasses import dataclass

FAILURES = 2
OPEN_SECONDS = 15
ELSEWHERE_SECONDS = 1


@dataclass
class Permit:
    era: int
    probe: bool
    settled: bool = False


class Model:
    """What the breaker should be."""

    def __init__(self):
        self.state = "closed"
        self.failures = 0
        self.open_until = 0.0
        self.era = 0
        self.probe = None
        self.told = []

    def become(self, state):
        self.state, self.failures, self.probe = state, 0, None
        self.era += 1

    def open(self, until):
        self.become("open")
        self.open_until = until

    def hear(self, news, now):
        if news == "closed" and self.state != "closed":
            self.become("closed")
        elif news != "closed" and (self.state != "open" or self.open_until <= now):
            self.open(now + news)

    def admit(self, now, leased, meanwhile=None):
        """A permit, or the Retry-After of the rejection. meanwhile: what is heard while a lease is waited for."""
        if self.state == "closed":
            return Permit(self.era, probe=False)
        if now < self.open_until:
            return math.ceil(self.open_until - now)
        if self.probe is not None:
            return ELSEWHERE_SECONDS
        if meanwhile is not None:
            self.hear(meanwhile, now)
            return self.admit(now, leased)
        if not leased:
            self.open_until = now + ELSEWHERE_SECONDS
            return ELSEWHERE_SECONDS
        if self.state == "open":
            self.become("half-open")
        self.probe = Permit(self.era, probe=True)
        return self.probe

    def settle(self, permit, outcome, now):
        if permit.settled:
            return
        permit.settled = True
        if permit.era != self.era:
            return
        self.probe = None
        if outcome == "neutral":
            self.told += ["freed"] * permit.probe
        elif outcome == "success":
            self.failures = 0
            if permit.probe:
                self.become("closed")
                self.told.append("closed")
        else:
            self.failures += 1
            if permit.probe or self.failures == FAILURES:
                self.open(now + OPEN_SECONDS)
                self.told.append("opened")
