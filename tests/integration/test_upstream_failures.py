"""Each way in which the LLM can fail: the promised code and status, one ending, and a true account of the attempts.

With either client; retries are off, so that one attempt is one request.
"""

import concurrent.futures
import json
import uuid
from typing import NamedTuple

import pytest

from tests.support.contract import PROMISES, check_error, check_problem
from tests.support.service import Service
from tests.support.simulator import directive

ROUTES = ["/chat", "/chat/stream"]


@pytest.fixture
def service(either):
    return either


class Failure(NamedTuple):
    """requests: a cut answer is restarted once, after its first content. begun: there is content before it."""

    order: dict
    code: str
    requests: int = 1
    begun: bool = False
    retry_after: str | None = None


def status(number, code, **more):
    retry_after = more.pop("told", None)
    return Failure({"fault": "status", "status": number, **more}, code, retry_after=retry_after)


FAILURES = [
    *(status(number, "upstream_invalid_request") for number in (400, 413, 414, 422)),
    *(status(number, "upstream_rejected") for number in (401, 403, 404, 405, 410)),
    status(402, "upstream_quota_exhausted", told="300"),
    *(status(number, "upstream_error") for number in (408, 409, 425, 500, 501, 502, 503, 504, 529)),
    status(503, "upstream_error", retry_after=7),
    # the simulator's sentence says when
    status(429, "upstream_rate_limited", told="20"),
    status(429, "upstream_rate_limited", retry_after=7, told="7"),
    status(429, "upstream_rate_limited", retry_after="1.5", told="2"),
    status(429, "upstream_rate_limited", retry_after=0, told="1"),
    status(429, "upstream_rate_limited", retry_after=86400, told="3600"),
    status(429, "upstream_rate_limited", retry_after="Wed, 21 Oct 2099 07:28:00 GMT", told="3600"),
    status(429, "upstream_rate_limited", retry_after="nan", told="20"),
    Failure({"fault": "context-length"}, "upstream_invalid_request"),
    Failure({"fault": "content-filter"}, "content_filtered"),
    Failure({"fault": "content-filter-finish", "after": 0}, "content_filtered"),
    Failure({"fault": "content-filter-finish", "after": 3}, "content_filtered", begun=True),
    Failure({"fault": "html"}, "upstream_error"),
    Failure({"fault": "reset-before"}, "upstream_error"),
    Failure({"fault": "close-before"}, "upstream_error"),
    *(
        failure
        for fault in ("malformed", "in-band-error", "cut", "no-finish", "reset-after")
        for failure in (
            Failure({"fault": fault, "after": 0}, "upstream_error"),
            Failure({"fault": fault, "after": 3}, "upstream_error", requests=2, begun=True),
        )
    ),
]
SILENCES = [
    *(Failure({"fault": fault}, "upstream_timeout") for fault in ("silent", "headers-only")),
    *(
        Failure({"fault": fault}, "upstream_timeout")
        for fault in ("role-only", "comments", "slow-first")
    ),
    Failure({"fault": "stall", "after": 2}, "upstream_timeout", requests=2, begun=True),
    Failure({"fault": "endless", "gap": 0.05}, "upstream_timeout", begun=True),
]
# oddities that are no failures
WHOLE = ["no-done", "no-usage", "empty-choices", "crlf", "bom", "split-bytes"]


def name(failure):
    return "-".join(str(value) for value in failure.order.values()).replace("status-", "")


@pytest.fixture(scope="module", params=["lean", "stock"])
def impatient(request, _simulator):
    """A service with one client or the other, and short deadlines."""
    with Service(
        _simulator.base_url,
        LLM_CLIENT=request.param,
        RETRY_ATTEMPTS=1,
        BREAKER_FAILURES=1_000_000,
        FIRST_TOKEN_TIMEOUT_SECONDS=2,
        IDLE_TIMEOUT_SECONDS=2,
        TURN_TIMEOUT_SECONDS=6,
    ) as running:
        yield running


class Told(NamedTuple):
    """What a caller was told. events: None where the answer was plain JSON."""

    status: int
    headers: dict
    body: bytes
    events: list | None


def ask(service, route, question, request_id):
    ids = {"X-Request-ID": request_id}
    if route == "/chat":
        body = json.dumps({"question": question})
        sent = {"Content-Type": "application/json", **ids}
        return Told(*service.request("POST", route, body, sent), None)
    with service.stream(question, headers=ids) as stream:
        events = stream.events()
        assert stream.whole
        return Told(stream.status, stream.headers, stream.body, events or None)


def check_told(failure, told, request_id):
    if told.events is None:
        error = check_problem(failure.code, told.status, told.headers, told.body)
        assert told.headers.get("retry-after") == failure.retry_after
    else:
        assert told.status == 200
        *before, event, end = told.events
        assert {one.name for one in before} <= {"start", "token", "restart"}
        assert (event.name, end.data) == ("error", "[DONE]")
        error = check_error(failure.code, event.json())
    assert error["request_id"] == request_id
    assert "details" not in error


def check_turn(failure, turn, route):
    assert (turn["route"], turn["code"]) == (route, failure.code)
    assert turn["ending"] == PROMISES[failure.code].ending
    assert [attempt["result"] for attempt in turn["attempts"]] == [failure.code] * failure.requests
    assert turn["cause"]
    assert turn["cause"] == turn["attempts"][0]["cause"]
    begun = [attempt["output_tokens"] > 0 for attempt in turn["attempts"]]
    assert begun == [failure.begun] * failure.requests


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("failure", FAILURES, ids=name)
def test_a_failure_is_told_by_its_code(impatient, simulator, route, failure):
    request_id = uuid.uuid4().hex
    attempts = ("chat_llm_attempts_total", {"model": "sim", "result": failure.code})
    before = impatient.metric(attempts[0], **attempts[1])
    told = ask(impatient, route, directive(**failure.order), request_id)
    assert (told.events is not None) == (failure.begun and route == "/chat/stream")
    check_told(failure, told, request_id)
    check_turn(failure, impatient.turn(request_id), route)
    assert impatient.metric(attempts[0], **attempts[1]) - before == failure.requests
    # a kept connection that ends before the first byte is replaced, and no attempt
    resent = failure.order["fault"] in ("reset-before", "close-before")
    assert failure.requests <= simulator.stats()["requests"] <= failure.requests + resent


@pytest.fixture(scope="module")
def silences(impatient, _simulator):
    """All of them at once, for they take their time: by order and route, the id and what was told."""
    cases = [(failure, route) for failure in SILENCES for route in ROUTES]
    ids = [uuid.uuid4().hex for _ in cases]
    _simulator.reset()

    def run(case, request_id):
        failure, route = case
        return ask(impatient, route, directive(**failure.order), request_id)

    with concurrent.futures.ThreadPoolExecutor(len(cases)) as pool:
        answers = list(pool.map(run, cases, ids))
    seen = [request["headers"]["x-request-id"] for request in _simulator.requests()]
    turns = {request_id: impatient.turn(request_id)["turn_id"] for request_id in ids}
    named = [(name(failure), route) for failure, route in cases]
    return {
        key: (request_id, told, sum(sent.startswith(turns[request_id]) for sent in seen))
        for key, request_id, told in zip(named, ids, answers, strict=True)
    }


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("failure", SILENCES, ids=name)
def test_silence_ends_at_its_deadline(impatient, silences, route, failure):
    request_id, told, requests = silences[name(failure), route]
    check_told(failure, told, request_id)
    turn = impatient.turn(request_id)
    check_turn(failure, turn, route)
    assert requests == failure.requests
    deadline = {"endless": 6, "stall": 4}.get(failure.order["fault"], 2)
    assert turn["duration_seconds"] >= deadline - 0.1


def test_no_silence_leaves_a_connection_or_a_slot_behind(impatient, silences, simulator):
    assert silences
    assert impatient.metric("chat_turns_in_flight") == 0
    simulator.wait(open_max=0)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("fault", WHOLE)
def test_what_is_odd_but_whole_is_an_answer(impatient, simulator, route, fault):
    request_id = uuid.uuid4().hex
    told = ask(impatient, route, directive(fault=fault, text="one two 한글 😀"), request_id)
    if told.events is None:
        answer = json.loads(told.body)
        text, usage = answer["answer"], answer["usage"]
    else:
        text = "".join(event.json()["text"] for event in told.events if event.name == "token")
        usage = told.events[-2].json()["usage"]
    assert text == "one two 한글 😀"
    assert usage["source"] == ("estimated" if fault == "no-usage" else "reported")
    turn = impatient.turn(request_id)
    assert (turn["ending"], [a["result"] for a in turn["attempts"]]) == ("completed", ["ok"])
    assert simulator.stats()["requests"] == 1
