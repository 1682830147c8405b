"""Each refusal that servers are known to write, by HTTP status and within a stream; and what is asked instead."""

import json

import pytest

from service.errors import ContextTooLong, UpstreamRejected
from service.llm.wire.errors import of_response
from service.llm.wire.learned import Learned
from service.llm.wire.refusal import ParameterRefused
from tests.support.model_server import frame
from tests.support.refusals import CODES, ONLY_BY_STATUS, STATUSES, body_of
from tests.support.refused_parameters import ASKED, REFUSED, is_changed
from tests.unit.llm.wire.frames import heard

IDS = [f"{row[3]}: {row[0]}" for row in STATUSES]


@pytest.mark.parametrize(("server", "status", "body", "kind"), STATUSES, ids=IDS)
def test_a_refusal_by_status(server, status, body, kind):
    ours = of_response(status, {}, body_of(body))
    assert ours.code == CODES[kind], ours.cause
    assert isinstance(ours, ContextTooLong) == (kind == "too_long")
    assert not isinstance(ours, UpstreamRejected) or ours.refused == kind


IN_BAND = [
    row for row in STATUSES if not isinstance(row[2], bytes) and row[:2] not in ONLY_BY_STATUS
]


@pytest.mark.parametrize("written", [frame, body_of], ids=["frame", "bare"])
@pytest.mark.parametrize(
    ("server", "status", "body", "kind"), IN_BAND, ids=[f"{row[3]}: {row[0]}" for row in IN_BAND]
)
def test_the_same_within_a_200(server, status, body, kind, written):
    assert heard([written(body)]).error == CODES[kind]


@pytest.mark.parametrize(
    ("server", "status", "body", "change"), REFUSED, ids=[f"{row[3]}: {row[0]}" for row in REFUSED]
)
def test_what_is_asked_instead(server, status, body, change):
    ours = of_response(status, {}, body_of(body))
    assert isinstance(ours, ParameterRefused), ours.cause
    instead = Learned().refused(ours.refused, ASKED, frozenset())
    assert instead is not None, ours.refused
    learned, payload = instead
    assert is_changed(payload, change), payload
    assert learned.applied(ASKED, frozenset()) == payload


WAITS = [
    ("openai", "Rate limit reached for gpt-4o on requests per min: Limit 3. Please try again in 20s. Visit x.", 20),
    ("openai minutes", "Please try again in 2m59.56s.", 179.56),
    ("openai milliseconds", "Please try again in 440ms. Visit https://platform.openai.com", 0.44),
    ("azure", "Please retry after 6 seconds. Please go here: https://aka.ms/oai/quotaincrease", 6),
    ("gemini", "Quota exceeded for metric x, limit: 10. Please retry in 21.4s.", 21.4),
    ("moonshot", "max organization concurrency: 1, please try again after 1 seconds", 1),
    ("litellm", "No deployments available for selected model, Try again in 5 seconds. Passed model=gpt-4.", 5),
    ("github", "Rate limit of 8 per 86400s exceeded. Please wait 40 seconds before retrying.", 40),
    ("minutes", "Rate limit exceeded, try again in 2 minutes", 120),
    ("hours", "try again in 3 hours", 3600),
    ("korean", "요청이 너무 많습니다. 30초 후에 다시 시도해 주세요.", 30),
    ("chinese", "请求过于频繁，请在 20 秒后重试", 20),
    ("japanese", "1分後に再試行してください", 60),
    ("no unit", "Too many requests, retry after 30", 30),
    ("no time", "Please try again later.", None),
    ("a day", "Limit reached, retry after 2026-01-01", None),
    ("days", "Try again in 3 days", None),
]  # fmt: skip


@pytest.mark.parametrize(("server", "words", "seconds"), WAITS, ids=[row[0] for row in WAITS])
@pytest.mark.parametrize("status", [429, 503])
def test_when_to_come_back_in_words(server, words, seconds, status):
    body = json.dumps({"error": {"message": words}}).encode()
    assert of_response(status, {}, body).retry_after_seconds == seconds
    # a header is meant for us
    assert of_response(status, {"retry-after": "7"}, body).retry_after_seconds == 7


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        ([{"error": {"code": 429, "details": [{"@type": "RetryInfo", "retryDelay": "21s"}]}}], 21),
        ([{"error": {"code": 429, "details": [{"retryDelay": "0.5s"}]}}], 0.5),
        ({"error": "Model x is currently loading", "estimated_time": 20.0}, 20),
        ({"error": {"message": "x", "retry_after": 3}}, 3),
        ({"error": {"message": "x", "retry_after": -3}}, 0),
        ({"error": {"message": "x", "retry_after": "soon"}}, None),
        ({"error": {"message": "x", "metadata": {"retryAfterSeconds": 3}}}, 3),
        (
            {
                "error": {
                    "metadata": {
                        "headers": {"X-RateLimit-Reset": "9", "X-RateLimit-Remaining": "0"}
                    }
                }
            },
            9,
        ),
        ({"error": {"metadata": {"headers": {"X-RateLimit-Limit": "9"}}}}, None),
        ({"error": {"metadata": {"headers": ["Retry-After: 9"]}}}, None),
    ],
)
def test_when_to_come_back_in_fields(body, seconds):
    assert of_response(503, {}, json.dumps(body).encode()).retry_after_seconds == seconds
