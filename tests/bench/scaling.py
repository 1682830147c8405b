"""How far a deployment goes: the arithmetic of docs/scaling.md, and a simulation that it has to stand up to.

python -m tests.bench.scaling
"""

import heapq
import math
import random
from dataclasses import dataclass, field

from service.settings import Settings

# leaves a margin below what a test reached
HEADROOM = 0.7
# of docs: make bench, 200 streams of 50 tokens/s; /chat with 20 tokens
CPU_SECONDS_PER_TOKEN = 40e-6
CPU_SECONDS_PER_TURN = 2.3e-3
# one to admit, one for each model call that is settled, one for the ledger, and the upkeep
TRANSACTIONS_PER_TURN = 4
# nginx/configure.sh: all workers together; an answer has one to the caller and one to the service
NGINX_CONNECTIONS = 32768


def default(name: str) -> float:
    return float(Settings.model_fields[name].default)


SLOTS = int(default("web_concurrency") * default("max_concurrent_turns"))


@dataclass(frozen=True)
class Load:
    """The busiest hour. Change these to your own."""

    users: int
    active_share: float = 0.1
    questions_per_hour: float = 6
    answer_seconds: float = 12
    input_tokens: int = 600
    output_tokens: int = 400

    @property
    def arrivals(self) -> float:
        """Questions per second."""
        return self.users * self.active_share * self.questions_per_hour / 3600

    @property
    def open_answers(self) -> float:
        """Little's law."""
        return self.arrivals * self.answer_seconds

    @property
    def busiest_moment(self) -> float:
        """Arrivals are random: four standard deviations above the mean."""
        return self.open_answers + 4 * math.sqrt(self.open_answers)

    @property
    def replicas(self) -> int:
        """Two at least: one may be replaced, or lost."""
        return max(2, math.ceil(self.busiest_moment / (HEADROOM * SLOTS)))

    @property
    def cores(self) -> float:
        tokens = self.arrivals * self.output_tokens * CPU_SECONDS_PER_TOKEN
        return (tokens + self.arrivals * CPU_SECONDS_PER_TURN) / HEADROOM

    @property
    def nginx(self) -> int:
        return max(1, math.ceil(2 * self.busiest_moment / (HEADROOM * NGINX_CONNECTIONS)))

    @property
    def transactions(self) -> float:
        return self.arrivals * TRANSACTIONS_PER_TURN

    @property
    def tokens_per_minute(self) -> float:
        return 60 * self.arrivals * (self.input_tokens + self.output_tokens)

    def row(self) -> str:
        cells = (
            f"{self.users:,}", f"{self.arrivals:,.2f}", f"{self.open_answers:,.1f}", f"{self.busiest_moment:,.0f}",
            f"{self.replicas}", f"{self.cores:,.2f}", f"{self.nginx}", f"{self.transactions:,.1f}",
            f"{self.tokens_per_minute:,.0f}",
        )  # fmt: skip
        return "| " + " | ".join(cells) + " |"


EXAMPLES = (Load(100), Load(10_000), Load(1_000_000))


@dataclass
class Outcome:
    """peak: answers open at once, in all; busiest: of one replica."""

    answered: int = 0
    overloaded: int = 0
    failed: int = 0
    circuit_open: int = 0
    over_budget: int = 0
    spent: float = 0
    peak: int = 0
    busiest: int = 0
    seconds_open: float = 0


@dataclass
class Simulation:
    """`seconds` of the busiest hour. outage: from when to when the model answers nobody. budget: in questions' cost."""

    load: Load
    replicas: int
    seconds: float = 600
    outage: tuple[float, float] = (0, 0)
    budget: float = math.inf
    seed: int = 1
    outcome: Outcome = field(default_factory=Outcome)

    def run(self) -> Outcome:
        self._random = random.Random(self.seed)
        self._open = [0] * self.replicas
        self._ends: list[tuple[float, int, bool]] = []
        self._failures, self._open_until = 0, 0.0
        now = 0.0
        while (now := now + self._random.expovariate(self.load.arrivals)) < self.seconds:
            self._end_until(now)
            self._arrive(now)
        return self.outcome

    def _end_until(self, now: float) -> None:
        while self._ends and self._ends[0][0] <= now:
            moment, replica, is_good = heapq.heappop(self._ends)
            self._open[replica] -= 1
            if is_good:
                self.outcome.answered += 1
                self._failures = 0
            else:
                self._fail(moment)

    def _fail(self, moment: float) -> None:
        self.outcome.failed += 1
        self._failures += 1
        if self._failures >= default("breaker_failures"):
            self._open_until = moment + default("breaker_open_seconds")

    def _arrive(self, now: float) -> None:
        outcome = self.outcome
        if now < self._open_until:
            outcome.circuit_open += 1
        elif outcome.spent + 1 > self.budget:
            outcome.over_budget += 1
        else:
            self._admit(now)

    def _admit(self, now: float) -> None:
        """nginx asks where the fewest answers run."""
        replica = min(range(self.replicas), key=self._open.__getitem__)
        if self._open[replica] >= SLOTS:
            self.outcome.overloaded += 1
            return
        is_down = self.outage[0] <= now < self.outage[1]
        lasts = default("connect_timeout_seconds") if is_down else self._answer_seconds()
        self._open[replica] += 1
        heapq.heappush(self._ends, (now + lasts, replica, not is_down))
        self.outcome.spent += 0 if is_down else 1
        self.outcome.seconds_open += lasts
        self.outcome.busiest = max(self.outcome.busiest, self._open[replica])
        self.outcome.peak = max(self.outcome.peak, len(self._ends))

    def _answer_seconds(self) -> float:
        """Most are short, some are ten times as long."""
        spread = 0.8
        middle = math.log(self.load.answer_seconds) - spread * spread / 2
        return min(self._random.lognormvariate(middle, spread), default("turn_timeout_seconds"))


def main() -> None:
    for load in EXAMPLES:
        print(load.row())
        print("  simulated:", Simulation(load, load.replicas).run())


if __name__ == "__main__":
    main()
