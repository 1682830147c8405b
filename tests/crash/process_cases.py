"""P1, P2, P3, P6 and P7: what happens to processes, and to slots."""

import os
import signal
import time
from pathlib import Path

from tests.crash.case import Case
from tests.crash.client import CHAT, STREAM, Asking
from tests.crash.expected import Expected
from tests.crash.stack import PRIMARY, WORKERS, Plan
from tests.crash.trial import Trial
from tests.support.simulator import directive

STREAMS = 50
ESTABLISHED = "01"
STOPPED_SECONDS = 20
DRAIN_SECONDS = 15


def worker_killed(trial: Trial) -> None:
    """The client must be able to tell: no clean end, no done. Nobody else notices, and nothing is asked twice."""
    stack = trial.stack
    asking = trial.client.asking(STREAM, directive(tokens=1000, gap=0.1))
    stack.primary.wait(tokens_written=10)
    os.kill(holder(trial), signal.SIGKILL)
    saw = asking.saw()
    trial.note(str(saw))
    trial.expect_lost(saw.request_id)
    trial.check(saw.status == 200 and saw.text != "", f"the stream had not begun: {saw}")
    trial.check(not saw.whole, "the response came to a clean end")
    trial.check(saw.done is None and saw.code is None, f"the stream had an ending: {saw}")
    trial.ask_well()
    stack.primary.wait(open_max=0)
    killed = stack.service.metric("chat_worker_exits_total", reason="killed")
    trial.check(killed == 1, f"{killed:g} workers counted as killed")
    stack.service.until("chat_admission_slots", WORKERS * stack.plan.slots, timeout=60)


def holder(trial: Trial) -> int:
    """The worker that is connected to the upstream."""
    ours = {
        fields[9]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if (fields := line.split())[3] == ESTABLISHED
        and int(fields[2].rpartition(":")[2], 16) == trial.stack.primary.port
    }
    for pid in trial.stack.service.workers():
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            if str(descriptor.readlink()).removeprefix("socket:[").removesuffix("]") in ours:
                return pid
    raise AssertionError("no worker is connected to the upstream")


def workers_stopped(trial: Trial) -> None:
    """For longer than the deadlines for the first content and for silence; the upstream goes on meanwhile."""
    stack = trial.stack
    questions = (directive(tokens=80, gap=0.1), directive(tokens=5, first=5))
    asked = [
        trial.client.asking(route, question) for question in questions for route in (STREAM, CHAT)
    ]
    stack.primary.wait(open=4, tokens_written=10)
    workers = stack.service.workers()
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(STOPPED_SECONDS)
    for pid in workers:
        os.kill(pid, signal.SIGCONT)
    expected = Expected(attempts=f"{PRIMARY}:ok", seconds=(STOPPED_SECONDS, STOPPED_SECONDS + 8))
    for asking in asked:
        trial.expect(asking.saw(), expected)


def many(trial: Trial, count: int, question: str) -> list[Asking]:
    return [trial.client.asking(STREAM, question) for _ in range(count)]


def told_to_stop(trial: Trial) -> None:
    """Answers that end within the drain are complete, the others get `draining`; then the process exits with code 0."""
    stack, service = trial.stack, trial.stack.service
    short = many(trial, STREAMS - 10, directive(tokens=50, gap=0.2))
    endless = many(trial, 10, directive(fault="endless", gap=0.2))
    stack.primary.wait(timeout=30, open=STREAMS, tokens_written=STREAMS)
    began = time.monotonic()
    service.signal(signal.SIGTERM)
    trial.until(2, lambda: ready(trial) == 503, "METRICS_PORT's /ready is not 503")
    for asking in short:
        trial.expect(asking.saw(), Expected(attempts=f"{PRIMARY}:ok", seconds=(0, 20)))
    check_draining(trial)
    drained = Expected("drained", f"{PRIMARY}:cancelled", "draining", seconds=(0, 40))
    for asking in endless:
        trial.expect(asking.saw(), drained)
    seconds = time.monotonic() - began
    trial.check(seconds >= DRAIN_SECONDS, f"ended after {seconds:.1f} s of {DRAIN_SECONDS}")
    code = service.wait(timeout=DRAIN_SECONDS + 20)
    seconds = time.monotonic() - began
    trial.check(code == 0, f"exit code {code}")
    # the least that STOP_GRACE_SECONDS may be: after it the engine kills
    trial.check(seconds <= DRAIN_SECONDS + 15, f"gone only after {seconds:.1f} s")
    trial.note(f"exit code {code} after {seconds:.1f} s")
    stack.primary.wait(open_max=0)


def ready(trial: Trial) -> int:
    service = trial.stack.service
    return service.get("/ready", port=service.metrics_port)[0]


def check_draining(trial: Trial) -> None:
    """The metrics outlive the listeners: what a deploy ends is still counted."""
    service = trial.stack.service
    for name, wanted in (
        ("chat_turns_in_flight", 10),
        ("chat_turns_total", STREAMS - 10),
        ("chat_admission_slots", WORKERS * trial.stack.plan.slots),
    ):
        got = service.metric(name)
        trial.check(got == wanted, f"{name} is {got:g} while draining, not {wanted}")
    status, seconds = trial.client.get("/health")
    trial.check(status in (200, 502) and seconds < 5, f"/health: {status} after {seconds:.1f} s")


def nginx_reloaded(trial: Trial) -> None:
    """Old answers go on in the old processes, new ones begin in the new."""
    stack = trial.stack
    asked = many(trial, STREAMS, directive(tokens=50, gap=0.2))
    stack.primary.wait(timeout=30, open=STREAMS, tokens_written=STREAMS)
    before = set(stack.nginx.workers())
    stack.nginx.reload()
    for _ in range(5):
        trial.ask_well()
    for asking in asked:
        trial.expect(asking.saw(), Expected(attempts=f"{PRIMARY}:ok", seconds=(0, 20)))
    trial.until(
        10, lambda: not before & set(stack.nginx.workers()), "old nginx workers have not ended"
    )


def all_slots_taken(trial: Trial) -> None:
    """The next one is refused at once with a Retry-After; probes still answer."""
    stack, total = trial.stack, WORKERS * trial.stack.plan.slots
    # which worker takes a request is the kernel's choice: of two idle ones it may be the same each time,
    # so many are asked at once, and some are refused before all slots are taken
    asked: list[Asking] = []
    taken = lambda: stack.primary.stats()["open"]  # noqa: E731
    while taken() < total and len(asked) < 40 * total:
        asked += many(trial, 2 * total, directive(tokens=1, first=7))
        time.sleep(0.2)
    trial.check(taken() == total, f"{taken()} of {total} slots could be taken")
    refused = Expected("rejected", "", "overloaded", 503, "", (0, 2))
    for route in (STREAM, CHAT):
        saw = trial.client.ask(route, "hi")
        trial.expect(saw, refused)
        trial.check("retry-after" in saw.headers, "refused without Retry-After")
    for path in ("/health", "/ready"):
        status, seconds = trial.client.get(path)
        trial.check(status == 200 and seconds < 1, f"{path}: {status} after {seconds:.1f} s")
    began = time.monotonic()
    in_flight = stack.service.metric("chat_turns_in_flight")
    trial.check(time.monotonic() - began < 1, "/metrics was slow")
    trial.check(in_flight >= total, f"{in_flight:g} turns in flight, not {total}")
    for asking in asked:
        saw = asking.saw()
        answered = Expected(attempts=f"{PRIMARY}:ok", seconds=(7, 12))
        trial.expect(saw, refused if saw.status == 503 else answered)


CASES = (
    Case("P1", "worker killed (kill -9) in mid-stream", worker_killed, seconds=15),
    Case("P2", "workers stopped for 20 s and continued", workers_stopped, seconds=35),
    Case(
        "P3",
        "SIGTERM with 50 streams open",
        told_to_stop,
        Plan(slots=STREAMS, settings={"DRAIN_SECONDS": DRAIN_SECONDS}),
        seconds=35,
        settles=False,
    ),
    Case(
        "P6", "nginx reloaded with 50 streams open", nginx_reloaded, Plan(slots=STREAMS), seconds=25
    ),
    Case("P7", "all slots taken", all_slots_taken, Plan(slots=2), seconds=22),
)
