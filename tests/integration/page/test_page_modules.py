"""The page's modules by their tables, run in the browser that uses them."""

import pytest

from tests.support.chat_page import ChatPage

PARSE = """({ SseParser }, pieces) => {
  const parser = new SseParser();
  const events = pieces.flatMap((piece) => parser.push(Uint8Array.from(piece)));
  return events.map(({ type, data, id }) => [type, data, id]);
}"""
# name: (bytes, events as (type, data, id)); most are the standard's own examples or rules
STREAMS = {
    "one line of data": (b"data: hello\n\n", [("message", "hello", "")]),
    "the standard's stock example": (
        b"data: YHOO\ndata: +2\ndata: 10\n\n",
        [("message", "YHOO\n+2\n10", "")],
    ),
    "the standard's ids example": (
        b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
        [
            ("message", "first event", "1"),
            ("message", "second event", ""),
            ("message", " third event", ""),
        ],
    ),
    "the standard's empty data example": (
        b"data\n\ndata\ndata\n\ndata:",
        [("message", "", ""), ("message", "\n", "")],
    ),
    "the standard's space example": (
        b"data:test\n\ndata: test\n\n",
        [("message", "test", ""), ("message", "test", "")],
    ),
    "CR": (b"event: token\rdata: a\r\rdata: b\r\r", [("token", "a", ""), ("message", "b", "")]),
    "CRLF": (b"event: token\r\ndata: a\r\n\r\n", [("token", "a", "")]),
    "all line ends mixed": (b"data: a\rdata: b\r\ndata: c\n\r\n", [("message", "a\nb\nc", "")]),
    "CR and LF that do not belong together": (
        b"data: a\n\r\ndata: b\r\r",
        [("message", "a", ""), ("message", "b", "")],
    ),
    "a byte order mark": (b"\xef\xbb\xbfdata: a\n\n", [("message", "a", "")]),
    "only the first mark is dropped": (
        b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\ndata: b\n\n",
        [("message", "b", "")],
    ),
    "comments": (b": ping\n\ndata: a\n: in between\ndata: b\n\n:\n\n", [("message", "a\nb", "")]),
    "an event without data": (b"event: done\n\ndata: a\n\n", [("message", "a", "")]),
    "the type does not last": (
        b"event: x\ndata: a\n\ndata: b\n\n",
        [("x", "a", ""), ("message", "b", "")],
    ),
    "the last type counts": (b"event: x\nevent: y\ndata: a\n\n", [("y", "a", "")]),
    "unknown fields": (
        b"retry: 10\nfoo: bar\ndata: a\nDATA: b\n data: c\n\n",
        [("message", "a", "")],
    ),
    "a colon in the value": (b"data: a: b\n\n", [("message", "a: b", "")]),
    "an id with NUL": (
        b"id: 1\ndata: a\n\nid: 2\x00\ndata: b\n\n",
        [("message", "a", "1"), ("message", "b", "1")],
    ),
    "no blank line at the end": (b"data: a\n\ndata: b\n", [("message", "a", "")]),
    "separators of Unicode are text": (
        "data: a\u2028b\u2029c\u0085d\x0be\x0c\n\n".encode(),
        [("message", "a\u2028b\u2029c\u0085d\x0be\x0c", "")],
    ),
    "Korean and emoji": ("data: 한글 😀 👨‍👩‍👧\n\n".encode(), [("message", "한글 😀 👨‍👩‍👧", "")]),
    "invalid UTF-8": (b"data: \xff\xed\x95\n\n", [("message", "\ufffd\ufffd", "")]),
    "nothing": (b"", []),
}
COSTS = [
    (None, "no price"),
    (0, "$0"),
    (4e-7, "< $0.000001"),
    (0.00000123, "$0.0000012"),
    (0.0000753, "$0.000075"),
    (0.0421, "$0.042"),
    (0.1, "$0.1"),
    (1.5, "$1.50"),
    (1234.567, "$1,234.57"),
]


@pytest.fixture(scope="module")
def page(browser, service):
    """One for all tables: they leave nothing behind."""
    with browser.new_context() as context:
        yield ChatPage(context.new_page(), service.url)


@pytest.mark.parametrize("name", STREAMS)
def test_the_event_stream_is_read_as_the_standard_says(page, name):
    sent, events = STREAMS[name]
    whole = page.module("sse.js", PARSE, [list(sent)])
    assert [tuple(event) for event in whole] == events


def test_the_event_stream_is_read_alike_however_it_is_split(page):
    for name, (sent, events) in STREAMS.items():
        bytes_alone = [[byte] for byte in sent]
        for pieces in [
            bytes_alone,
            *([list(sent[:at]), [], list(sent[at:])] for at in range(len(sent))),
        ]:
            read = [tuple(event) for event in page.module("sse.js", PARSE, pieces)]
            assert read == events, (name, pieces)


@pytest.mark.parametrize(("usd", "shown"), COSTS)
def test_costs_can_be_read(page, usd, shown):
    script = "async ({ formatCost }, usd) => formatCost(usd, { noPrice: 'no price' })"
    assert page.module("figures.js", script, usd) == shown
