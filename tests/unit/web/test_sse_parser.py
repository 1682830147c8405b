"""The tests' own reader of event streams keeps WHATWG's rules."""

import itertools
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.sse import Event, Parser

LINES = [
    *(
        b"data",
        b"data:x",
        b"data:  y ",
        b"data: a:b",
        "data: 한😀\u2028\x85".encode(),
        b"data: \xff\xed",
    ),
    *(b"event: e", b"event:", b"id: 7", b"id", b"id: \0", b"retry: 7", b"retry: 7s", b"other: x"),
    *(b": comment", b":", b"\xef\xbb\xbfdata: b", b" data: z"),
]
BLANK = [b"\n\n", b"\r\r", b"\r\n\r\n", b"\r\n\n", b"\n\r"]
ENDS = [b"\n", b"\r", b"\r\n", *BLANK]


class ByTheStandard:
    """WHATWG HTML, "Interpreting an event stream", sentence by sentence, on a whole body."""

    def __init__(self, body: bytes) -> None:
        self.events: list[Event] = []
        self.retry: int | None = None
        self.data = self.event_type = self.last_event_id = ""
        text = body.decode("utf-8", "replace").removeprefix("\ufeff")
        for line in re.split("\r\n|\n|\r", text)[:-1]:
            if line == "":
                self.dispatch()
            elif line[0] != ":":
                name, value = re.fullmatch("([^:]*)(?:: ?(.*))?", line, re.DOTALL).groups("")
                self.process(name, value)

    def process(self, name: str, value: str) -> None:
        if name == "event":
            self.event_type = value
        elif name == "data":
            self.data += value + "\n"
        elif name == "id" and "\0" not in value:
            self.last_event_id = value
        elif name == "retry" and re.fullmatch("[0-9]+", value):
            self.retry = int(value)

    def dispatch(self) -> None:
        if self.data:
            name = self.event_type or "message"
            self.events.append(Event(name, self.data.removesuffix("\n"), self.last_event_id))
        self.data = self.event_type = ""


def parse(*pieces: bytes) -> list[Event]:
    parser = Parser()
    return [event for piece in pieces for event in parser.feed(piece)]


@settings(max_examples=5 * settings.default.max_examples)
@given(
    st.lists(st.sampled_from(LINES) | st.sampled_from(ENDS), max_size=40).map(b"".join), st.data()
)
def test_any_body_split_anywhere_is_read_as_the_standard_says(body, data):
    every = st.just(list(range(len(body))))
    cuts = data.draw(every | st.lists(st.integers(0, len(body)), max_size=10))
    edges = sorted([0, *cuts, len(body)])
    parser = Parser()
    pieces = [body[start:end] for start, end in itertools.pairwise(edges)]
    events = [event for piece in pieces for event in parser.feed(piece)]
    expected = ByTheStandard(body)
    assert (events, parser.retry_ms) == (expected.events, expected.retry)


@pytest.mark.parametrize(
    ("body", "events"),
    [
        (b"data: YHOO\ndata: +2\ndata: 10\n\n", [("message", "YHOO\n+2\n10", "")]),
        (
            b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
            [
                ("message", "first event", "1"),
                ("message", "second event", ""),
                ("message", " third event", ""),
            ],
        ),
        (b"data\n\ndata\ndata\n\ndata:", [("message", "", ""), ("message", "\n", "")]),
        (b"data:test\n\ndata: test\n\n", [("message", "test", ""), ("message", "test", "")]),
        (
            b"event: add\ndata: 7\n\nevent: add\n\ndata: 8\n\n",
            [("add", "7", ""), ("message", "8", "")],
        ),
        (b"id: 1\n\nid: 2\0\ndata: a\n\n", [("message", "a", "1")]),
        (b"\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n", [("message", "a", "")]),
        (b"data: never dispatched\n", []),
    ],
)
def test_the_standards_own_examples(body, events):
    assert parse(body) == [Event(*event) for event in events]
    assert parse(*(body[at : at + 1] for at in range(len(body)))) == [Event(*e) for e in events]


def test_the_reconnection_time_is_digits_only():
    parser = Parser()
    parser.feed(b"retry: 10\nretry: 5 \nretry: +7\nretry: \nretry\n")
    assert parser.retry_ms == 10


def test_a_long_line_in_small_pieces_takes_linear_time():
    def seconds(size):
        piece = b"data: " + b"x" * size
        parser, began = Parser(), time.process_time()
        for at in range(0, size, 10):
            parser.feed(piece[at : at + 10])
        return time.process_time() - began

    seconds(1000)
    assert seconds(1_600_000) < 50 * max(seconds(100_000), 0.01)
