"""The SSE encoder, read back by a WHATWG-conformant parser: every event arrives as it was meant."""

import json
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service import errors
from service.chat.events import Done, Failed, Restart, Start, Token, Usage
from service.web import sse
from tests.support.contract import KINDS
from tests.support.sse import Parser

REQUEST_ID = "request-7"
# in Python two surrogates may stand side by side and be no pair; in JSON they are one
PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
# lone surrogates too: an LLM's broken escape must not break the stream
ANY_TEXT = st.text(st.characters(exclude_categories=())).filter(lambda text: not PAIR.search(text))
TEXTS = ANY_TEXT | st.sampled_from(
    ["", "a\n\nb", "\r\n", "\u2028\u2029\x85", "\x00\x1f\x7f", "\ud800", "한글 😀", '"\\', "[DONE]"]
)
COUNTS = st.integers(0, 10**9)
USAGES = st.builds(
    Usage, COUNTS, COUNTS, st.sampled_from(["reported", "estimated"]), st.none() | COUNTS
)
COSTS = st.none() | st.floats(0, 1e6, allow_nan=False)
ERRORS = st.builds(
    lambda kind, details: kind(details=tuple(details)),
    st.sampled_from(KINDS),
    st.lists(st.builds(errors.Detail, TEXTS, TEXTS), max_size=3),
)
EVENTS = st.one_of(
    st.builds(Token, TEXTS),
    st.builds(Start, TEXTS, TEXTS),
    st.builds(Restart, TEXTS, TEXTS),
    st.builds(Done, TEXTS, TEXTS, USAGES, COSTS),
    st.builds(Failed, ERRORS),
)
USAGE = Usage(3, 5, "reported")


def read(frames, size=None):
    parser = Parser()
    pieces = (
        [frames] if size is None else [frames[at : at + size] for at in range(0, len(frames), size)]
    )
    return [event for piece in pieces for event in parser.feed(piece)]


def meant(event):
    """Name and data of an event, in the contract's words."""
    match event:
        case Token(text):
            return "token", {"text": text}
        case Start(request_id, model):
            return "start", {"request_id": request_id, "model": model}
        case Restart(reason, model):
            return "restart", {"reason": reason, "model": model}
        case Done(finish_reason, model, usage, cost):
            told = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
            told["source"] = usage.source
            if usage.cached_input_tokens is not None:
                told["cached_input_tokens"] = usage.cached_input_tokens
            how = {"finish_reason": finish_reason, "model": model}
            return "done", {**how, "usage": told, "cost_usd": cost}
        case Failed(error):
            details = [{"field": one.field, "reason": one.reason} for one in error.details]
            return "error", {
                "code": error.code,
                "message": error.message,
                "request_id": REQUEST_ID,
                "retryable": error.retryable,
                **({"details": details} if details else {}),
            }


@given(st.lists(st.none() | EVENTS, max_size=8), st.integers(1, 50))
def test_any_events_arrive_as_meant_split_anywhere(events, size):
    frames = b"".join(sse.PING if e is None else sse.encode(e, REQUEST_ID) for e in events)
    expected = []
    for event in events:
        if event is not None:
            expected.append(meant(event))
            if isinstance(event, Done | Failed):
                expected.append(("message", "[DONE]"))
    for arrived in (read(frames), read(frames, size)):
        told = [
            (event.name, event.data if event.data == "[DONE]" else event.json())
            for event in arrived
        ]
        assert told == expected


@given(EVENTS)
def test_data_is_one_line(event):
    frame = sse.encode(event, REQUEST_ID)
    first, *_ = frame.split(b"\n\n")
    name, data = first.split(b"\n")
    assert name.startswith(b"event: ")
    assert data.startswith(b"data: {")
    # readers that split where Python or Unicode sees a line end see the same lines
    assert len(frame.decode().splitlines()) == frame.count(b"\n")


@given(TEXTS)
def test_a_token_is_encoded_alike_by_both_doors(text):
    assert sse.token(text) == sse.encode(Token(text), REQUEST_ID)
    (event,) = read(sse.token(text))
    assert event.json()["text"] == text


@pytest.mark.parametrize("event", [Done("stop", "m", USAGE, None), Failed(errors.Internal())])
def test_a_last_event_brings_done_for_openai_style_readers(event):
    assert sse.encode(event, REQUEST_ID).endswith(b"}\n\ndata: [DONE]\n\n")


@pytest.mark.parametrize("event", [Start("r", "m"), Token("a"), Restart("upstream_error", "m")])
def test_no_other_event_does(event):
    assert b"[DONE]" not in sse.encode(event, REQUEST_ID)


def test_a_heartbeat_is_a_comment():
    parser = Parser()
    assert parser.feed(sse.PING + sse.PING) == []
    assert parser.comments == [" ping", " ping"]


@pytest.mark.parametrize("cost", [math.nan, math.inf])
def test_a_number_that_json_has_not_is_refused(cost):
    with pytest.raises(ValueError, match=r"nan|inf"):
        sse.encode(Done("stop", "m", USAGE, cost), REQUEST_ID)


def test_cached_tokens_are_told_only_where_known():
    unknown = json.dumps(sse.usage(USAGE))
    assert "cached" not in unknown
    assert sse.usage(Usage(3, 5, "reported", 0))["cached_input_tokens"] == 0


def test_proxies_are_told_to_pass_the_stream_on_unchanged():
    assert sse.HEADERS["Content-Type"] == "text/event-stream; charset=utf-8"
    assert sse.HEADERS["X-Accel-Buffering"] == "no"
    assert "no-transform" in sse.HEADERS["Cache-Control"]
