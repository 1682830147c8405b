"""The bill: wherever it stands, whatever its numbers are, and whether it was reported or estimated."""

import math

import pytest

from tests.integration.dialects.conftest import streamed, whole
from tests.support.model_server import DONE, ModelServer, choice, fin, frame, refuses, stream, text

LAST = {"index": 0, "delta": {}, "finish_reason": "stop"}
COUNTS = {"prompt_tokens": 12, "completion_tokens": 3}


def usage_frame(counts):
    return frame({"choices": [], "usage": counts})


PLACES = {
    "its own frame": [fin("stop"), usage_frame(COUNTS)],
    "the last frame": [frame({"choices": [LAST], "usage": COUNTS})],
    "moonshot": [frame({"choices": [{**LAST, "usage": COUNTS}]})],
    "groq": [frame({"choices": [LAST], "x_groq": {"usage": COUNTS}})],
    "after a wrong one": [frame({"choices": [], "usage": {"prompt_tokens": 12, "completion_tokens": 1}}), fin("stop"),
                          usage_frame(COUNTS)],
    "text": [fin("stop"), usage_frame({"prompt_tokens": "12", "completion_tokens": "3"})],
}  # fmt: skip


@pytest.mark.parametrize("last", PLACES.values(), ids=PLACES)
def test_where_the_bill_stands(service, server, ask, last):
    server.says(stream(text("Hello"), *last, DONE))
    usage = ask(service).usage
    assert (usage["input_tokens"], usage["output_tokens"], usage["source"]) == (12, 3, "reported")


def test_of_a_bill_in_every_frame_the_last_one_counts(service, server, ask):
    def counted(words, completion):
        counts = {"prompt_tokens": 12, "completion_tokens": completion}
        piece = {"index": 0, "delta": {"content": words}, "finish_reason": None}
        return frame({"choices": [piece], "usage": counts})

    server.says(stream(counted("a", 1), counted("b", 2), counted("c", 3), fin("stop"), DONE))
    told = ask(service)
    assert (told.text, told.usage["output_tokens"], told.usage["source"]) == ("abc", 3, "reported")


@pytest.mark.parametrize("details", [{"completion_tokens_details": {"reasoning_tokens": 386}}, {}])
def test_thinking_that_the_completion_leaves_out_is_paid_for(service, server, details):
    counts = {"prompt_tokens": 12, "completion_tokens": 1, "total_tokens": 399, **details}
    server.says(stream(text("4"), fin("stop"), usage_frame(counts), DONE))
    told = whole(service)
    assert (told.usage["input_tokens"], told.usage["output_tokens"]) == (12, 387)


def test_thinking_that_the_completion_holds_is_not_paid_for_twice(service, server):
    details = {"completion_tokens_details": {"reasoning_tokens": 386}}
    counts = {"prompt_tokens": 12, "completion_tokens": 387, "total_tokens": 399, **details}
    server.says(stream(text("4"), fin("stop"), usage_frame(counts), DONE))
    assert whole(service).usage["output_tokens"] == 387


ABSURD = [
    {"prompt_tokens": 12, "completion_tokens": None},
    {"prompt_tokens": 12},
    {"completion_tokens": 3},
    {"prompt_tokens": 12, "completion_tokens": 0},
    {"prompt_tokens": 0, "completion_tokens": 0},
    *({"prompt_tokens": 12, "completion_tokens": value} for value in (
        -1, -500_000_000, 1e12, 10**400, math.nan, math.inf, 1.5, "many", "9" * 5000, [3], {"a": 1}, True)),
    {"prompt_tokens": math.nan, "completion_tokens": math.nan, "total_tokens": math.nan},
    "many", 5, [1, 2], True,
]  # fmt: skip


@pytest.mark.parametrize("counts", ABSURD, ids=[f"{counts!r:.60}" for counts in ABSURD])
def test_what_cannot_be_a_count_is_estimated(service, server, ask, counts):
    server.says(stream(text("Hello"), fin("stop"), usage_frame(counts), DONE))
    told = ask(service)
    assert told.answer == ("Hello", "stop", None)
    assert told.usage["source"] == "estimated"
    assert 0 < told.usage["input_tokens"] < 1000
    assert 0 < told.usage["output_tokens"] < 1000


def test_the_metrics_stay_finite(service, server):
    for counts in ABSURD:
        server.says(stream(text("Hello"), fin("stop"), usage_frame(counts), DONE))
        assert whole(service).status == 200
    assert all(math.isfinite(value) for value in service.metrics().values())
    assert service.metric("gen_ai_client_token_usage_sum") < 10**6


def test_who_answered_is_named(serve, server):
    """The fallback, silently: start may name the model asked, done names who answered."""
    with ModelServer() as other:
        service = serve(FALLBACK_MODEL="spare", FALLBACK_BASE_URL=other.base_url, RETRY_ATTEMPTS=1)
        server.says(refuses(500, {}))
        assert streamed(service).turn["attempts"][-1]["model"] == "spare"
        with service.stream("hi") as stream_:
            events = {event.name: event for event in stream_.events()}
        assert events["done"].json()["model"] == "spare"


def test_a_choice_beside_ours_changes_nothing(service, server, ask):
    other = {"index": 1, "delta": {"content": "no"}, "finish_reason": "length"}
    server.says(
        stream(
            frame({"choices": [other]}),
            text("Hello"),
            frame({"choices": [other]}),
            choice({}, "stop"),
            DONE,
        )
    )
    assert ask(service).answer == ("Hello", "stop", None)
