"""P8, P9 and P10: what names, certificates and clocks do."""

import platform
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from tests.crash.case import Case
from tests.crash.client import CHAT, STREAM, Saw
from tests.crash.expected import Expected
from tests.crash.stack import PRIMARY, Plan
from tests.crash.trial import Trial
from tests.support.service import free_port
from tests.support.simulator import SimulatorProcess, directive
from tests.support.tls import self_signed

LIBFAKETIME = f"/usr/lib/{platform.machine()}-linux-gnu/faketime/libfaketime.so.1"
HOUR_SECONDS = 3600


class NotInstalled(RuntimeError):
    """A program that a case needs is not there; its text names it."""


# names and certificates


def unresolved(trial: Trial) -> None:
    trial.reaches_upstream = False
    attempts = "sim:upstream_error, retry sim:upstream_error, retry sim:upstream_error"
    saw = trial.client.ask(STREAM, "hi")
    trial.expect(saw, Expected("upstream_failed", attempts, "upstream_error", 502, "", (0, 15)))
    cause = trial.line(saw.request_id)["cause"]
    trial.check("resolved" in cause, f"the cause is {cause!r}")
    trial.note(cause)


def wrong_certificate(trial: Trial) -> None:
    """Trying again would not make it right."""
    trial.reaches_upstream = False
    for route in (STREAM, CHAT):
        saw = trial.client.ask(route, "hi")
        trial.expect(
            saw,
            Expected("upstream_failed", "sim:upstream_error", "upstream_error", 502, "", (0, 3)),
        )
        trial.note(trial.line(saw.request_id)["cause"])


@contextmanager
def untrusted_upstream() -> Iterator[Plan]:
    """TLS with a certificate that nobody signed, for another name."""
    with tempfile.TemporaryDirectory(prefix="tls-") as directory:
        certificate, key = self_signed(Path(directory), "DNS:elsewhere.invalid")
        with SimulatorProcess(tls_certificate=certificate, tls_key=key) as upstream:
            yield Plan(slots=1, upstream=upstream.base_url)


# the wall clock


@contextmanager
def faked_clock() -> Iterator[Plan]:
    """The service under libfaketime: the wall clock is what a file says, the monotonic one stays real."""
    if not Path(LIBFAKETIME).exists():
        raise NotInstalled(f"{LIBFAKETIME} is not there: install libfaketime")
    with tempfile.TemporaryDirectory(prefix="clock-") as directory:
        clock = Path(directory) / "clock"
        clock.write_text("+0\n")
        yield Plan(
            clock=clock,
            settings={
                "LD_PRELOAD": LIBFAKETIME,
                "PYTHONPATH": Path(__file__).parent / "faked_clock",
                "FAKETIME_TIMESTAMP_FILE": clock,
                "FAKETIME_NO_CACHE": 1,
                "FAKETIME_DONT_FAKE_MONOTONIC": 1,
                "NO_FAKE_STAT": 1,
            },
        )


def clock_jumps(trial: Trial) -> None:
    """An hour forward in the middle of an answer, and back in the next; only the log's timestamps show it."""
    assert trial.stack.plan.clock is not None
    for jump in (f"+{HOUR_SECONDS}", "+0"):
        asked = [
            trial.client.asking(route, question)
            for route in (STREAM, CHAT)
            for question in (directive(tokens=40, gap=0.1), directive(first=4, tokens=2))
        ]
        trial.stack.primary.wait(open=4)
        time.sleep(1)
        trial.stack.plan.clock.write_text(f"{jump}\n")
        for asking in asked:
            saw = asking.saw()
            trial.expect(saw, Expected(attempts=f"{PRIMARY}:ok", seconds=(4, 9)))
            check_clock(trial, saw, float(jump))


def check_clock(trial: Trial, saw: Saw, jump: float) -> None:
    line = trial.line(saw.request_id)
    ahead = datetime.fromisoformat(line["time"]).timestamp() - time.time()
    trial.check(abs(ahead - jump) < 60, f"the clock is {ahead:.0f} s ahead, not {jump:.0f}")
    lasted = line["duration_seconds"]
    trial.check(abs(lasted - saw.seconds) < 2, f"logged as {lasted} s, took {saw.seconds:.1f}")


CASES = (
    Case(
        "P8",
        "upstream's name does not resolve",
        unresolved,
        Plan(slots=1, upstream=f"http://llm.invalid:{free_port()}/v1"),
        seconds=12,
    ),
    Case("P9", "upstream's TLS certificate is wrong", wrong_certificate, plans=untrusted_upstream),
    Case("P10", "the wall clock jumps by an hour", clock_jumps, plans=faked_clock, seconds=25),
)
