"""The reader of the LLM's frames: split anywhere, framed in any of the ways that servers frame."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.chat.events import Usage
from service.errors import ContentFiltered, UpstreamError, UpstreamRateLimited
from service.llm.frames import FrameReader

TEXT = "a\n\nb\u2028c 한글 😀"


def frame(**told):
    return b"data: " + json.dumps(told).encode() + b"\n\n"


def content(text, finish_reason=None):
    return frame(choices=[{"index": 0, "delta": {"content": text}, "finish_reason": finish_reason}])


# a first frame that is lost with a byte order mark, and one that is lost when its lines are torn apart
IN_LINES = b'event: chunk\ndata: {"choices": [{"delta":\ndata: {"content": "%b"}}]}\n\n'
ANSWER = b"".join(
    [
        content(TEXT[0]),
        b": a comment\n\n",
        frame(choices=[{"index": 0, "delta": {"role": "assistant", "content": ""}}]),
        *(content(letter) for letter in TEXT[1:-1]),
        IN_LINES % TEXT[-1].encode(),
        content("", "stop"),
        frame(choices=[], usage={"prompt_tokens": 7, "completion_tokens": 9}),
        b"data: [DONE]\n\n",
    ]
)


def read(pieces):
    """Text, finish reason and usage of what a reader makes of these pieces."""
    reader = FrameReader()
    text, reason, usage = "", None, None
    for piece in pieces:
        chunk = reader.read(piece)
        if chunk is not None:
            text += chunk.text
            reason = chunk.finish_reason or reason
            usage = chunk.usage or usage
    return text, reason, usage


def cut(data, places):
    edges = [0, *sorted({place % len(data) for place in places}), len(data)]
    return [data[one:other] for one, other in pairwise(edges)]


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@given(places=st.lists(st.integers(min_value=0), max_size=30))
def test_an_answer_is_the_same_however_it_is_split_and_framed(newline, bom, places):
    data = bom + ANSWER.replace(b"\n", newline)
    expected = (TEXT, "stop", Usage(7, 9, "reported"))
    assert read(cut(data, places)) == expected
    assert read(data[place : place + 1] for place in range(len(data))) == expected


def test_all_that_has_arrived_is_one_chunk():
    chunk = FrameReader().read(content("one ") + content("two ") + content("three", "stop"))
    assert (chunk.text, chunk.finish_reason) == ("one two three", "stop")


def test_text_before_an_error_is_not_lost():
    reader = FrameReader()
    chunk = reader.read(content("one ") + b"data: {not json\n\n")
    assert chunk.text == "one "
    assert reader.failed
    with pytest.raises(UpstreamError):
        reader.read(b"")


def test_an_emoji_cut_between_its_halves_is_whole_for_a_reader():
    first = rb'data: {"choices":[{"delta":{"content":"\ud83d"}}]}'
    second = rb'data: {"choices":[{"delta":{"content":"\ude00"}}]}'
    text, _, _ = read([first + b"\n\n", second + b"\n\n"])
    assert json.loads(json.dumps(text)) == "😀"


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ({"error": {"message": "no", "code": "content_filter"}}, ContentFiltered),
        ({"error": {"message": "no", "code": "rate_limit_exceeded"}}, UpstreamRateLimited),
        ({"error": {"message": "no"}}, UpstreamError),
        ({"error": "no"}, UpstreamError),
        ({"choices": "no"}, UpstreamError),
        ({"choices": [{"delta": "no"}]}, UpstreamError),
        ({"choices": [{"delta": {"content": 7}}]}, UpstreamError),
        ({"usage": {"prompt_tokens": "many"}}, UpstreamError),
        (["no"], UpstreamError),
    ],
)
def test_what_is_no_answer_is_the_upstreams_failure(told, kind):
    with pytest.raises(kind):
        FrameReader().read(b"data: " + json.dumps(told).encode() + b"\n\n")


def test_a_frame_without_end_does_not_fill_the_memory():
    reader = FrameReader()
    reader.read(b"data: " + b"x" * 65536)
    with pytest.raises(UpstreamError):
        reader.read(b"x" * 5_000_000)


def test_usage_that_leaves_out_the_input_is_none():
    reader = FrameReader()
    chunk = reader.read(content("a", "stop") + frame(choices=[], usage={"completion_tokens": 2}))
    assert (chunk.text, chunk.finish_reason, chunk.usage) == ("a", "stop", None)
    assert not reader.failed


def test_a_finish_reason_is_not_lost_with_what_fails_after_it():
    """Whether both come in one read is up to the network; what the answer is worth is not."""
    reader = FrameReader()
    chunk = reader.read(content("", "stop") + frame(error={"code": "server_error"}))
    assert chunk.finish_reason == "stop"
    assert reader.failed
    with pytest.raises(UpstreamError):
        reader.read(b"")
