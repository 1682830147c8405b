"""POST /chat/stream over real gunicorn: events, faults, and what the upstream saw of them."""

import json

import pytest

from tests.support.simulator import directive


@pytest.fixture
def service(either):
    return either


def names(events):
    """The sequence of event names, repeated ones folded."""
    folded = []
    for event in events:
        if not folded or folded[-1] != event.name:
            folded.append(event.name)
    return folded


def test_an_answer_streams_from_start_to_done(service, simulator):
    with service.stream(directive(tokens=5, gap=0.3)) as stream:
        events = stream.events()
    assert stream.status == 200
    assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert stream.whole
    assert names(events) == ["start", "token", "done", "message"]
    assert events[-1].data == "[DONE]"
    done = events[-2].json()
    assert done["usage"] == {
        "input_tokens": done["usage"]["input_tokens"],
        "output_tokens": 5,
        "cached_input_tokens": 0,
        "source": "reported",
    }


def test_text_arrives_identical_when_split_at_every_byte(service, simulator):
    text = "a\n\nb\u2028c 한글 😀"
    with service.stream(directive(fault="split-bytes", text=text)) as stream:
        assert stream.text() == text


def test_heartbeats_flow_while_the_model_is_silent(serve):
    service = serve(HEARTBEAT_SECONDS=0.5, STREAM_HOLD_SECONDS=0.5)
    with service.stream(directive(first=2.5, tokens=1)) as stream:
        assert names(stream.events()) == ["start", "token", "done", "message"]
        assert len(stream.comments) >= 3


def test_a_failure_within_the_hold_is_a_plain_error(service, simulator):
    with service.stream(directive(fault="status", status=429, retry_after=7)) as stream:
        assert stream.status == 429
        assert stream.headers["retry-after"] == "7"
        assert json.loads(stream.body)["error"]["code"] == "upstream_rate_limited"


def test_a_failure_after_the_hold_is_an_error_event(serve):
    service = serve(STREAM_HOLD_SECONDS=0.2, FIRST_TOKEN_TIMEOUT_SECONDS=1)
    with service.stream(directive(fault="silent")) as stream:
        events = stream.events()
    assert names(events) == ["start", "error", "message"]
    assert events[1].json()["code"] == "upstream_timeout"
    assert stream.whole


@pytest.mark.parametrize("fault", ["no-finish", "cut", "reset-after", "malformed", "in-band-error"])
def test_an_answer_that_is_not_whole_ends_in_an_error(service, simulator, fault):
    with service.stream(directive(fault=fault, after=3, tokens=10)) as stream:
        events = stream.events()
    assert "done" not in names(events)
    assert events[-2].name == "error"
    assert events[-2].json()["code"] == "upstream_error"
    assert stream.whole


def test_comments_alone_do_not_count_as_content(serve):
    service = serve(FIRST_TOKEN_TIMEOUT_SECONDS=1)
    with service.stream(directive(fault="comments", gap=0.1)) as stream:
        assert stream.status == 504
        assert json.loads(stream.body)["error"]["code"] == "upstream_timeout"


def test_a_caller_who_leaves_in_a_stall_is_noticed(service, simulator):
    before = simulator.stats()["aborted"]
    stream = service.stream(directive(fault="stall", after=1, seconds=60)).open()
    next(iter(stream))
    stream.close()
    simulator.wait(timeout=3, aborted=before + 1)
