"""The table, with what was seen before anything was done against it."""

from collections.abc import Sequence
from pathlib import Path

from tests.attack.case import Outcome

HEAD = ("row", "attack", "verdict", "seen then", "seen now", "victims meanwhile")
# rows that have nothing to hammer at: where they are tested
ELSEWHERE = {
    "3": ("`make run` listens on loopback", "tests/integration/test_run.py"),
    "11": ("slow Markdown in an answer", "tests/integration/page/test_page_attacks.py"),
    "17": ("the supply chain: `make audit`", "tests/agreement/test_supply_chain.py"),
}


def markdown(outcomes: Sequence[Outcome], seconds: float) -> str:
    rows = [HEAD, tuple("---" for _ in HEAD), *map(_row, outcomes)]
    rows += [(row, what, "", "", f"see {path}", "") for row, (what, path) in ELSEWHERE.items()]
    lines = [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows]
    return "\n".join([*lines, "", f"{summary(outcomes)} in {seconds:.0f} s", ""])


def summary(outcomes: Sequence[Outcome]) -> str:
    passed = sum(outcome.passed for outcome in outcomes)
    return f"{passed} passed, {len(outcomes) - passed} failed"


def told(outcome: Outcome) -> str:
    """At once, for whoever waits."""
    verdict = "pass" if outcome.passed else "FAIL"
    lines = [
        f"{outcome.row:3} {verdict} {outcome.saw} [{outcome.victims}] ({outcome.seconds:.0f} s)"
    ]
    return "\n    ".join([*lines, *outcome.complaints])


def write(outcomes: Sequence[Outcome], seconds: float, directory: Path) -> None:
    directory.mkdir(exist_ok=True)
    (directory / "attack.md").write_text(markdown(outcomes, seconds), encoding="utf-8")


def write_soak(table: str, directory: Path) -> None:
    directory.mkdir(exist_ok=True)
    (directory / "soak.md").write_text(table, encoding="utf-8")


def _row(outcome: Outcome) -> tuple[str, ...]:
    verdict = "held" if outcome.passed else "FAIL: " + "; ".join(outcome.complaints)
    return outcome.row, outcome.title, verdict, outcome.before, outcome.saw, outcome.victims
