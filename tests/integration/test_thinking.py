"""A model that thinks aloud before it answers, as callers and metrics see it."""

import pytest

from tests.support.simulator import directive

SECONDS = 3
QUESTION = directive(think=SECONDS, tokens=2)


@pytest.fixture
def thoughtful(serve):
    """Thinking takes longer than the deadlines for the first content and between contents."""
    return lambda **settings: serve(
        FIRST_TOKEN_TIMEOUT_SECONDS=1, IDLE_TIMEOUT_SECONDS=1, RETRY_ATTEMPTS=1, **settings
    )


def names(events):
    return [event.name for event in events if event.name != "message"]


def test_a_stream_says_that_it_thinks_once_a_second(thoughtful):
    service = thoughtful(STREAM_HOLD_SECONDS=0.5)
    with service.stream(QUESTION) as stream:
        events = stream.events()
    assert names(events)[0] == "start"
    assert names(events)[-2:] == ["token", "done"]
    thoughts = [event.json() for event in events if event.name == "thinking"]
    assert 2 <= len(thoughts) <= SECONDS + 1
    assert all(thought == {} for thought in thoughts)
    sign, token = (
        service.metric(f"chat_turn_time_to_first_{name}_seconds_sum", route="/chat/stream")
        for name in ("sign", "token")
    )
    assert sign < 1 < SECONDS <= token


def test_its_text_is_shown_where_that_is_wanted(thoughtful):
    service = thoughtful(STREAM_HOLD_SECONDS=0.5, SHOW_THINKING="true")
    with service.stream(QUESTION) as stream:
        events = stream.events()
    told = "".join(event.json()["text"] for event in events if event.name == "thinking")
    assert told == "hm " * (SECONDS * 10)
    assert names(events).index("token") > names(events).index("thinking")
    assert "hm" not in "".join(e.json()["text"] for e in events if e.name == "token")


def test_a_failure_while_it_thinks_is_a_plain_error_within_the_hold(thoughtful):
    service = thoughtful(STREAM_HOLD_SECONDS=3)
    with service.stream(directive(think=1, tokens=5, fault="cut", after=0)) as stream:
        assert stream.events() == []
        assert stream.status == 502


def test_an_answer_in_one_piece_has_no_thinking_in_it(thoughtful):
    service = thoughtful(SHOW_THINKING="true")
    status, _, answer = service.chat(QUESTION)
    assert status == 200
    assert "hm" not in answer["answer"]


def test_it_thinks_for_so_long_and_no_longer(thoughtful):
    service = thoughtful(THINKING_TIMEOUT_SECONDS=1.5)
    status, _, answer = service.chat(directive(think=60))
    assert (status, answer["error"]["code"]) == (504, "upstream_timeout")
    assert service.turns(1)[0]["cause"] == "thinking"
    # it lives
    assert service.metric("chat_breaker_state", model="sim") == 0
