"""`make capacity`: what this machine can serve within the service level, and the settings for it.

python -m tests.bench.capacity [--pace TOKENS_PER_SECOND] [--most STREAMS]

The load generator and the simulator run on the same machine: a machine without them can serve more. Writes
build/capacity.json.
"""

import argparse
import json
import os
from dataclasses import asdict, dataclass, replace

from tests.bench.measure import Figures, measure
from tests.bench.rows import Row
from tests.bench.servers import WORKERS, Ours
from tests.support.service import ROOT
from tests.support.simulator import SimulatorProcess

FIRST_TOKEN_SECONDS = 1.0
GAP_SECONDS = 0.25
ANSWER_SECONDS = 8
# leaves a margin below what a test reached
HEADROOM = 0.7
# workers are not balanced: one gets more than its share
SKEW = 1.5
IDLE_SERVICE_MB = 400
FIRST_TRIED = 100
SHEDDING_SLOTS = 100
NOT_THE_SERVICE = (
    "It may hold more: the load generator, on the same cores, or --most was the limit."
)


@dataclass(frozen=True)
class Card:
    """streams: open at once within the level; memory_kb_per_stream: proportional set size.

    limited_by_service: whether it was the service that held no more, and not the load generator or --most.
    """

    pace: float
    streams: int
    tokens_per_second: int
    memory_kb_per_stream: float
    limited_by_service: bool
    sheds_cleanly: bool
    web_concurrency: int
    max_concurrent_turns: int
    replicas_per_1000_streams: int
    memory_limit_mb: int


def holds(figures: Figures) -> bool:
    return (
        figures.failed == 0
        and figures.first_p99 < FIRST_TOKEN_SECONDS
        and figures.gap_p99 < GAP_SECONDS
    )


def find(pace: float, most: int) -> Card:
    row = Row("", 0, int(pace * ANSWER_SECONDS), pace, 0.02, ramp_seconds=2)
    with SimulatorProcess() as simulator:
        with Ours(simulator.base_url, MAX_CONCURRENT_TURNS=most) as service:
            held, failed = _search(row, most, simulator, service)
        # a worker keeps the memory that it once had: what a stream takes is seen in a fresh one
        with Ours(simulator.base_url, MAX_CONCURRENT_TURNS=most) as service:
            figures = _try(replace(row, streams=held), simulator, service)
    slots = max(1, round(held * HEADROOM * SKEW / WORKERS))
    return Card(
        pace=pace,
        streams=held,
        tokens_per_second=round(held * pace),
        memory_kb_per_stream=round(figures.memory_kb_per_stream, 1),
        limited_by_service=failed is not None and failed.valid,
        sheds_cleanly=_sheds(row, min(SHEDDING_SLOTS, max(1, held // (2 * WORKERS)))),
        web_concurrency=min(WORKERS, os.cpu_count() or 1),
        max_concurrent_turns=slots,
        replicas_per_1000_streams=-(-1000 // max(1, round(held * HEADROOM))),
        memory_limit_mb=_limit_mb(figures, slots),
    )


def _search(
    row: Row, most: int, simulator: SimulatorProcess, service: Ours
) -> tuple[int, Figures | None]:
    """The most streams that are held, to a twentieth, and the figures of the fewest that were not."""
    low, high, failed = 1, min(FIRST_TRIED, most), None
    while high - low > max(10, low // 20):
        tried = high if failed is None else (low + high + 1) // 2
        figures = _try(replace(row, streams=tried), simulator, service)
        if not holds(figures):
            high, failed = tried, figures
        elif failed is None:
            low, high = tried, min(2 * tried, most)
        else:
            low = tried
    return low, failed


def _try(row: Row, simulator: SimulatorProcess, service: Ours) -> Figures:
    figures = measure(row, service, simulator)
    print(
        f"{row.streams} streams: {'held' if holds(figures) else 'not held'}"
        f" (first p99 {figures.first_p99:.2f} s, gap p99 {figures.gap_p99:.2f} s,"
        f" {figures.failed} failed{'' if figures.valid else ', the load generator was busy'})",
        flush=True,
    )
    return figures


def _sheds(row: Row, slots: int) -> bool:
    """With slots for half of the streams, half are answered whole and half refused, none lost."""
    with (
        SimulatorProcess() as simulator,
        Ours(simulator.base_url, MAX_CONCURRENT_TURNS=slots, ADMISSION_WAIT_SECONDS=0) as service,
    ):
        streams = slots * WORKERS * 2
        figures = measure(replace(row, streams=streams, ramp_seconds=0.5), service, simulator)
        rejected = service.metric("chat_turns_total", ending="rejected")
        completed = service.metric("chat_turns_total", ending="completed")
    return figures.failed == rejected and completed == streams - rejected


def _limit_mb(figures: Figures, slots: int) -> int:
    return round((IDLE_SERVICE_MB + slots * WORKERS * figures.memory_kb_per_stream / 1024) * 1.5)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.capacity")
    parser.add_argument("--pace", type=float, default=50)
    parser.add_argument("--most", type=int, default=6400)
    given = parser.parse_args()
    card = find(given.pace, given.most)
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / "capacity.json").write_text(json.dumps(asdict(card), indent=1))
    print(
        f"\nThis machine holds {card.streams} streams of {card.pace:g} tokens/s"
        f" ({card.tokens_per_second} tokens/s) with first-token p99 under {FIRST_TOKEN_SECONDS:g} s"
        f" and gap p99 under {GAP_SECONDS:g} s, at {card.memory_kb_per_stream:g} KB per stream."
        f"{'' if card.limited_by_service else chr(10) + NOT_THE_SERVICE}"
        f"\nBeyond its slots it {'sheds cleanly' if card.sheds_cleanly else 'DOES NOT shed cleanly'}."
        f"\n\nWEB_CONCURRENCY={card.web_concurrency}"
        f"\nMAX_CONCURRENT_TURNS={card.max_concurrent_turns}"
        f"\nmemory limit of the service: {card.memory_limit_mb} MB"
        f"\nreplicas for 1,000 streams: {card.replicas_per_1000_streams}"
    )


if __name__ == "__main__":
    main()
