"""`make bench`: our service, the stock code and bare Flask on the same simulator, alternating, in one run.

python -m tests.bench [--rounds N] [--row NAME] [--picture FILE]

Prints medians, ratios and what of the targets is met; writes build/bench.json and a plot. Takes about seven minutes a
round.
"""

import argparse
import json
import platform
import statistics
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.bench.conditions import Condition, conditions
from tests.bench.measure import Direct, Figures, measure, measure_alone
from tests.bench.report import draw, table
from tests.bench.rows import ROWS, Row
from tests.bench.servers import Bare, Ours, Stock
from tests.bench.targets import ALONE, verdicts
from tests.support.service import ROOT
from tests.support.simulator import SimulatorProcess

Results = dict[str, dict[str, list[Figures]]]
Kind = type[Stock] | type[Ours]


def rounds(count: int, rows: tuple[Row, ...]) -> Results:
    results: Results = {row.name: {} for row in rows}
    for number in range(count):
        kinds = (Stock, Bare, Ours) if number % 2 == 0 else (Ours, Bare, Stock)
        with SimulatorProcess() as simulator:
            for row, name, figures in _round(rows, kinds, simulator):
                results[row.name].setdefault(name, []).append(figures)
                print(f"round {number + 1}: {row.name}: {name}: {_short(figures)}", flush=True)
    return results


def _round(
    rows: tuple[Row, ...], kinds: tuple[Kind, ...], simulator: SimulatorProcess
) -> Iterator[tuple[Row, str, Figures]]:
    for kind in kinds:
        here = [row for row in rows if row.measured_at(kind.name) and not row.alone]
        if here:
            with kind(simulator.base_url) as server:
                for row in here:
                    yield row, server.name, measure(row, server, simulator)
    for row in rows:
        if row.alone:
            with conditions(row, simulator) as condition:
                for kind in kinds:
                    if row.measured_at(kind.name):
                        yield row, kind.name, _alone(row, kind, condition)
    yield from _without_service(rows, simulator)


def _alone(row: Row, kind: Kind, condition: Condition) -> Figures:
    settings = condition.settings if kind is Ours else {}
    with kind(condition.simulator.base_url, **condition.environment, **settings) as server:
        return measure(row, server, condition.simulator, condition.key)


def _without_service(
    rows: tuple[Row, ...], simulator: SimulatorProcess
) -> Iterator[tuple[Row, str, Figures]]:
    direct = Direct(simulator)
    for row in rows:
        if row.chain:
            yield row, ALONE, measure_alone(row, simulator)
        if row.direct:
            yield row, direct.name, measure(row, direct, simulator)


def _short(figures: Figures) -> str:
    flags = "" if figures.valid else " INVALID"
    flags += " overloaded" if figures.overloaded else ""
    return f"{figures.cpu_us_per_token:.1f} µs/token, {figures.failed} failed{flags}"


def medians(results: Results) -> dict[str, dict[str, dict[str, Any]]]:
    """Of the valid rounds; of all, and marked, where none was valid."""
    return {
        row: {name: _median(figures) for name, figures in servers.items()}
        for row, servers in results.items()
    }


def _median(figures: list[Figures]) -> dict[str, Any]:
    valid = [one for one in figures if one.valid]
    counted = valid or figures
    told: dict[str, Any] = {
        name: statistics.median(getattr(one, name) for one in counted)
        for name in asdict(counted[0])
        if name not in ("valid", "overloaded", "failed")
    }
    told["failed"] = max(one.failed for one in counted)
    told["overloaded"] = any(one.overloaded for one in counted)
    told["valid_rounds"] = len(valid)
    return told


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--row", default="", help="only rows whose name holds this")
    parser.add_argument("--picture", type=Path, default=ROOT / "build/bench.png")
    given = parser.parse_args()
    rows = tuple(row for row in ROWS if given.row in row.name)
    found = medians(rounds(given.rounds, rows))
    build = Path(ROOT / "build")
    build.mkdir(exist_ok=True)
    machine = {"python": platform.python_version(), "machine": platform.machine()}
    (build / "bench.json").write_text(json.dumps({"machine": machine, "rows": found}, indent=1))
    print(table(found))
    print("\n".join(["", *verdicts(found), ""]))
    draw(found, given.picture)
    print(f"written: build/bench.json, {given.picture}")


if __name__ == "__main__":
    main()
