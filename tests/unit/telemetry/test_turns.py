"""The account of a turn: what is counted and logged, whatever way it ends."""

import json
import traceback
from dataclasses import dataclass

import pytest
from prometheus_client import REGISTRY

from service.chat.attempt import Attempt
from service.chat.events import Done, Usage
from service.chat.prompt import Prompt
from service.errors import Detail, InvalidRequest, UpstreamTimeout
from service.telemetry.turns import TurnRecord, announce_bill, count_attempt

FIELDS = {
    "event", "level", "time", "route", "ending", "code", "cause", "request_id", "turn_id", "user_id", "session_id",
    "chain", "key", "key_user",
    "model", "finish_reason", "duration_seconds", "time_to_first_token_seconds", "longest_gap_seconds",
    "overhead_seconds", "answer_usage", "answer_cost_usd", "input_tokens", "output_tokens",
    "tokens_source", "cost_usd", "attempts",
}  # fmt: skip
PROMPT = Prompt("", (), "why?", "m", None, 100, "request-1")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Asker:
    route: str = "/chat"
    request_id: str = "request-1"
    address: str = "192.0.2.1"
    user_id: str | None = "user-0001"
    session_id: str | None = None
    key: str = "team-a"
    key_user: str | None = "user-0001"

    def read(self) -> bytes:
        return b""

    def gone(self) -> bool:
        return False


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def counted():
    """How much a sample has grown since the test began."""
    before = {}

    def value(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(name, labels) or 0.0

    for family in REGISTRY.collect():
        for sample in family.samples:
            before[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
    return lambda name, **labels: (
        value(name, **labels) - before.get((name, tuple(sorted(labels.items()))), 0.0)
    )


def attempt(
    result: str = "ok", *, output: int = 5, cost: float | None = 0.5, source="reported", **about
):
    made = Attempt("m", 1000.0, 1002.0, result=result, cost_usd=cost, **about)
    made.usage = Usage(10, output, source)
    return made


def test_the_line_of_a_whole_answer(clock, lines):
    record = TurnRecord(Asker(), "turn-1", clock)
    record.asked(PROMPT)
    clock.now += 1
    record.waited(0.75)
    record.text(clock.now)
    clock.now += 2
    record.waited(2)
    record.text(clock.now)
    record.attempt(attempt())
    record.end("completed", done=Done("stop", "m", Usage(10, 5, "reported", 3), 0.5))
    (line,) = lines()
    assert set(line) == FIELDS
    assert (line["event"], line["ending"], line["code"]) == ("turn", "completed", None)
    assert (line["request_id"], line["user_id"], line["session_id"]) == (
        "request-1",
        "user-0001",
        None,
    )
    assert line["duration_seconds"] == 3
    assert line["time_to_first_token_seconds"] == 1
    assert line["longest_gap_seconds"] == 2
    assert line["overhead_seconds"] == 0.25
    assert line["answer_usage"]["cached_input_tokens"] == 3
    assert line["attempts"][0]["seconds"] == 2


def stalled(clock, waited: float, ending: str) -> None:
    """A turn with two texts, and silence after them."""
    record = TurnRecord(Asker(), "turn-1", clock)
    for _ in range(2):
        clock.now += 0.05
        record.waited(0.05)
        record.text(clock.now)
    clock.now += 9.5
    record.waited(waited)
    record.end(ending)


@pytest.mark.parametrize("ending", ["disconnected", "timed_out", "drained"])
def test_a_stall_that_ends_the_turn_is_its_longest_gap(clock, lines, ending):
    stalled(clock, 9.5, ending)
    assert lines()[0]["longest_gap_seconds"] == 9.5


def test_the_time_that_a_caller_takes_to_read_is_no_gap(clock, lines):
    stalled(clock, 0.1, "completed")
    assert lines()[0]["longest_gap_seconds"] == 0.1


def test_thinking_is_a_sign_of_life_and_neither_a_token_nor_a_gap(clock, lines, counted):
    before = {
        name: counted(f"chat_turn_time_to_first_{name}_seconds_sum", route="/chat")
        for name in ("sign", "token")
    }
    record = TurnRecord(Asker(), "turn-1", clock)
    for seconds, event in (
        (2, "thinking"),
        (30, "thinking"),
        (8, "text"),
        (9, "thinking"),
        (3, "text"),
    ):
        clock.now += seconds
        record.waited(seconds)
        getattr(record, event)(clock.now)
    record.end("completed", done=Done("stop", "m", Usage(10, 5, "reported"), 0.5))
    (line,) = lines()
    assert line["time_to_first_token_seconds"] == 40
    assert line["longest_gap_seconds"] == 9
    for name, seconds in (("sign", 2), ("token", 40)):
        metric = f"chat_turn_time_to_first_{name}_seconds_sum"
        assert counted(metric, route="/chat") - before[name] == seconds


def test_the_line_has_the_same_fields_when_nothing_was_asked(clock, lines):
    TurnRecord(Asker(), "turn-1", clock).end("invalid")
    (line,) = lines()
    assert set(line) == FIELDS
    assert line["model"] is None
    assert line["attempts"] == []
    assert line["tokens_source"] is None
    assert line["cost_usd"] == 0


def test_the_line_of_a_refused_request_names_the_fields_but_none_that_the_caller_made_up(
    clock, lines
):
    unknown = Detail("hunter2", "is not a field of this request")
    refused = InvalidRequest(details=(Detail("question", "is required"), unknown))
    TurnRecord(Asker(), "turn-1", clock).end("invalid", error=refused)
    assert lines()[0]["cause"] == "question is required; a name is not a field of this request"


def test_a_turn_ends_once(clock, lines, counted):
    record = TurnRecord(Asker(), "turn-1", clock)
    assert counted("chat_turns_in_flight") == 1
    record.end("timed_out", error=UpstreamTimeout(cause="idle"))
    record.end("failed")
    assert counted("chat_turns_in_flight") == 0
    assert counted("chat_turns_total", route="/chat", ending="timed_out") == 1
    assert counted("chat_turns_total", route="/chat", ending="failed") == 0
    (line,) = lines()
    assert (line["ending"], line["code"], line["cause"]) == (
        "timed_out",
        "upstream_timeout",
        "idle",
    )


def test_tokens_and_cost_of_a_turn_are_those_of_every_attempt(clock, lines, counted):
    record = TurnRecord(Asker(), "turn-1", clock)
    record.attempt(attempt("upstream_error", output=1, cost=0.25, source="estimated", chunks=1))
    record.attempt(attempt())
    record.end("completed", done=Done("stop", "m", Usage(10, 5, "reported"), 0.5))
    (line,) = lines()
    assert (line["input_tokens"], line["output_tokens"]) == (20, 6)
    assert line["tokens_source"] == "estimated"
    assert (line["cost_usd"], line["answer_cost_usd"]) == (0.75, 0.5)
    assert counted("chat_tokens_wasted_total", reason="restart") == 11
    assert counted("chat_cost_usd_total", model="m") == 0.75
    assert counted("chat_usage_estimated_total", model="m", result="upstream_error") == 1
    assert counted("chat_usage_estimated_total", model="m", result="ok") == 0


def test_one_attempt_without_a_price_makes_the_sum_unknown(clock, lines, counted):
    record = TurnRecord(Asker(), "turn-1", clock)
    record.attempt(attempt())
    record.attempt(attempt(cost=None))
    record.end("completed")
    assert lines()[0]["cost_usd"] is None
    assert counted("chat_unpriced_tokens_total", model="m") == 15


@pytest.mark.parametrize(
    ("ending", "reason"),
    [("disconnected", "disconnect"), ("drained", "drain"), ("upstream_failed", "failure")],
)
def test_tokens_that_nobody_got_in_full_are_wasted(clock, lines, counted, ending, reason):
    record = TurnRecord(Asker(), "turn-1", clock)
    record.attempt(attempt("cancelled"))
    record.end(ending)
    assert counted("chat_tokens_wasted_total", reason=reason) == 15
    assert len(lines()) == 1


def test_a_whole_answer_wastes_nothing(clock, lines, counted):
    record = TurnRecord(Asker(), "turn-1", clock)
    record.attempt(attempt())
    record.end("completed")
    assert sum(counted("chat_tokens_wasted_total", reason=r) for r in ("failure", "restart")) == 0
    assert len(lines()) == 1


def test_an_attempt_is_measured_as_opentelemetry_says(counted):
    made = attempt(first_chunk_at=1000.5, last_chunk_at=1001.5, chunks=5)
    count_attempt(made)
    labels = {
        "gen_ai_operation_name": "chat",
        "gen_ai_provider_name": "openai",
        "gen_ai_request_model": "m",
    }
    name = "gen_ai_client_operation"
    assert counted(f"{name}_duration_seconds_sum", **labels, error_type="") == 2
    assert counted(f"{name}_time_to_first_chunk_seconds_sum", **labels) == 0.5
    assert counted(f"{name}_time_per_output_chunk_seconds_sum", **labels) == 0.25
    usage = "gen_ai_client_token_usage_sum"
    assert counted(usage, **labels, gen_ai_token_type="input") == 10
    assert counted(usage, **labels, gen_ai_token_type="output") == 5


def test_an_attempt_without_content_has_no_first_chunk_and_no_tokens(counted):
    count_attempt(Attempt("m", 1000.0, 1002.0, result="upstream_timeout"))
    labels = {
        "gen_ai_operation_name": "chat",
        "gen_ai_provider_name": "openai",
        "gen_ai_request_model": "m",
    }
    assert counted("gen_ai_client_operation_time_to_first_chunk_seconds_count", **labels) == 0
    duration = "gen_ai_client_operation_duration_seconds_count"
    assert counted(duration, **labels, error_type="upstream_timeout") == 1
    assert counted("chat_llm_attempts_total", model="m", result="upstream_timeout") == 1


def test_a_bug_is_logged_with_its_request_and_places_and_without_texts(clock, lines):
    record = TurnRecord(Asker(), "turn-1", clock)
    with pytest.raises(ValueError, match="canary") as caught:
        int("canary")
    record.bug(traceback.TracebackException.from_exception(caught.value))
    (line,) = lines()
    assert (line["event"], line["level"], line["request_id"]) == ("bug", "error", "request-1")
    assert "test_turns.py" in line["trace"][0]["frames"][0]
    assert "canary" not in json.dumps(line)
    record.end("failed")


def test_which_prices_apply_and_what_the_bill_will_lack_is_said_at_start(lines):
    announce_bill("list of today", exact_counts=True, unpriced=[])
    (line,) = lines()
    assert (line["event"], line["level"], line["source"]) == ("prices", "info", "list of today")
    announce_bill("list of today", exact_counts=False, unpriced=["m"])
    events = [line["event"] for line in lines()[1:]]
    assert events == ["prices", "no_token_encoding", "models_without_price"]
