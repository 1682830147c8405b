"""Short turns as fast as they go, with callers who leave, faults and workers that are replaced: what grows?

After every replacement the new workers begin again, so each generation is compared with itself: its second half with
its first.
"""

import signal
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

from tests.attack.hammer import Hammer, request
from tests.attack.stage import question
from tests.bench.processes import memory_bytes
from tests.support.service import SHIPPED_CHAIN, Service
from tests.support.simulator import SimulatorProcess, directive

WORKERS = 2
GENERATIONS = 5
SAMPLE_SECONDS = 2.0
# in the table of samples
MOST_LINES = 60
WARM_SHARE = 0.15
LEAST_SAMPLES = 4
# a worker's pools and caches fill up for a while
MOST_GROWTH = {"memory_mb": 1.15, "descriptors": 1.25, "greenlets": 1.5, "files": 1.1}
SPARE = {"memory_mb": 15.0, "descriptors": 20.0, "greenlets": 40.0, "files": 4.0}
COUNTING_CHAIN = """

def build_count(model):
    import gc

    from greenlet import greenlet
    from langchain_core.runnables import RunnableLambda

    def count(_):
        return str(sum(isinstance(one, greenlet) and not one.dead for one in gc.get_objects()))

    return RunnableLambda(count)


CHAINS = {**CHAINS, "count": build_count}
"""
GOOD = [question(directive(tokens=2)), question(directive(tokens=5, burst=1))]
FAULTS = [
    question(directive(tokens=4, **fault))
    for fault in (
        {"fault": "status", "status": 500},
        {"fault": "status", "status": 429},
        {"fault": "cut", "after": 2},
        {"fault": "malformed"},
        {"fault": "reset-before"},
        {"fault": "reset-after", "after": 1},
        {"fault": "no-finish"},
        {"fault": "in-band-error"},
        {"fault": "content-filter"},
        {"fault": "html"},
        {"fault": "split-bytes"},
        {"fault": "no-usage"},
    )
]
LEFT = [question(directive(tokens=50, gap=0.1)), question(directive(fault="silent"))]


@dataclass(frozen=True)
class Sample:
    """Of all workers together."""

    memory_mb: float
    descriptors: float
    greenlets: float
    files: float


@dataclass(frozen=True)
class Taken:
    """A sample, and when it was taken. under_way: turns that hold a slot."""

    generation: int
    seconds: float
    turns: int
    under_way: int
    sample: Sample


@dataclass(frozen=True)
class Finding:
    turns: int
    seconds: float
    lines: list[str]
    complaints: list[str]
    taken: list[Taken]

    def markdown(self) -> str:
        """Samples evenly over the whole run."""
        heads = ("generation", "seconds", "turns", "under way", *(f.name for f in fields(Sample)))
        rows = [heads, tuple("---" for _ in heads)]
        for one in self.taken[:: max(1, len(self.taken) // MOST_LINES)]:
            figures = (one.generation, one.seconds, one.turns, one.under_way)
            measured = (getattr(one.sample, field.name) for field in fields(Sample))
            rows.append(tuple(f"{value:.0f}" for value in (*figures, *measured)))
        table = [f"| {' | '.join(row)} |" for row in rows]
        told = [f"- {line}" for line in (*self.lines, *self.complaints)]
        end = f"{self.turns} turns in {self.seconds:.0f} s"
        return "\n".join([*table, "", *told, "", end, ""])


def run(turns: int, minutes: float) -> Finding:
    """Until there were so many turns, or for so long."""
    began = time.monotonic()
    lines, complaints, taken = list[str](), list[str](), list[Taken]()
    with running() as service:
        until = began + 60 * minutes
        for generation in range(1, GENERATIONS + 1):
            if generation > 1:
                replace_workers(service)
            left = (until - time.monotonic()) / (GENERATIONS + 1 - generation)
            wanted = turns * generation // GENERATIONS
            samples = []
            for turns_now, under_way, sample in soaked(service, wanted, left):
                taken.append(
                    Taken(generation, time.monotonic() - began, turns_now, under_way, sample)
                )
                samples.append(sample)
            lines += judged(generation, samples, complaints)
            # every slot is free again
            service.until("chat_turns_in_flight", 0, timeout=60)
        counted = int(service.metric("chat_turns_total"))
        if counted != int(service.metric("chat_turns_started_total")):
            complaints.append("a turn has no ending")
        bugs = [event for event in service.events() if event["event"] == "bug"]
        complaints += [f"{len(bugs)} bugs"] if bugs else []
    return Finding(counted, time.monotonic() - began, lines, complaints, taken)


@contextmanager
def running() -> Iterator[Service]:
    with ExitStack() as held:
        simulator = held.enter_context(SimulatorProcess())
        service = Service(
            simulator.base_url,
            chain=SHIPPED_CHAIN.read_text() + COUNTING_CHAIN,
            WEB_CONCURRENCY=WORKERS,
            BREAKER_FAILURES=1_000_000,
            RETRY_ATTEMPTS=2,
            ALLOWED_HOSTS="localhost",
            DRAIN_SECONDS=5,
        )
        held.callback(service.stop)
        service.wait_ready(120)
        service.until("chat_workers", WORKERS, timeout=120)
        yield service


def replace_workers(service: Service) -> None:
    before = set(service.workers())
    service.signal(signal.SIGHUP)
    until = time.monotonic() + 120
    while before & set(service.workers()) or len(service.workers()) < WORKERS:
        if time.monotonic() > until:
            raise TimeoutError("the old workers do not end")
        time.sleep(0.2)
    service.wait_ready(60)


def soaked(service: Service, turns: int, seconds: float) -> Iterator[tuple[int, int, Sample]]:
    """Samples while it is under load, with the turns so far and those under way."""
    hammers = [
        hammer(service, GOOD, 24, seconds),
        hammer(service, FAULTS, 6, seconds),
        hammer(service, LEFT, 4, seconds, leave_after=0.05),
    ]
    until = time.monotonic() + seconds
    while time.monotonic() < until - SAMPLE_SECONDS:
        time.sleep(SAMPLE_SECONDS)
        sample = sampled(service)
        so_far = int(service.metric("chat_turns_total"))
        yield so_far, int(service.metric("chat_turns_in_flight")), sample
        if so_far >= turns:
            break
    for one in hammers:
        one.stop()


def hammer(
    service: Service, bodies: list[bytes], connections: int, seconds: float, **more: float
) -> Hammer:
    asked = [request("POST", path, body) for body in bodies for path in ("/chat", "/chat/stream")]
    return Hammer(service.port, asked, connections=connections, seconds=seconds, **more)  # type: ignore[arg-type]


def sampled(service: Service) -> Sample:
    workers = service.workers()
    descriptors = sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in workers)
    # each is asked a few times: whoever accepts answers
    found = [service.chat("x", chain="count")[2].get("answer", "0") for _ in range(3)]
    return Sample(
        memory_bytes(workers) / 1e6,
        descriptors,
        max(map(float, found)),
        len(list(service.directory.glob("*.db"))),
    )


def judged(generation: int, samples: list[Sample], complaints: list[str]) -> list[str]:
    warm = samples[int(len(samples) * WARM_SHARE) :]
    if len(warm) < LEAST_SAMPLES:
        complaints.append(f"generation {generation}: too short to judge")
        return []
    half = len(warm) // 2
    lines = []
    for field in fields(Sample):
        first, last = (
            statistics.median(getattr(one, field.name) for one in part)
            for part in (warm[:half], warm[half:])
        )
        lines.append(f"generation {generation}: {field.name} {first:.0f} -> {last:.0f}")
        if last > first * MOST_GROWTH[field.name] and last > first + SPARE[field.name]:
            complaints.append(f"{lines[-1]} grows")
    return lines
