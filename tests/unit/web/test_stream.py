"""The body of a streamed answer: what is held, what is committed, and when a heartbeat is due."""

from functools import partial

import pytest

from service.chat.events import TICK, Done, Failed, Restart, Start, Thinking, Token, Usage
from service.errors import UpstreamError
from service.web import sse
from service.web.context import Connection
from service.web.stream import Heartbeat, Held, StreamBody
from service.web.thinking import ThinkingEvents
from tests.support.sse import Parser

START = Start("request-7", "small")
DONE = Done("stop", "small", Usage(1, 2, "reported"), None)


class Turn:
    """Plays events; a number is seconds that pass."""

    def __init__(self, *script) -> None:
        self.now = 0.0
        self.closed = 0
        self._script = iter(script)

    def __iter__(self):
        return self

    def __next__(self):
        for step in self._script:
            if not isinstance(step, float):
                return step
            self.now += step
        raise StopIteration

    def close(self) -> None:
        self.closed += 1

    def clock(self) -> float:
        return self.now


def held(turn, hold_seconds=3, *, show=False):
    return Held(turn, hold_seconds, ThinkingEvents(turn.clock, show=show), turn.clock)


def body(turn, connection=None, streams=None, heartbeat_seconds=10, *, show=False):
    return StreamBody(
        held(turn, show=show),
        partial(sse.encode, request_id="request-7"),
        connection or Connection(None),
        set() if streams is None else streams,
        Heartbeat(heartbeat_seconds, turn.clock),
    )


def told(frames):
    events, comments = parsed(frames)
    return [event.name for event in events], comments


def parsed(frames):
    parser = Parser()
    events = [event for frame in frames for event in parser.feed(frame)]
    return events, len(parser.comments)


@pytest.mark.parametrize("first", [Token("a"), DONE, Failed(UpstreamError())])
def test_the_hold_ends_with_the_first_that_is_no_tick(first):
    turn = held(Turn(START, 1.0, TICK, 1.0, TICK, first, Token("later")))
    assert (turn.start, turn.first) == (START, first)


def test_the_hold_ends_in_time():
    turn = held(Turn(START, 2.0, TICK, 1.0, TICK, Token("later")))
    assert (turn.start, turn.first) == (START, TICK)


def test_a_failure_without_a_start_is_held_too():
    turn = held(Turn(Failed(UpstreamError())))
    assert turn.start is None
    assert isinstance(turn.first, Failed)


def test_a_caller_who_left_leaves_nothing_to_say():
    assert held(Turn(START, TICK)).first is None


def test_without_a_hold_the_first_tick_commits():
    assert held(Turn(START, TICK, Token("a")), hold_seconds=0).first is TICK


def test_the_first_frame_carries_start_and_what_was_held():
    frames = list(body(Turn(START, Token("a"), Token("b"), DONE)))
    assert told(frames[:1]) == (["start", "token"], 0)
    assert told(frames) == (["start", "token", "token", "done", "message"], 0)


def test_a_stream_without_content_begins_with_a_heartbeat():
    frames = list(body(Turn(START, 3.0, TICK, Token("a"), DONE)))
    assert told(frames[:1]) == (["start"], 1)


def test_heartbeats_come_while_nothing_else_flows():
    seconds = [step for _ in range(100) for step in (0.25, TICK)]
    quiet = list(body(Turn(START, Token("a"), *seconds, DONE)))
    assert told(quiet) == (["start", "token", "done", "message"], 2)
    talkative = [step for _ in range(100) for step in (0.25, TICK, Token("x"))]
    assert told(list(body(Turn(START, Token("a"), *talkative, DONE))))[1] == 0


def thought(seconds, text="hm "):
    """A model that thinks aloud all the time."""
    return [step for _ in range(int(seconds * 10)) for step in (0.1, Thinking(text))]


def test_thinking_does_not_end_the_hold_before_its_time():
    thinks = thought(2)
    assert held(Turn(START, *thinks, Failed(UpstreamError()))).first.error.code == "upstream_error"
    assert held(Turn(START, *thinks, Token("a"))).first == Token("a")
    assert isinstance(held(Turn(START, *thought(4))).first, Thinking)


def test_thinking_is_told_once_a_second_without_its_text():
    events, comments = parsed(body(Turn(START, *thought(23), Token("a"), *thought(5), DONE)))
    names = [event.name for event in events]
    assert names[:2] == ["start", "thinking"]
    # three of the 28 seconds were held
    assert 22 <= names.count("thinking") <= 25
    assert comments == 0
    assert {event.data for event in events if event.name == "thinking"} == {"{}"}


def test_the_text_of_thinking_is_told_whole_and_in_its_place_where_it_is_shown():
    script = [*thought(4.5), Token("a"), *thought(0.3, "oh "), Restart("upstream_error", "m"), DONE]
    events, _ = parsed(body(Turn(START, *script), show=True))
    seen = [(e.name, e.json().get("text")) for e in events[:-1]]
    kinds = [kind for kind, _ in seen]
    assert kinds == ["start", *["thinking"] * 3, "token", "thinking", "restart", "done"]
    texts = [text for kind, text in seen if kind == "thinking"]
    assert ["".join(texts[:3]), texts[3]] == ["hm " * 45, "oh " * 3]


def test_heartbeats_go_on_while_a_model_thinks_unseen():
    seconds = [step for _ in range(180) for step in (0.25, TICK)]
    assert told(body(Turn(START, *seconds, Token("a"), DONE)))[1] == 5


def test_closing_ends_the_turn_even_if_nothing_was_ever_read():
    turn, streams, connection = Turn(START, Token("a")), set(), Connection(None)
    stream = body(turn, connection, streams)
    assert streams == {connection}
    stream.close()
    assert turn.closed == 1
    assert streams == set()


def test_a_write_is_under_way_from_one_frame_to_the_next():
    """What the drain looks at to cut a caller who does not read."""
    turn, connection = Turn(START, Token("a"), 5.0, Token("b"), DONE), Connection(None)
    stream = body(turn, connection)
    assert connection.writing_since is None
    next(stream)
    assert connection.writing_since == 0
    next(stream)
    assert connection.writing_since == 5
    next(stream)
    with pytest.raises(StopIteration):
        next(stream)
    assert connection.writing_since is None
