"""A bounded number of turns: what is above it waits a moment, then is refused, and never holds up the probes."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.service import Service
from tests.support.simulator import directive

WAIT_SECONDS = 0.3
ENDLESS = directive(fault="stall", after=1, seconds=60)
# an answer that should come at once, on a busy machine
AT_ONCE_SECONDS = 5


@pytest.fixture(scope="module")
def narrow(_simulator):
    """A service with one slot and hardly a wait for it: a slot that is not given back is seen at once."""
    settings = {
        "MAX_CONCURRENT_TURNS": 1,
        "ADMISSION_WAIT_SECONDS": WAIT_SECONDS,
        "RETRY_ATTEMPTS": 1,
        "BREAKER_FAILURES": 1_000_000,
    }
    with Service(_simulator.base_url, **settings) as service:
        yield service


@pytest.fixture
def full(narrow, simulator):
    """The same with its slot taken."""
    with narrow.stream(ENDLESS) as stream:
        next(iter(stream))
        yield narrow
    narrow.until("chat_turns_in_flight", 0)


def test_above_the_slots_a_turn_is_refused_soon_and_says_when_to_come_back(full, simulator):
    for route in ("/chat", "/chat/stream"):
        began = time.monotonic()
        status, headers, body = full.post(route, {"question": "hi"})
        assert time.monotonic() - began < AT_ONCE_SECONDS
        assert (status, body["error"]["code"]) == (503, "overloaded")
        assert body["error"]["retryable"] is True
        assert int(headers["retry-after"]) >= 1
        turn = full.turn(body["error"]["request_id"])
        assert turn["ending"] == "rejected"
        assert turn["duration_seconds"] >= WAIT_SECONDS
    assert simulator.stats()["requests"] == 1, "the upstream was not asked"


def test_probes_and_figures_answer_while_all_slots_are_taken(full):
    rejected = full.metric("chat_turns_total", ending="rejected")
    with ThreadPoolExecutor(20) as callers:
        refused = [callers.submit(full.chat) for _ in range(20)]
        for path, port in (
            ("/health", full.port),
            ("/ready", full.port),
            ("/", full.port),
            ("/openapi.json", full.port),
            ("/health", full.metrics_port),
            ("/ready", full.metrics_port),
            ("/metrics", full.metrics_port),
        ):
            began = time.monotonic()
            assert full.get(path, port=port)[0] == 200, path
            assert time.monotonic() - began < AT_ONCE_SECONDS, path
        assert {one.result()[0] for one in refused} == {503}
    assert full.metric("chat_turns_in_flight") == 1
    assert full.metric("chat_admission_slots") == 1
    assert full.metric("chat_turns_total", ending="rejected") == rejected + 20


def test_a_bad_request_takes_no_slot_and_waits_for_none(full):
    status, _, body = full.chat(unknown=1)
    assert (status, body["error"]["code"]) == (400, "invalid_request")


def test_a_slot_that_comes_free_within_the_wait_is_taken(serve):
    service = serve(MAX_CONCURRENT_TURNS=1, ADMISSION_WAIT_SECONDS=10)
    stream = service.stream(ENDLESS)
    next(iter(stream))
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(service.chat(directive(tokens=2))))
    waiting.start()
    service.until("chat_turns_in_flight", 2)
    assert answers == []
    stream.close()
    waiting.join(30)
    assert [status for status, _, _ in answers] == [200]


@pytest.mark.parametrize(
    ("question", "status"),
    [
        (directive(tokens=1), 200),
        (directive(fault="status", status=401), 502),
        (directive(fault="content-filter"), 422),
        (directive(fault="no-finish"), 502),
        (directive(fault="status", status=400), 400),
    ],
)
def test_every_ending_gives_its_slot_back(narrow, question, status):
    for route in ("/chat", "/chat", "/chat/stream", "/chat/stream"):
        request = narrow.stream(question) if route == "/chat/stream" else narrow.chat(question)
        if route == "/chat/stream":
            request.events()
            assert request.status in (status, 200)
            request.close()
        else:
            assert request[0] == status
    narrow.until("chat_turns_in_flight", 0)
