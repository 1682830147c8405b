"""The reader of a model's frames: split anywhere, framed in any of the ways that servers frame."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.chat.events import Usage
from service.errors import ContentFiltered, UpstreamError, UpstreamRateLimited
from service.llm.wire.frames import FrameReader
from tests.support.model_server import DONE, choice, fin, frame, text
from tests.unit.llm.wire.frames import Heard, bytewise, cut, heard

TEXT = "a\n\nb\u2028c 한글 😀"

# a first frame that is lost with a byte order mark, and one that is lost when its lines are torn apart
IN_LINES = b'event: chunk\ndata: {"choices": [{"delta":\ndata: {"content": "%b"}}]}\n\n'
ANSWER = b"".join(
    [
        text(TEXT[0]),
        b": a comment\n\n",
        choice({"role": "assistant", "content": ""}),
        *(text(letter) for letter in TEXT[1:-1]),
        IN_LINES % TEXT[-1].encode(),
        text("", "stop"),
        frame({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 9}}),
        DONE,
    ]
)


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@given(places=st.lists(st.integers(min_value=0), max_size=30))
def test_an_answer_is_the_same_however_it_is_split_and_framed(newline, bom, places):
    data = bom + ANSWER.replace(b"\n", newline)
    expected = Heard(TEXT, "stop", usage=Usage(7, 9, "reported"))
    assert heard(cut(data, places)) == expected
    assert heard(bytewise(data)) == expected


def test_all_that_has_arrived_is_one_chunk():
    chunk = FrameReader().read(text("one ") + text("two ") + text("three", "stop"))
    assert (chunk.text, chunk.finish_reason) == ("one two three", "stop")


def test_text_before_an_error_is_not_lost():
    reader = FrameReader()
    chunk = reader.read(text("one ") + b"data: {not json\n\n")
    assert chunk.text == "one "
    assert reader.failed
    with pytest.raises(UpstreamError):
        reader.read(b"")


def test_a_finish_reason_is_not_lost_with_what_fails_after_it():
    """Whether both come in one read is up to the network; what the answer is worth is not."""
    reader = FrameReader()
    chunk = reader.read(text("", "stop") + frame({"error": {"code": "server_error"}}))
    assert (chunk.finish_reason, chunk.provisional) == ("stop", False)
    assert reader.failed
    with pytest.raises(UpstreamError):
        reader.read(b"")


def test_an_emoji_cut_between_its_halves_is_whole_for_a_reader():
    first = rb'data: {"choices":[{"delta":{"content":"\ud83d"}}]}'
    second = rb'data: {"choices":[{"delta":{"content":"\ude00"}}]}'
    said = heard([first + b"\n\n", second + b"\n\n"]).text
    assert json.loads(json.dumps(said)) == "😀"


HELLO = {"choices": [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": None}]}
LINE = json.dumps(HELLO).encode()
END = fin("stop") + DONE

# how servers frame "Hello": all of it is the same answer
FRAMINGS = {
    "as it should be": text("Hello") + END,
    "no blank before data": b"data:" + LINE + b"\n\n" + END,
    "no blank lines": b"data: " + LINE + b"\n" + END.replace(b"\n\n", b"\n"),
    "crlf": (text("Hello") + END).replace(b"\n", b"\r\n"),
    "cr": (text("Hello") + END).replace(b"\n", b"\r"),
    "mixed ends": text("Hello").replace(b"\n", b"\r\n") + END,
    "bom": b"\xef\xbb\xbf" + text("Hello") + END,
    "blanks to keep it alive": b" " + text("Hello") + b"  " + END,
    "strings with their ends": text("Hello") + b"\0" + fin("stop") + b"\0" + DONE + b"\0",
    "a mark before each event": b"".join(b"\xef\xbb\xbf" + each for each in (text("Hello"), fin("stop"), DONE)),
    "ids and retries": b"id: 1\nretry: 100\n" + text("Hello") + b"id: 2\n" + END,
    "event names": b"event: message\n" + text("Hello") + b"event: message\n" + END,
    "pings": b'event: ping\ndata: {"type": "ping"}\n\n' + text("Hello") + b"event: ping\ndata: 12:00\n\n" + END,
    "comments": b": OPENROUTER PROCESSING\n\n:\n\n" + text("Hello") + b": keep-alive\n\n" + END,
    "blank data": b"data:\n\ndata: \n\n" + text("Hello") + b"data: null\n\n" + END,
    "many blank lines": b"\n\n\n" + text("Hello") + b"\n\n\n" + END,
    "two lines of data": b'data: {"choices":[{"delta":\ndata: {"content":"Hello"}}]}\n\n' + END,
    "no end mark": text("Hello") + fin("stop"),
    "last event without its blank line": text("Hello") + fin("stop")[:-2],
    "last event is the text": (text("Hello", "stop"))[:-2],
    "end mark without its blank line": text("Hello") + fin("stop") + b"data: [DONE]",
    "end mark in lower case": text("Hello") + fin("stop") + b"data: [done]\n\n",
    "end mark bare": text("Hello") + fin("stop") + b"[DONE]\n",
    "end mark without a blank": text("Hello") + fin("stop") + b"data:[DONE]\n\n",
    "after the end mark": text("Hello") + END + text(" and more") + fin("length"),
    "garbage after the end mark": text("Hello") + END + b"data: {oops\n\n",
    "error after the end mark": text("Hello") + END + frame({"error": {"code": 500}}),
    "a line for each frame, no data:": LINE + b"\n" + b'{"choices":[{"delta":{},"finish_reason":"stop"}]}\n',
    "unknown fields": b"foo: bar\n" + text("Hello") + END,
    "raw tab in a string": b'data: {"choices":[{"delta":{"content":"Hel\tlo"}}]}\n\n'.replace(b"\t", b"") + END,
}  # fmt: skip


@pytest.mark.parametrize("data", FRAMINGS.values(), ids=FRAMINGS)
def test_how_an_answer_is_framed_does_not_matter(data):
    assert heard([data])[:2] == ("Hello", "stop")
    assert heard([data]).error is None
    assert heard(bytewise(data)) == heard([data])


# a whole completion although a stream was asked for
WHOLE = {
    "in one line": json.dumps,
    "in many lines": lambda value: json.dumps(value, indent=2),
    "after blanks": lambda value: "\n\n   \n" + json.dumps(value),
    "with an end": lambda value: json.dumps(value) + "\n",
    "in a list": lambda value: json.dumps([value]),
}


@pytest.mark.parametrize("written", WHOLE.values(), ids=WHOLE)
@pytest.mark.parametrize("reason", ["stop", None, "STOP", "eos"])
def test_a_whole_completion_instead_of_a_stream(written, reason):
    message = {"role": "assistant", "content": "Hello", "reasoning_content": "hm"}
    completion = {
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 1},
    }
    data = written(completion).encode()
    expected = Heard("Hello", "stop", "hm", Usage(7, 1, "reported"))
    assert heard([data]) == expected
    assert heard(bytewise(data)) == expected


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        ({"error": {"message": "no", "code": "content_filter"}}, ContentFiltered),
        ({"error": {"message": "no", "code": "rate_limit_exceeded"}}, UpstreamRateLimited),
        ({"error": {"message": "no"}}, UpstreamError),
        ({"error": "no"}, UpstreamError),
        ({"choices": "no"}, UpstreamError),
        ({"choices": {"0": {}}}, UpstreamError),
        ({"choices": [5]}, UpstreamError),
        ({"choices": [{"delta": "no"}]}, UpstreamError),
        ({"choices": [{"delta": {"content": 7}}]}, UpstreamError),
        ({"choices": [{"delta": {"tool_calls": {}, "content": {"a": 1}}}]}, None),
        ({"choices": [{"delta": {"tool_calls": 5}}]}, UpstreamError),
        (["no"], UpstreamError),
        (5, UpstreamError),
        ("no", UpstreamError),
    ],
)
def test_what_is_no_answer_is_the_upstreams_failure(sent, kind):
    reader = FrameReader()
    if kind is None:
        assert reader.read(frame(sent)) is None
        return
    with pytest.raises(kind):
        reader.read(frame(sent))


@pytest.mark.parametrize("content", [0, 0.0, False, 7])
@pytest.mark.parametrize("more", [{}, {"reasoning_content": "hm"}, {"refusal": "no"}])
@pytest.mark.parametrize("reason", [None, "stop", "tool_calls"])
def test_a_number_as_content_is_malformed_whatever_it_is_and_whatever_is_beside_it(
    content, more, reason
):
    with pytest.raises(UpstreamError):
        FrameReader().read(choice({"role": "assistant", "content": content, **more}, reason))


FAILURE = {"message": "too long", "type": "BadRequestError", "code": 400}
# how servers say within a stream that they failed: all of it is a refusal of this request
IN_BAND = {
    "error": frame({"error": FAILURE}),
    "code as text": frame({"error": FAILURE | {"code": "400"}}),
    "no inner object": frame({"object": "error", **FAILURE}),
    "type error": frame({"type": "error", "error": FAILURE}),
    "error line": b"error: " + json.dumps(FAILURE).encode() + b"\n\n",
    "error line around an error": b"error: " + json.dumps({"error": FAILURE}).encode() + b"\n\n",
    "error line unfinished": b"error: " + json.dumps(FAILURE).encode(),
    "error event": b"event: error\n" + frame(FAILURE),
    "error event around an error": b"event: error\n" + frame({"error": FAILURE}),
    "error event in lines": b'event: error\ndata: {"code":\ndata: 400}\n\n',
    "bare body": json.dumps({"error": FAILURE}).encode(),
    "bare body, no inner object": json.dumps(FAILURE).encode(),
    "bare body in many lines": json.dumps({"error": FAILURE}, indent=2).encode(),
    "bare body in a list": json.dumps([{"error": FAILURE}]).encode(),
    "bare line after comments": b": hold on\n\n" + json.dumps({"error": FAILURE}).encode() + b"\n",
    "empty choices": frame({"choices": [], "error": FAILURE}),
    "in the choice": choice({}, "error", error=FAILURE),
    "in the choice, no reason": choice({"content": ""}, None, error=FAILURE),
    "text beside a status": frame({"error": "too long", "status": 400}),
    "status code": frame({"detail": "too long", "status_code": 400}),
    "code alone": frame({"code": 400, "msg": "too long"}),
    "fastapi": frame({"detail": [{"type": "missing"}], "code": 400}),
    "null choices": frame({"choices": None, "code": "400", "message": "too long"}),
}


@pytest.mark.parametrize("data", IN_BAND.values(), ids=IN_BAND)
@pytest.mark.parametrize("before", ["", "Hel"])
def test_a_failure_within_a_stream(data, before):
    if before and data[:1] in (b"{", b"["):
        before = ""
    data = (text(before) if before else b"") + data
    for pieces in ([data], bytewise(data)):
        assert heard(pieces)[:2] == (before, None)
        assert heard(pieces).error == "upstream_invalid_request"


@pytest.mark.parametrize(
    "empty",
    [
        None,
        {},
        "",
        False,
        {"message": "", "type": "", "code": None},
        {"code": 0, "message": "success"},
    ],
)
def test_an_empty_error_in_each_frame_is_none(empty):
    said = frame(HELLO | {"error": empty}) + fin("stop")
    assert heard([said]) == Heard("Hello", "stop")


@pytest.mark.parametrize(
    "value",
    [
        {"type": "ping"},
        {"status": "queued", "position": 3},
        {"choices": []},
        {"choices": None},
        {"object": "chat.completion.chunk"},
        {"choices": [], "prompt_filter_results": [{"content_filter_results": {}}]},
        {"choices": [{"index": 0, "finish_reason": None, "content_filter_offsets": {}}]},
        {"choices": [{"index": 0, "delta": None}]},
        {"choices": [None]},
        {"message": "please wait"},
        {"base_resp": {"status_code": 0, "status_msg": ""}},
        {},
    ],
)
def test_what_says_nothing_is_passed_over(value):
    assert heard([frame(value) + text("Hello") + frame(value) + END])[:2] == ("Hello", "stop")


@pytest.mark.parametrize("data", [b"[[[]]]", b"[ping", b"null]", b"[[ping]]"])
def test_what_only_resembles_a_ping_is_malformed(data):
    assert heard([b"data: " + data + b"\n\n" + text("Hello")]).error == "upstream_error"


@pytest.mark.parametrize("data", [b"[PING]", b"pong", b"null", b'""', b": hold on"])
def test_a_ping_is_passed_over(data):
    assert heard([b"data: " + data + b"\n\n" + text("Hello") + END])[:2] == ("Hello", "stop")


def test_other_choices_are_not_ours():
    other = {"index": 1, "delta": {"content": "no"}, "finish_reason": "length"}
    ours = {"index": 0, "delta": {"content": "yes"}, "finish_reason": None}
    said = frame({"choices": [other, ours]}) + frame({"choices": [other]}) + fin("stop")
    assert heard([said]) == Heard("yes", "stop")


def test_a_line_without_end_does_not_fill_the_memory():
    reader = FrameReader()
    reader.read(b"data: " + b"x" * 65536)
    with pytest.raises(UpstreamError):
        reader.read(b"x" * 5_000_000)


@pytest.mark.parametrize(
    "data", [b": hold on\n\n", b"data: x\n", b"data: {}\n\n", b"{\n", b"event: ping\n\n", b"\n"]
)
def test_a_stream_that_never_says_anything_comes_to_an_end(data):
    much = [data * (100_000 // len(data))] * 100
    assert heard(much, whole=False).error == "upstream_error"


def test_a_frame_fed_by_bytes_costs_no_more_than_its_length():
    """Each byte must not copy what came before it."""
    reader = FrameReader()
    reader.read(b'data: {"a":"' + b"x" * 2_000_000)
    for _ in range(200_000):
        reader.read(b"x")
    assert reader.read(b'"}\n\n' + text("Hello")).text == "Hello"


@pytest.mark.parametrize("depth", [900, 2_000, 100_000])
@pytest.mark.parametrize("lines", [1, 2])
def test_json_without_a_bottom_is_malformed(depth, lines):
    deep = b"[" * depth + b"]" * depth
    data = b'data: {"choices":[],%b"deep":' % (b"\ndata: " if lines == 2 else b"") + deep + b"}\n\n"
    expected = Heard("Hello", "stop") if depth < 1000 else Heard(error="upstream_error")
    assert heard([data + text("Hello") + fin("stop")]) == expected
    assert heard([deep]).error == "upstream_error"


def test_what_was_cut_off_in_the_middle_is_not_what_failed():
    """The connection broke: that is the failure, not the half of a frame that it left."""
    assert heard([text("Hello") + text(" world")[:-9]], whole=False) == Heard("Hello")
    assert heard([text("Hello") + fin("stop")[:-1]], whole=False) == Heard("Hello", "stop")
    assert heard([text("Hello") + text(" world")[:-9]], whole=True).error == "upstream_error"
