"""Whatever a server writes is an answer or a failure of the server, and the same one however it is split.

FUZZ_CASES: how many cases each test tries.
"""

import json
import os
import time

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.errors import ChatError
from service.llm.wire.errors import of_frame, of_response
from tests.support.model_server import DONE, choice, fin, frame, text, thinks, usage
from tests.unit.llm.wire.frames import cut, heard

CASES = int(os.environ.get("FUZZ_CASES", 3 * settings.default.max_examples))
fuzz = settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))

REASONS = st.sampled_from(
    [
        "stop",
        "STOP",
        "length",
        "error",
        "SAFETY",
        "tool_calls",
        "",
        None,
        1,
        {"type": "stop"},
        ["stop"],
    ]
)
WORDS = st.sampled_from(
    [
        "Hello",
        "",
        "<think>",
        "</think>",
        "한글 😀",
        "\ud83d",
        "\ude00",
        "\n\n",
        "[DONE]",
        None,
        7,
        ["a"],
    ]
)
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | WORDS | REASONS
)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
FIELDS = ["choices", "delta", "message", "content", "text", "error", "usage", "code", "finish_reason", "index",
 "detail",
          "tool_calls", "function_call", "refusal", "reasoning", "prompt_tokens", "completion_tokens", "type", "object",
          "x_groq", "base_resp", "promptFeedback", "status", "success", "loc", "param"]  # fmt: skip
SHAPED = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4)
    ),
    max_leaves=12,
)
FRAMES = st.one_of(
    st.builds(text, WORDS, REASONS),
    st.builds(fin, REASONS),
    st.builds(thinks, WORDS),
    st.builds(choice, SHAPED, REASONS),
    st.builds(lambda count: usage(prompt_tokens=count, completion_tokens=count), SCALARS),
    st.builds(frame, SHAPED | JSON),
    st.builds(lambda value: b"event: error\n" + frame(value), SHAPED),
    st.builds(lambda value: b"error: " + json.dumps(value).encode() + b"\n\n", SHAPED),
    st.builds(lambda value: json.dumps(value).encode() + b"\n", SHAPED),
    st.builds(lambda value: json.dumps(value, indent=1).encode(), SHAPED),
    st.sampled_from([
        DONE, b": ping\n\n", b"event: ping\ndata: x\n\n", b"\r\n", b"\r", b"\n", b"data:\n", b"data: {",
         b"data: 5\n\n", b"\xef\xbb\xbf",
        b'data: {"choices":[{"delta":\ndata: {"content":"Hello"}}]}\n\n',
         b'data: {"choices": [{"delta": {"content": "\xff"}}]}\n\n',
    ]),
)  # fmt: skip


def check(data, places, strip):
    whole = heard([data], strip_think_tags=strip) if data else heard([], strip_think_tags=strip)
    if data:
        assert heard(cut(data, places), strip_think_tags=strip) == whole
    assert whole.finish_reason in {
        None,
        "stop",
        "length",
        "tool_calls",
        "refusal",
        "content_filter",
    }
    heard([data], whole=False, strip_think_tags=strip)


STRIPPED = st.sampled_from(["false", "true", "unopened"])
PLACES = st.lists(st.integers(min_value=0, max_value=5000), max_size=40)


@fuzz
@given(st.binary(max_size=400), PLACES, STRIPPED)
def test_any_bytes(data, places, strip):
    check(data, places, strip)


@fuzz
@given(st.lists(FRAMES, max_size=8), PLACES, STRIPPED)
def test_any_frames(frames, places, strip):
    check(b"".join(frames), places, strip)


@fuzz
@given(
    st.lists(FRAMES, min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(0, 4000), st.sampled_from([b"", b"\n", b"\r", b'"', b"{", b"}", b"[", b"\\", b":",
     b"\x00", b"\xff"])),
             min_size=1, max_size=6),
    PLACES,
)  # fmt: skip
def test_frames_with_a_few_bytes_wrong(frames, faults, places):
    data = b"".join(frames)
    for place, fault in faults:
        at = place % (len(data) + 1)
        data = data[:at] + fault + data[at + 1 :]
    check(data, places, strip="false")


@fuzz
@given(SHAPED | JSON, st.integers(300, 599))
def test_any_error_is_one_of_ours(value, status):
    began = time.process_time()
    assert isinstance(of_frame(value), ChatError)
    assert isinstance(of_response(status, {}, json.dumps(value).encode()), ChatError)
    assert time.process_time() - began < 1


VOCABULARY = """account usage policy model not found max_tokens is 4096 tokens > 8192 `stop` context length of
    unsupported value: temperature input content flagged ( [ ' " api key limit 1,000"""


@fuzz
@given(st.lists(st.sampled_from(VOCABULARY.split()), max_size=600))
def test_no_sentence_takes_long_to_read(words):
    began = time.process_time()
    of_frame({"error": " ".join(words)})
    of_response(400, {}, "".join(words).encode())
    assert time.process_time() - began < 1
