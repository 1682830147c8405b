"""`python -m tests.crash [CASE…]`: every fault, through nginx, gunicorn and the service to the simulator.

Cases run in parallel, each on a separate stack. Exit code 1 if one of them fails.
"""

import argparse
import concurrent.futures
import resource
import sys
import time
from collections.abc import Sequence

from tests.crash import (
    chain_cases,
    downstream_cases,
    outage_cases,
    process_cases,
    redis_cases,
    report,
    store_cases,
    surroundings_cases,
    upstream_cases,
)
from tests.crash.case import Case, Outcome, judge
from tests.support.service import ROOT

CASES = (
    *upstream_cases.CASES,
    *outage_cases.CASES,
    *chain_cases.CASES,
    *downstream_cases.CASES,
    *sorted(
        process_cases.CASES + redis_cases.CASES + surroundings_cases.CASES + store_cases.CASES,
        key=lambda case: int(case.name[1:]),
    ),
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
    groups = grouped(cases)
    alone = [group for group in groups if group[0].alone]
    crowd = [group for group in groups if not group[0].alone]
    crowd.sort(key=lambda group: -sum(case.seconds for case in group))
    ended = [told(judge(group)) for group in alone]
    with concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE) as threads:
        ended += threads.map(lambda group: told(judge(group)), crowd)
    found = {outcome.name: outcome for outcomes in ended for outcome in outcomes}
    return [found[case.name] for case in cases]


def grouped(cases: Sequence[Case]) -> list[list[Case]]:
    """Cases that share a stack, and each other one by itself."""
    groups: dict[object, list[Case]] = {}
    for case in cases:
        groups.setdefault(id(case.plan) if case.shared else case.name, []).append(case)
    return list(groups.values())


def told(outcomes: list[Outcome]) -> list[Outcome]:
    """Says at once how it went."""
    for outcome in outcomes:
        verdict = "pass" if outcome.passed else "FAIL"
        print(f"{outcome.name} {verdict} ({outcome.took_seconds:.0f} s)", flush=True)
    return outcomes


def allow_many_connections() -> None:
    """A crowd of callers needs as many descriptors."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main())
