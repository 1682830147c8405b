"""`python -m tests.attack [--long] [ROW…]`: attacks the service from loopback, with callers who are served meanwhile.

Bounded, and over in less than three minutes; --long takes more of each. Exit code 1 if one of them gets through.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from functools import partial

from tests.attack import caller_cases, model_cases, report, soak
from tests.attack.case import Case, Outcome, Stages, judge
from tests.attack.stage import running
from tests.crash.__main__ import allow_many_connections
from tests.support.service import ROOT

# 100 turns a worker are refused long before a crowd of unread streams shows anything
PLAYS: tuple[tuple[Stages, Sequence[Case]], ...] = (
    (partial(running, open_access=True), caller_cases.CASES),
    (partial(running, open_access=False, RETRY_ATTEMPTS=1), model_cases.CASES),
    (
        partial(running, open_access=False, RETRY_ATTEMPTS=1, LLM_CLIENT="stock"),
        model_cases.STOCK_CASES,
    ),
)


def main() -> int:
    wanted = choose(sys.argv[1:])
    allow_many_connections()
    if wanted.soak:
        return soaked(wanted.soak, wanted.minutes)
    began, outcomes = time.monotonic(), list[Outcome]()
    for stages, cases in PLAYS:
        chosen = [case for case in cases if case.row in wanted.row or not wanted.row]
        if not chosen:
            continue
        for outcome in judge(stages, chosen, long=wanted.long, slack=wanted.slack):
            print(report.told(outcome), flush=True)
            outcomes.append(outcome)
    seconds = time.monotonic() - began
    report.write(outcomes, seconds, ROOT / "build")
    print(f"{report.summary(outcomes)} in {seconds:.0f} s; build/attack.md")
    return 0 if all(outcome.passed for outcome in outcomes) else 1


def soaked(turns: int, minutes: float) -> int:
    finding = soak.run(turns, minutes)
    print("\n".join([*finding.lines, *finding.complaints]))
    report.write_soak(finding.markdown(), ROOT / "build")
    print(f"{finding.turns} turns in {finding.seconds:.0f} s; build/soak.md")
    return 1 if finding.complaints else 0


def choose(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.attack")
    rows = [case.row for _, cases in PLAYS for case in cases]
    parser.add_argument("row", nargs="*", choices=[*rows, []], metavar="ROW")
    parser.add_argument("--long", action="store_true", help="more of each attack")
    parser.add_argument(
        "--slack",
        type=float,
        default=1.0,
        help="how much slower than a quiet machine this one may be",
    )
    parser.add_argument(
        "--soak", type=int, default=0, help="so many short turns instead of the attacks"
    )
    parser.add_argument(
        "--minutes", type=float, default=60.0, help="the longest that the soak may take"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
