"""`make chain`: runs a chain once and prints what happens; QUESTION, CHAIN, SESSION and SYSTEM are its input.

The third composition root: the service's settings, model and guard, without HTTP, accounts and limits.
"""

import os
import sys
import time
import traceback
from collections import defaultdict
from dataclasses import dataclass

from gevent import monkey

# patched like a worker
monkey.patch_all()

IGNORED = [name for name in os.environ if name.startswith(("LANGSMITH_", "LANGCHAIN_"))]
for name in IGNORED:
    del os.environ[name]
os.environ["LANGSMITH_TRACING"] = "false"

from service import settings as environment  # noqa: E402
from service.app import REFUSALS, build_chains, defaults_of  # noqa: E402
from service.chat.attempt import Attempt  # noqa: E402
from service.chat.deadline import Deadline  # noqa: E402
from service.chat.events import TICK, Data, Done, Event, Restart, Start, Token  # noqa: E402
from service.chat.prompt import compose  # noqa: E402
from service.chat.request import ChatRequest  # noqa: E402
from service.chat.running_turn import RunningTurn, new_turn_id  # noqa: E402
from service.errors import ChatError, Internal  # noqa: E402
from service.llm.loop_watch import LoopWatch  # noqa: E402
from service.protection import Protection  # noqa: E402
from service.settings import Settings  # noqa: E402
from service.telemetry import chain_metrics, logs  # noqa: E402
from service.telemetry.guard_metrics import GuardMetrics  # noqa: E402

FAILED, REFUSED = 1, 3


@dataclass(frozen=True)
class Terminal:
    """The caller."""

    request_id: str = "make-chain"
    address: str = ""
    user_id: str | None = os.environ.get("USER_ID") or None
    session_id: str | None = os.environ.get("SESSION") or "make-chain-session"


class Screen:
    """Shows a turn: its text piece by piece, everything else on lines of their own."""

    def __init__(self) -> None:
        self._in_text = False

    def show(self, event: Event) -> None:
        if isinstance(event, Token):
            self._text(event.text)
        elif isinstance(event, Data):
            self.line(f"data      {event.name}: {event.value}")
        elif isinstance(event, Restart):
            self.line("restart   the answer starts again")
        elif isinstance(event, Done):
            self.line(f"end       {event.finish_reason}, by {event.model}")
        else:
            assert event is TICK or not isinstance(event, Start)

    def line(self, line: str) -> None:
        if self._in_text:
            print()
        print(line, flush=True)
        self._in_text = False

    def _text(self, text: str) -> None:
        print(text if self._in_text else f"answer    {text}", end="", flush=True)
        self._in_text = True


class Trial:
    """One turn of one chain. steps: the seconds of each run, by step name."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._steps: dict[str, list[float]] = defaultdict(list)
        self._turn: RunningTurn | None = None
        self._screen = Screen()
        protection = Protection(settings, GuardMetrics())
        self._chains = build_chains(settings, protection, self._step)

    def _step(self, _chain: str, step: str, seconds: float) -> None:
        self._steps[step].append(seconds)

    def run(self) -> int:
        """Returns the exit code."""
        name = os.environ.get("CHAIN") or self._chains.names[0]
        if name not in self._chains.names:
            print(
                f"chain: there is no chain {name!r}; the chains are: {', '.join(self._chains.names)}"
            )
            return FAILED
        LoopWatch(lambda _: None, chain_metrics.loop_blocked).start()
        question = os.environ.get("QUESTION") or "Hello"
        print(f"chain     {name}\nquestion  {question}", flush=True)
        began = time.monotonic()
        try:
            for event in self._chains.answer(self._begin(name, question)):
                self._screen.show(event)
        except ChatError as failure:
            return self._failed(failure)
        finally:
            self._report(time.monotonic() - began)
        return 0

    def _begin(self, chain: str, question: str) -> RunningTurn:
        asked = ChatRequest(question=question, chain=chain, system=os.environ.get("SYSTEM") or None)
        defaults = defaults_of(self._settings, chain)
        prompt = compose(asked, defaults, Terminal(), new_turn_id())
        deadline = Deadline.after(self._settings.turn_timeout_seconds, time.monotonic)
        most = self._settings.max_calls_per_turn
        self._turn = RunningTurn(prompt, deadline, lambda _: None, most)
        return self._turn

    def _failed(self, failure: ChatError) -> int:
        details = "; ".join(f"{one.field} {one.reason}" for one in failure.details)
        about = details or failure.cause or failure.message
        self._screen.line(f"failed    {failure.code} ({failure.status}): {about}")
        if isinstance(failure, Internal) and failure.__cause__ is not None:
            # the reader is the chain's author, who needs the message
            traceback.print_exception(failure.__cause__, file=sys.stdout)
        return FAILED

    def _report(self, seconds: float) -> None:
        attempts = self._turn.attempts if self._turn else []
        self._screen.line(f"seconds   {seconds:.2f}")
        for step, took in self._steps.items():
            times = f" ({len(took)} times)" if len(took) > 1 else ""
            print(f"step      {step}{times}: {sum(took):.3f} s")
        for attempt in attempts:
            print(f"call      {_told(attempt)}")
        costs = [attempt.cost_usd for attempt in attempts if attempt.usage is not None]
        if not costs:
            return
        known = [cost for cost in costs if cost is not None]
        total = (
            f"${sum(known):.7f}" if len(known) == len(costs) else "unknown: a model has no price"
        )
        print(f"cost      {total}")


def _told(attempt: Attempt) -> str:
    took = attempt.ended_at - attempt.started_at
    used = attempt.usage
    tokens = (
        f"{used.input_tokens} + {used.output_tokens} tokens ({used.source})"
        if used
        else "no tokens"
    )
    price = "no price" if attempt.cost_usd is None else f"${attempt.cost_usd:.7f}"
    how = attempt.result if attempt.cause is None else f"{attempt.result}: {attempt.cause}"
    return f"{attempt.model}: {how}, {took:.2f} s, {tokens}, {price}"


def main() -> int:
    try:
        settings = environment.load()
    except environment.UnsafeSettings as refusal:
        print(f"chain: {refusal}.")
        return REFUSED
    logs.configure(settings.log_level, settings.secrets, form="text")
    os.environ |= settings.for_packages
    if IGNORED:
        logs.ignored(IGNORED)
    try:
        return Trial(settings).run()
    except REFUSALS as refusal:
        logs.cannot_start(str(refusal))
        return REFUSED


if __name__ == "__main__":
    sys.exit(main())
