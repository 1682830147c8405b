"""`python -m tests.crash [CASE…]`: every fault, through nginx, gunicorn and the service to the simulator.

Cases run side by side, each on a stack of its own. Exit code 1 if one of them fails.
"""

import argparse
import concurrent.futures
import resource
import sys
import time
from collections.abc import Sequence

from tests.crash import (
    downstream_cases,
    process_cases,
    report,
    surroundings_cases,
    upstream_cases,
)
from tests.crash.case import Case, Outcome, judge
from tests.support.service import ROOT

CASES = (
    *upstream_cases.CASES,
    *downstream_cases.CASES,
    *sorted(process_cases.CASES + surroundings_cases.CASES, key=lambda case: int(case.name[1:])),
)
# each is mostly waiting; more of them would have to wait for processors where it counts
SIDE_BY_SIDE = 5


def main() -> int:
    chosen = choose(sys.argv[1:])
    allow_many_connections()
    began = time.monotonic()
    outcomes = run(chosen)
    seconds = time.monotonic() - began
    print()
    print(report.table(outcomes))
    print(report.complaints(outcomes))
    report.write(outcomes, seconds, ROOT / "build")
    print(f"{seconds:.0f} s; build/crashtest.md and build/crashtest.json")
    print(report.summary(outcomes))
    return 0 if all(outcome.passed for outcome in outcomes) else 1


def choose(arguments: Sequence[str]) -> list[Case]:
    parser = argparse.ArgumentParser(prog="python -m tests.crash")
    names = [case.name for case in CASES]
    parser.add_argument("case", nargs="*", choices=[*names, []], metavar="CASE")
    wanted = parser.parse_args(arguments).case or names
    return [case for case in CASES if case.name in wanted]


def run(cases: Sequence[Case]) -> list[Outcome]:
    """In the order of the cases, whatever the order in which they end."""
    found: dict[str, Outcome] = {}
    crowd = sorted((case for case in cases if not case.alone), key=lambda c: -c.seconds)
    for case in (case for case in cases if case.alone):
        found[case.name] = told(judge(case))
    with concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE) as threads:
        for outcome in threads.map(lambda case: told(judge(case)), crowd):
            found[outcome.name] = outcome
    return [found[case.name] for case in cases]


def told(outcome: Outcome) -> Outcome:
    """Says at once how it went."""
    verdict = "pass" if outcome.passed else "FAIL"
    print(f"{outcome.name} {verdict} ({outcome.took_seconds:.0f} s)", flush=True)
    return outcome


def allow_many_connections() -> None:
    """A crowd of callers needs as many descriptors."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main())
