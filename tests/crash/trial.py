"""One case under way: what it asked and expects, and at its end whether everything is in order."""

import concurrent.futures
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from tests.crash.client import CHAT, STREAM, Client, Saw, new_id
from tests.crash.expected import COUNTED, Expected, calls
from tests.crash.ledger import (
    Ledger,
    Line,
    keys_differences,
    upstream_differences,
    upstream_records,
    upstream_requests,
)
from tests.crash.stack import PRIMARY, SPARE, WELL, WORKERS, Stack
from tests.support.service import Service
from tests.support.simulator import directive

# what the turns that look for free slots are called
SLOTS = "slots"
STATES = {0.0: "closed", 1.0: "half-open", 2.0: "open"}


class Trial:
    """Collects complaints; a case without any has passed."""

    def __init__(self, name: str, stack: Stack) -> None:
        self.name = name
        self.stack = stack
        self.client = Client(stack.nginx.port, name)
        self.complaints: list[str] = []
        self.notes: list[str] = []
        # the state of each breaker at the end
        self.breakers = {PRIMARY: {"closed"}, SPARE: {"closed"}}
        # P8 and P9 never reach an upstream, though they try
        self.reaches_upstream = True
        # one token of the simulator is one of the tokenizer, unless a case wants long ones
        self.tokens_are_words = True
        self._expected: dict[str, Expected] = {}
        self._lost: set[str] = set()
        self._seconds: list[float] = []
        self._turns_before = len(stack.service.turns(0))
        self._ledger = Ledger(stack)

    # during the case

    def check(self, right: bool, complaint: str) -> None:  # noqa: FBT001 - reads as an assertion
        if not right:
            self.complaints.append(complaint)

    def note(self, text: str) -> None:
        """For the table, beside what the clients saw."""
        if text not in self.notes:
            self.notes.append(text)

    def id(self) -> str:
        return new_id(self.name)

    def expect(self, saw: Saw, expected: Expected) -> None:
        """Judges what the client saw now, and the rest at the end."""
        self._seconds.append(saw.seconds)
        self.note(str(saw))
        self._expect(saw.request_id, expected)
        self._complain(saw.request_id, expected.differences(saw))

    def expect_left(self, request_id: str, expected: Expected) -> None:
        """A turn whose client did not wait for its end."""
        self._expect(request_id, expected)
        self._seconds.append(float(self.line(request_id)["duration_seconds"]))

    def expect_lost(self, request_id: str) -> None:
        """A turn whose worker is killed: it is in no account."""
        self._lost.add(request_id)

    def load(self, turns: int) -> list[float]:
        """Short turns one after the other; how long each took, in seconds."""
        taken = []
        for turn in range(turns):
            saw = self.client.ask((STREAM, CHAT)[turn % 2], directive(tokens=2))
            self.expect(saw, Expected(attempts=f"{PRIMARY}:ok", seconds=(0, 3)))
            taken.append(saw.seconds)
        return taken

    def ask_well(self, seconds: float = 3.0) -> Saw:
        """A turn like any other, which has to be answered as if there was no fault anywhere."""
        saw = self.client.ask(STREAM, directive(tokens=3), model=WELL)
        self._expect(saw.request_id, Expected(attempts=f"{WELL}:ok"))
        self.check(saw.done is not None, f"somebody else saw: {saw}")
        self.check(saw.seconds <= seconds, f"somebody else waited {saw.seconds:.1f} s")
        return saw

    def until(self, seconds: float, reached: Callable[[], bool], complaint: str) -> None:
        """Waits for something that has to happen within so many seconds."""
        until = time.monotonic() + seconds
        while not reached():
            if time.monotonic() > until:
                self.complaints.append(f"{complaint} within {seconds:g} s")
                return
            time.sleep(0.05)

    def line(self, request_id: str) -> Line:
        """The log's line of a turn."""
        return self.stack.service.turn(request_id, timeout=30)

    # at its end

    def settle(self) -> None:
        """Slots, log, metrics, bill, upstream, breakers, request ids: everything has to agree."""
        service = self.stack.service
        self.until(
            10,
            lambda: service.metric("chat_turns_in_flight") == 0 and self._open_upstream() == 0,
            f"not everything has ended: {service.metric('chat_turns_in_flight'):g} turns, "
            f"{self._open_upstream()} calls",
        )
        self._ledger.close()
        lines = self.settle_log()
        self.complaints += self._ledger.differences(lines, len(self._lost))
        self.complaints += self._guard_differences()
        self._check_breakers()
        self._check_slots()

    def settle_log(self) -> list[Line]:
        """What can still be asked when the service is gone: its log, nginx's, and the upstream's record."""
        lines = []
        requests = upstream_requests(self.stack)
        for request_id, expected in self._expected.items():
            line = self.line(request_id)
            lines.append(line)
            self._complain(request_id, line_differences(line, expected))
            if self.reaches_upstream:
                self._complain(
                    request_id, upstream_differences(requests, line, bills=self.tokens_are_words)
                )
            self._check_nginx(request_id, expected)
        for request_id in self._lost:
            self._check_nginx(request_id, Expected())
        self._check_logged_once()
        self.complaints += keys_differences(self.stack)
        return lines

    def moved(self, name: str, *labels: str) -> dict[tuple[str, ...], float]:
        """What a counter moved by in this case; after settle()."""
        return self._ledger.moved(name, *labels)

    def attempts(self) -> str:
        """How often each model was asked, as the upstream saw it."""
        requests = upstream_requests(self.stack)
        count = Counter(
            record["model"]
            for request_id in self._expected
            for record in upstream_records(requests, self.line(request_id))
        )
        return ", ".join(f"{model} {count[model]}" for model in (PRIMARY, SPARE) if count[model])

    def longest(self) -> float:
        return max(self._seconds, default=0.0)

    # the parts of it

    def _expect(self, request_id: str, expected: Expected) -> None:
        self._expected[request_id] = expected

    def _complain(self, request_id: str, differences: Iterable[str]) -> None:
        self.complaints += [f"{request_id}: {difference}" for difference in differences]

    def _open_upstream(self) -> int:
        return int(self.stack.primary.stats()["open"]) + int(self.stack.spare.stats()["open"])

    def _check_nginx(self, request_id: str, expected: Expected) -> None:
        line = self.stack.nginx.line(request_id)
        wanted = expected.status
        if line["status"] != wanted:
            self._complain(request_id, [f"nginx logged {line['status']}, not {wanted}"])

    def _check_logged_once(self) -> None:
        logged = Counter(
            line["request_id"] for line in self.stack.service.turns(0)[self._turns_before :]
        )
        twice = [request_id for request_id, count in logged.items() if count > 1]
        known = set(self._expected)
        unknown = [one for one in logged if one not in known and not one.startswith(SLOTS)]
        self.check(not twice, f"logged twice: {twice}")
        self.check(not unknown, f"turns that nobody asked for: {unknown}")

    def _guard_differences(self) -> list[str]:
        """Retries, fallbacks and restarts, each with its reason."""
        if any(expected.attempts is None for expected in self._expected.values()):
            return []
        wanted = sum((e.moved() for e in self._expected.values()), Counter())
        found = []
        for name in COUNTED.values():
            got = {(name, reason): count for (reason,), count in self.moved(name, "reason").items()}
            want = {key: count for key, count in wanted.items() if key[0] == name}
            if got != want:
                found.append(f"{name} moved by {got}, not {want}")
        return found

    def _check_breakers(self) -> None:
        for model, wanted in self.breakers.items():
            if model == SPARE and not self.stack.plan.fallback:
                continue
            state = STATES[self.stack.service.metric("chat_breaker_state", model=model)]
            self.check(state in wanted, f"the breaker of {model} is {state}, not {wanted}")

    def _check_slots(self) -> None:
        """Each worker alone has to take as many turns as it has slots, all at once."""
        take = fill if self.reaches_upstream else none_overloaded
        # a good turn at the primary ends its row of failures, for the next case on this stack
        model = PRIMARY if self.breakers[PRIMARY] == {"closed"} else WELL
        service, slots = self.stack.service, self.stack.plan.slots
        workers = service.workers()
        self.check(len(workers) == WORKERS, f"{len(workers)} workers")
        for worker in workers:
            others = [pid for pid in workers if pid != worker]
            self.check(
                stopped(others, lambda: take(service, slots, model)),
                f"worker {worker} does not take {slots} turns any more",
            )


def line_differences(line: Line, expected: Expected) -> list[str]:
    found = []
    if (line["ending"], line["code"]) != (expected.ending, expected.code):
        found.append(
            f"logged as {line['ending']} {line['code']}, not {expected.ending} {expected.code}"
        )
    if line["code"] and not line["cause"] and line["ending"] != "drained":
        found.append("the log has no cause")
    if expected.attempts is not None:
        told = [(attempt["model"], attempt["result"]) for attempt in line["attempts"]]
        wanted = [(call.model, call.result) for call in calls(expected.attempts)]
        if told != wanted:
            found.append(f"attempts {told}, not {wanted}")
    failed = [a for a in line["attempts"] if a["result"] not in ("ok", "cancelled")]
    if not all(attempt["cause"] for attempt in failed):
        found.append("an attempt failed without a cause")
    return found


def stopped(pids: list[int], then: Callable[[], bool]) -> bool:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        return then()
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def slot_turn(service: Service, model: str) -> tuple[int, Any]:
    """A turn that lasts longer than the wait for a slot."""
    payload = {"question": directive(first=1.0, tokens=1), "model": model}
    status, _, answer = service.post("/chat", payload, {"X-Request-ID": new_id(SLOTS)})
    return status, answer


def none_overloaded(service: Service, slots: int, model: str) -> bool:
    """Where no answer is to be had: turns that fail one after the other, whose slots have to come back."""
    answers = [slot_turn(service, model)[1] for _ in range(slots + 1)]
    return all(answer["error"]["code"] != "overloaded" for answer in answers)


def fill(service: Service, slots: int, model: str) -> bool:
    """As many turns at once as there are slots, each longer than the wait for a slot."""

    def one(_: int) -> bool:
        return slot_turn(service, model)[0] == 200

    with concurrent.futures.ThreadPoolExecutor(slots) as crowd:
        return all(crowd.map(one, range(slots)))
