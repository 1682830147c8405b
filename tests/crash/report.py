"""The scorecard, for people and for programs."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from tests.crash.case import Outcome

HEAD = ("case", "verdict", "what the client saw", "upstream attempts", "seconds")


def table(outcomes: Sequence[Outcome]) -> str:
    rows = [HEAD, *(_row(outcome) for outcome in outcomes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)


def complaints(outcomes: Sequence[Outcome]) -> str:
    return "\n".join(
        f"{outcome.name}: {complaint}" for outcome in outcomes for complaint in outcome.complaints
    )


def markdown(outcomes: Sequence[Outcome], seconds: float) -> str:
    rows = [HEAD, tuple("---" for _ in HEAD), *(_row(outcome) for outcome in outcomes)]
    lines = [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows]
    return "\n".join([*lines, "", f"{summary(outcomes)} in {seconds:.0f} s", ""])


def summary(outcomes: Sequence[Outcome]) -> str:
    passed = sum(outcome.passed for outcome in outcomes)
    return f"{passed} passed, {len(outcomes) - passed} failed"


def write(outcomes: Sequence[Outcome], seconds: float, directory: Path) -> None:
    directory.mkdir(exist_ok=True)
    (directory / "crashtest.md").write_text(markdown(outcomes, seconds), encoding="utf-8")
    told = {
        "seconds": round(seconds, 1),
        "cases": [dataclasses.asdict(o) | {"passed": o.passed} for o in outcomes],
    }
    text = json.dumps(told, indent=2, ensure_ascii=False)
    (directory / "crashtest.json").write_text(text + "\n", encoding="utf-8")


def _row(outcome: Outcome) -> tuple[str, ...]:
    return (
        f"{outcome.name} {outcome.title}",
        "pass" if outcome.passed else "FAIL",
        outcome.saw,
        outcome.attempts or "none",
        f"{outcome.seconds:.1f}",
    )
