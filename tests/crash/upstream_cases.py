"""S01 to S17: what an LLM does to those who call it. Each fault is met on both routes."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from service.resilience.patience import SPARED_SECONDS
from tests.crash.case import Case
from tests.crash.client import CHAT, STREAM, Saw
from tests.crash.expected import Expected
from tests.crash.stack import PLAIN, PRIMARY, SPARE, SPARED, WORKERS, Plan
from tests.crash.trial import Trial
from tests.simulator.tokens import answer_text
from tests.support.simulator import directive

TOKENS, AFTER = 60, 40
ANSWER = directive(tokens=TOKENS, gap=0.005)
WHOLE = answer_text(TOKENS)
HISTORY = [{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}]
OUTAGE_SECONDS = 20


@dataclass(frozen=True)
class Fault:
    """What the primary does, and what has to come of it."""

    name: str
    title: str
    orders: dict[str, object]
    attempts: str
    seconds: tuple[float, float] = (0.0, 5.0)
    fallback: bool = False
    restarts: int = 0

    def case(self) -> Case:
        return Case(
            self.name,
            self.title,
            self.run,
            SPARED if self.fallback else PLAIN,
            shared=True,
            seconds=self.seconds[1] + 4,
        )

    def run(self, trial: Trial) -> None:
        expected = Expected(attempts=self.attempts, text=WHOLE, seconds=self.seconds)
        # on both routes at once, for the deadline has to pass on both
        asked = [trial.client.asking(route, self.question(route)) for route in (STREAM, CHAT)]
        for asking in asked:
            saw = asking.saw()
            trial.expect(saw, expected)
            if saw.route == STREAM:
                trial.check(saw.restarts == self.restarts, f"{saw.restarts} restarts")

    def question(self, route: str) -> str:
        # the faults that happen so many times happen on each route
        return ANSWER + directive(model=PRIMARY, key=f"{self.name}{route}", **self.orders)


def broken(fault: str, **orders: object) -> dict[str, object]:
    return {"fault": fault, "after": AFTER, **orders}


def deadline(*, at: float) -> tuple[float, float]:
    """A deadline has to pass, and nothing else."""
    return at, at + 2


AGAIN = "sim:upstream_error, retry sim:upstream_error, retry sim:ok"
FAULTS = (
    Fault(
        "S01",
        "429 with Retry-After: 2, then well",
        {"fault": "429", "retry_after": 2, "times": 1},
        "sim:upstream_rate_limited, retry sim:ok",
        seconds=(2, 5),
    ),
    Fault(
        "S02",
        "429 twice, without Retry-After",
        {"fault": "429", "times": 2},
        "sim:upstream_rate_limited, retry sim:upstream_rate_limited, retry sim:ok",
    ),
    Fault("S03", "500 twice", {"fault": "500", "times": 2}, AGAIN),
    Fault("S04", "503 twice", {"fault": "503", "times": 2}, AGAIN),
    # for ever: a kept connection that is reset is replaced without a trace, so that a number would not be met
    Fault(
        "S05",
        "reset before the headers, for ever",
        {"fault": "reset-before"},
        AGAIN.replace("sim:ok", "sim:upstream_error, fallback spare:ok"),
        fallback=True,
    ),
    Fault(
        "S06",
        "no response at all",
        {"fault": "silent"},
        "sim:upstream_timeout, fallback spare:ok",
        deadline(at=SPARED_SECONDS),
        fallback=True,
    ),
    Fault(
        "S07",
        "first token after 20 s",
        {"fault": "slow-first", "seconds": 20},
        "sim:upstream_timeout, fallback spare:ok",
        deadline(at=SPARED_SECONDS),
        fallback=True,
    ),
    Fault(
        "S08",
        "cut after 40 of 60 tokens",
        broken("cut"),
        "sim:upstream_error, restart spare:ok",
        fallback=True,
        restarts=1,
    ),
    Fault(
        "S09",
        "a stall of 30 s after 40 tokens",
        broken("stall", seconds=30),
        "sim:upstream_timeout, restart spare:ok",
        deadline(at=10),
        fallback=True,
        restarts=1,
    ),
    Fault(
        "S10",
        "one malformed frame in mid-stream",
        broken("malformed", times=1),
        "sim:upstream_error, restart sim:ok",
        restarts=1,
    ),
    Fault("S11", "no [DONE]", {"fault": "no-done"}, "sim:ok"),
)


def refused(trial: Trial, orders: dict[str, object], expected: Expected, *routes: str) -> None:
    for route in routes or (STREAM, CHAT):
        saw = trial.client.ask(route, ANSWER + directive(model=PRIMARY, **orders))
        trial.expect(saw, expected)


def context_length(trial: Trial) -> None:
    """The spare may hold more; a spare that does not is no news of the primary."""
    attempts = "sim:upstream_invalid_request, fallback spare:"
    refused(trial, {"fault": "context-length"}, Expected(attempts=attempts + "ok", text=WHOLE))
    trial.stack.spare.set_default("fault=503")
    attempts += "upstream_error, retry spare:upstream_error, retry spare:upstream_error"
    told = Expected("invalid", attempts, "upstream_invalid_request", 400, "")
    refused(trial, {"fault": "context-length"}, told, CHAT)
    trial.stack.spare.set_default("")


def content_filter(trial: Trial) -> None:
    """As a refusal, and as the end of an answer that had started."""
    plain = Expected("filtered", "sim:content_filtered", "content_filtered", 422, "", (0, 3))
    committed = Expected("filtered", "sim:content_filtered", "content_filtered", 200, None, (0, 3))
    refused(trial, {"fault": "content-filter"}, plain)
    late = {"fault": "content-filter-finish", "after": 5}
    refused(trial, late, plain, CHAT)
    refused(trial, late, committed, STREAM)


def prefill(trial: Trial) -> None:
    """The spare refuses to go on with an answer that another began: it has to start from the beginning."""
    trial.stack.spare.set_default("fault=prefill-refused")
    question = ANSWER + directive(model=PRIMARY, **broken("cut"))
    for route in (STREAM, CHAT):
        saw = trial.client.ask(route, question, history=HISTORY)
        trial.expect(saw, Expected(attempts="sim:upstream_error, restart spare:ok", text=WHOLE))
    trial.stack.spare.set_default("")


def primary_down(trial: Trial) -> None:
    """Four open periods of the breaker, fifteen requests."""
    trial.stack.primary.set_default(f"model={PRIMARY} fault=503")
    began = time.monotonic()
    for turn in range(15):
        time.sleep(max(0.0, began + turn * OUTAGE_SECONDS / 15 - time.monotonic()))
        saw = trial.client.ask((STREAM, CHAT)[turn % 2], ANSWER)
        trial.expect(saw, Expected(attempts=None, text=WHOLE, seconds=(0, 5)))
    trial.breakers[PRIMARY] = {"open", "half-open"}
    asked = trial.stack.primary.stats(PRIMARY)["requests"]
    # five turns of three attempts open a worker's breaker; then one probe each open period
    most = WORKERS * (5 * 3 + 4)
    trial.check(asked <= most, f"the primary was asked {asked} times, more than {most}")
    trial.check(trial.stack.spare.stats()["requests"] == 15, "the spare was not asked 15 times")


def accounting(trial: Trial) -> None:
    """What the fallback answered is billed as the fallback's: names, tokens, dollars, everywhere."""
    attempts = "sim:upstream_error, retry sim:upstream_error, retry sim:upstream_error, "
    asked = [ask(trial, route) for route in (STREAM, CHAT)]
    for saw in asked:
        trial.expect(saw, Expected(attempts=attempts + "fallback spare:ok", text=WHOLE))
        check_bill(trial, saw)


def ask(trial: Trial, route: str) -> Saw:
    return trial.client.ask(route, ANSWER + directive(model=PRIMARY, fault="500"))


def check_bill(trial: Trial, saw: Saw) -> None:
    """The caller gets the answer's own cost, the log the cost of all attempts; here they are the same."""
    line = trial.line(saw.request_id)
    done = saw.done or {}
    usage = done.get("usage", {})
    trial.check(done.get("model") == SPARE, f"told as the answer of {done.get('model')}")
    trial.check(line["model"] == SPARE, f"logged as the answer of {line['model']}")
    trial.check(usage.get("output_tokens") == TOKENS, f"told usage {usage}")
    trial.check(usage.get("source") == "reported", f"usage is {usage.get('source')}")
    dollars = (usage.get("input_tokens", 0) * 3.0 + TOKENS * 12.0) / 1_000_000
    trial.check(abs((done.get("cost_usd") or 0) - dollars) < 1e-9, f"told {done.get('cost_usd')}")
    trial.check(abs((line["cost_usd"] or 0) - dollars) < 1e-9, f"logged {line['cost_usd']}")


def spared(name: str, title: str, run: Callable[[Trial], None]) -> Case:
    return Case(name, title, run, SPARED, shared=True, seconds=5)


CASES = (
    *(fault.case() for fault in FAULTS),
    spared("S12", "context length exceeded (400)", context_length),
    spared("S13", "content filter, as a refusal and as a finish reason", content_filter),
    spared("S14", "cut after 40 tokens, and a spare that takes no prefill", prefill),
    Case(
        "S15",
        "primary down for four open periods and 15 requests",
        primary_down,
        Plan(fallback=True, settings={"BREAKER_OPEN_SECONDS": OUTAGE_SECONDS / 4}),
        seconds=OUTAGE_SECONDS + 10,
    ),
    Case(
        "S16",
        "accounting when the fallback answered",
        accounting,
        Plan(fallback=True),
    ),
)
