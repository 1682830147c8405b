"""How an answer ends, in each server's words: one vocabulary for callers, logs and metrics."""

import pytest

from service.llm.wire.finish import finish_reason
from tests.support.model_server import DONE, choice, fin, text, thinks
from tests.unit.llm.wire.frames import bytewise, heard

WORDS = {
    "stop": ["stop", "STOP", "eos", "EOS", "eos_token", "end_turn", "stop_sequence", "complete", "COMPLETE",
     "completed",
             "FinishReason.STOP", "FINISH_REASON_STOP", "stop: \\n\\n", "banana", "something else",
             "room", "zoom", "gateway_stop", "resource_end", "busy_end", "forbidden_tokens_hit", "blocked_stop"],
    "length": ["length", "MAX_TOKENS", "max_tokens", "model_length", "FinishReason.MAX_TOKENS", "max_output_tokens",
               "model_context_window_exceeded", "Length"],
    "content_filter": ["content_filter", "content-filter", "SAFETY", "RECITATION", "PROHIBITED_CONTENT", "BLOCKLIST",
                       "SPII", "LANGUAGE", "IMAGE_SAFETY", "content_filter: SAFETY", "sensitive", "content_filtered",
                       "guardrail_intervened", "ERROR_TOXIC", "MODEL_ARMOR",
                       "forbidden", "input_blocked", "prompt_blocked", "blocked_content"],
    "tool_calls": ["tool_calls", "tool-calls", "tool_call", "tool_use", "function_call", "TOOL_CALLS"],
    "refusal": ["refusal"],
    "failed": ["abort", "error", "insufficient_system_resource", "network_error", "cancelled", "ERROR", "timeout",
               "MALFORMED_FUNCTION_CALL", "function_call_filter: UNEXPECTED_TOOL_CALL", "MISSING_THOUGHT_SIGNATURE",
               "cuda_oom", "server_busy", "busy", "resources_exhausted", "out_of_resources", "throttled",
               "bad_gateway"],
    None: ["", "null", "NULL", "none", "FINISH_REASON_UNSPECIFIED", "  ", "???"],
}  # fmt: skip
OTHERS = [
    (None, None), (False, None), (True, "stop"), (0, None), (1, "stop"), (2, "length"), (3, "content_filter"), (99,
     None),
    (10**400, None), (1.5, None), (float("nan"), None), ([], None), (["stop"], "stop"), ([[["stop"]]], None), ({},
     None),
    ({"type": "stop", "matched": 2}, "stop"), ({"type": "length", "length": 16}, "length"), ({"type": "abort"},
     "failed"),
    ({"type": {"type": "stop"}}, None), ({"a": 1}, None), ("x" * 1_000_000, "stop"),
]  # fmt: skip
ALL = [(word, ours) for ours, words in WORDS.items() for word in words] + OTHERS


@pytest.mark.parametrize(("theirs", "ours"), ALL, ids=[repr(row)[:50] for row in ALL])
def test_a_reason_in_our_words(theirs, ours):
    assert finish_reason(theirs) == ours


def test_a_reason_nested_without_end_is_none():
    nested = b"[" * 900 + b'"stop"' + b"]" * 900
    data = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":' + nested + b"}]}\n\n"
    assert heard([data + text("Hello") + fin("stop")])[:2] == ("Hello", "stop")


@pytest.mark.parametrize("word", WORDS["failed"])
def test_a_reason_that_is_a_failure_is_one(word):
    for pieces in ([text("Hel") + fin(word)], [text("Hel", word)], [text("Hel"), fin(word) + DONE]):
        said = heard(pieces)
        assert (said.text, said.finish_reason, said.error) == ("Hel", None, "upstream_error")


EVERY = [text("one ", "stop"), text("two ", "stop"), text("three", "stop")]


@pytest.mark.parametrize(
    "stream",
    [
        [*EVERY, fin("stop"), DONE],
        [*EVERY, DONE],
        EVERY,
        [*EVERY, fin("stop")],
        [text("one ", "STOP"), text("two "), text("three"), fin("STOP")],
        [text("one "), fin("stop"), text("two three")],
    ],
)
def test_a_reason_that_text_follows_was_none(stream):
    whole = b"".join(stream)
    expected = heard([whole])
    assert (expected.finish_reason, expected.provisional) == ("stop", False)
    assert expected.text == "one two three"
    assert heard(stream) == heard(bytewise(whole)) == expected


def test_a_reason_that_came_with_text_may_be_followed_by_more():
    chunk = heard([text("one", "stop")], whole=False)
    assert (chunk.finish_reason, chunk.provisional) == ("stop", True)
    assert not heard([text("one"), fin("stop")], whole=False).provisional


@pytest.mark.parametrize("more", [{}, {"usage": {"prompt_tokens": 7, "completion_tokens": 0}}])
def test_a_frame_that_begins_the_message_ends_it_only_if_nothing_follows(more):
    begins = choice({"role": "assistant", "content": ""}, "stop", **more)
    assert heard([begins], whole=False).finish_reason is None
    assert heard([begins, text("one"), fin("stop")], whole=False).finish_reason == "stop"
    assert heard([begins, begins], whole=False).finish_reason is None
    assert heard([begins, DONE]).finish_reason == heard([begins]).finish_reason == "stop"
    assert heard([text("one"), begins], whole=False).finish_reason == "stop"


def test_where_reasons_mean_nothing_they_are_kept_back_until_the_end():
    """Else the answer would be taken for whole when the server stalls, or breaks, in the middle."""
    assert heard(EVERY, whole=False).finish_reason is None
    assert heard([b"".join(EVERY)], whole=False).finish_reason is None
    assert heard(EVERY).finish_reason == "stop"


def test_thinking_that_carries_a_reason_is_no_end():
    stream = [choice({"reasoning_content": "hm"}, "stop"), text("Hello"), fin("stop"), DONE]
    said = heard(stream)
    assert (said.text, said.thinking, said.finish_reason, said.error) == (
        "Hello",
        "hm",
        "stop",
        None,
    )
    assert heard([b"".join(stream)]) == said


@pytest.mark.parametrize(
    "stream",
    [
        [
            choice({"content": None, "refusal": "I can't"}),
            choice({"refusal": " help"}),
            fin("stop"),
        ],
        [choice({"content": [{"type": "refusal", "refusal": "I can't help"}]}), fin("stop")],
        [choice({"content": "I can't help"}), fin("refusal")],
        [choice({"refusal": "I can't help"}, "stop")],
    ],
)
def test_a_refusal_is_the_answer(stream):
    said = heard([*stream, DONE])
    assert (said.text, said.finish_reason) == ("I can't help", "refusal")
    assert heard(bytewise(b"".join(stream))) == said


def test_no_reason_is_made_up():
    assert heard([text("Hello"), DONE]).finish_reason is None
    assert heard([thinks("hm")]).finish_reason is None


@pytest.mark.parametrize(
    ("delta", "call"),
    [
        ({"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
         {"index": 0, "function": {"name": "f", "arguments": "{}"}, "id": "a"}),
        ({"tool_calls": [{"function": {"arguments": "1"}}]}, {"function": {"arguments": "1"}}),
        ({"tool_calls": [{"index": None, "id": None, "function": {"name": "f", "arguments": None}}]},
         {"function": {"name": "f"}}),
        ({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": {"a": 1}}}]},
         {"index": 0, "function": {"name": "f", "arguments": '{"a":1}'}}),
        ({"function_call": {"name": "f", "arguments": "{}"}}, {"function": {"name": "f",
         "arguments": "{}"}}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("reason", ["tool_calls", "stop", "function_call", "tool_use"])
def test_tool_calls_have_one_shape_and_one_reason(delta, call, reason):
    said = heard([choice(delta), fin(reason), DONE])
    assert said.finish_reason == "tool_calls"
    assert list(map(sorted_items, said.tool_calls)) == [sorted_items(repr(call))]


def sorted_items(call):
    return sorted(eval(call).items(), key=str)
