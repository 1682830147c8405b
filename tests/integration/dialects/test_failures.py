"""Failures that are reported within a 200, and refusals in a server's own words: what the caller gets, and whom it "
"costs."""

import gzip
import json

import pytest

from tests.integration.dialects.conftest import BREAKER_FAILURES, whole
from tests.support import upstream
from tests.support.model_server import DONE, answers, choice, fin, frame, refuses, stream, text

FAILURE = {"message": "too long", "type": "BadRequestError", "code": 400}


def body(value, status=200):
    return [upstream.whole(status, json.dumps(value).encode())]


def error(**fields):
    return {"error": fields}


# how a server says within a 200 that it refuses this request
REFUSALS = {
    "sglang": stream(frame(error(**FAILURE)), DONE),
    "code as text": stream(frame(error(**FAILURE | {"code": "400"}))),
    "no inner object": stream(frame({"object": "error", **FAILURE})),
    "error line": stream(b"error: " + json.dumps(FAILURE).encode() + b"\n\n"),
    "error event": stream(b"event: error\n" + frame(FAILURE)),
    "bare body": body(error(**FAILURE)),
    "bare body in a stream": stream(json.dumps(error(**FAILURE)).encode()),
    "bare body, coded": [
        upstream.whole(
            200, gzip.compress(json.dumps(error(**FAILURE)).encode()), Content_Encoding="gzip"
        )
    ],
    "in a list": body([error(**FAILURE)]),
    "a word": stream(frame(error(message="no", type="invalid_request_error"))),
    "after a role": stream(choice({"role": "assistant", "content": ""}), frame(error(**FAILURE))),
    "after comments": stream(b": hold on\n\n" * 3, frame(error(**FAILURE))),
    "502 around 400": refuses(502, error(**FAILURE)),
    "500 for a template": refuses(
        500, error(code=500, message="Conversation roles must alternate")
    ),
}


@pytest.mark.parametrize("reply", REFUSALS.values(), ids=REFUSALS)
def test_a_refused_request_is_the_callers_alone(service, server, ask, reply):
    server.says(reply)
    told = ask(service)
    assert (told.status, told.code) == (400, "upstream_invalid_request")
    assert told.attempts == ["upstream_invalid_request"]
    assert told.turn["ending"] == "invalid"
    assert len(server.bodies) == 1


@pytest.mark.parametrize("client", ["lean", "stock"])
def test_callers_whose_requests_are_refused_take_the_model_from_nobody(serve, server, client):
    service = serve(LLM_CLIENT=client)
    server.says(stream(frame(error(**FAILURE)), DONE))
    for number in range(2 * BREAKER_FAILURES):
        other = {"X-User-ID": f"caller-{number:04}", "X-Forwarded-For": f"192.0.2.{number}"}
        assert whole(service, f"question {number}", other).status == 400
    server.says(answers())
    assert whole(service).answer == ("Hello", "stop", None)
    assert service.metric("chat_breaker_state", model="sim") == 0


# (HTTP status or None for within a 200, body) → status, code, attempts
KINDS = [
    ("401", None, error(code=401), 502, "upstream_rejected", 1),
    ("403", None, error(code="403"), 502, "upstream_rejected", 1),
    ("key", None, error(code="invalid_api_key"), 502, "upstream_rejected", 1),
    ("gemini key", 400, [error(code=400, message="API key not valid.")], 502, "upstream_rejected", 1),
    ("429", None, error(code=429), 429, "upstream_rate_limited", 3),
    ("429 word", None, error(type="rate_limit_error"), 429, "upstream_rate_limited", 3),
    ("402", None, error(code=402), 503, "upstream_quota_exhausted", 1),
    ("quota", None, error(code="insufficient_quota"), 503, "upstream_quota_exhausted", 1),
    ("HTTP 402", 402, error(message="Insufficient Balance"), 503, "upstream_quota_exhausted", 1),
    ("HTTP 429 quota", 429, error(code="insufficient_quota"), 503, "upstream_quota_exhausted", 1),
    ("500", None, error(code=500), 502, "upstream_error", 3),
    ("503", None, error(code="503"), 502, "upstream_error", 3),
    ("overloaded", None, error(type="overloaded_error"), 502, "upstream_error", 3),
    ("no word", None, error(message="x"), 502, "upstream_error", 3),
    ("filter", None, error(code="content_filter"), 422, "content_filtered", 1),
    ("openai policy", 400, error(code="content_policy_violation"), 422, "content_filtered", 1),
    ("azure", 400, error(innererror={"code": "ResponsibleAIPolicyViolation"}), 422, "content_filtered", 1),
    ("moderation", 403, error(message="Your input was flagged for violence"), 422, "content_filtered", 1),
]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "said", "told_status", "code", "attempts"),
    [row[1:] for row in KINDS],
    ids=[row[0] for row in KINDS],
)
def test_a_failure_is_what_its_status_would_be(
    service, server, status, said, told_status, code, attempts
):
    for _ in range(attempts - 1):
        # each turn earns a retry
        assert whole(service).status == 200
    server.says(stream(frame(said), DONE) if status is None else body(said, status))
    told = whole(service)
    assert (told.status, told.code) == (told_status, code)
    assert told.attempts == [code] * attempts


@pytest.mark.parametrize(
    "failure",
    [
        choice({}, None, error={"code": 502, "message": "Provider disconnected"}),
        choice({"content": ""}, "error", error={"code": 502, "message": "x"}),
        frame(error(code=500)),
        b"event: error\n" + frame({"message": "x"}),
        b"data: Internal Server Error\n\n",
    ],
)
def test_a_failure_after_some_text_begins_the_answer_again(service, server, ask, failure):
    server.says(stream(text("Hel"), failure, DONE), answers("Hello"))
    told = ask(service)
    assert told.answer == ("Hello", "stop", None)
    assert told.attempts == ["upstream_error", "ok"]
    assert told.turn["ending"] == "completed"


def test_a_failure_after_some_text_twice_is_one(service, server, ask):
    broken = stream(text("Hel"), choice({}, None, error={"code": 502}), DONE)
    server.says(broken)
    told = ask(service)
    assert told.code == "upstream_error"
    assert told.attempts == ["upstream_error"] * 2
    assert told.turn["ending"] == "upstream_failed"


COMPLETION = {
    "choices": [{"index": 0, "message": {"content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 7, "completion_tokens": 2},
}


@pytest.mark.parametrize(
    "reply",
    [
        body(COMPLETION),
        body(COMPLETION, 201),
        body([COMPLETION]),
        [upstream.whole(200, json.dumps(COMPLETION, indent=1).encode())],
        [upstream.whole(206, text("Hello") + fin("stop") + DONE)],
        [upstream.whole(200, gzip.compress(json.dumps(COMPLETION).encode()), Content_Encoding="gzip")],
    ],
)  # fmt: skip
def test_an_answer_of_another_shape_is_read(service, server, ask, reply):
    server.says(reply)
    assert ask(service).answer == ("Hello", "stop", None)
