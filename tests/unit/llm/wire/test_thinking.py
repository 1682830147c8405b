"""Thinking and content in each of the shapes that servers give them."""

import pytest

from tests.support.model_server import choice, fin, frame
from tests.unit.llm.wire.frames import bytewise, heard

PART = {"type": "text", "text": "Hello"}
# deltas, and the text and thinking in them
SHAPES = [
    ("text", {"content": "Hello"}, "Hello", ""),
    ("with a role", {"role": "assistant", "content": "Hello"}, "Hello", ""),
    ("role only", {"role": "assistant"}, "", ""),
    ("null", {"content": None}, "", ""),
    ("deepseek", {"content": None, "reasoning_content": "hm"}, "", "hm"),
    ("deepseek text", {"content": "Hello", "reasoning_content": None}, "Hello", ""),
    ("vllm", {"reasoning": "hm"}, "", "hm"),
    ("vllm both names", {"reasoning": "hm", "reasoning_content": "hm"}, "", "hm"),
    ("both", {"content": "Hello", "reasoning_content": "hm"}, "Hello", "hm"),
    ("openrouter", {"content": "", "reasoning": "hm", "reasoning_details": [{"type": "reasoning.text",
     "text": "hm"}]}, "",
     "hm"),
    ("openrouter details", {"content": "", "reasoning_details": [{"type": "reasoning.summary", "summary": "hm"}]}, "",
     "hm"),
    ("openrouter encrypted", {"content": "", "reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}]}, "",
     ""),
    ("thinking", {"thinking": "hm"}, "", "hm"),
    ("thought", {"thought": "hm"}, "", "hm"),
    ("litellm", {"content": "", "thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "x"}]}, "",
     "hm"),
    ("gemini", {"content": "hm", "extra_content": {"google": {"thought": True}}}, "", "hm"),
    ("gemini text", {"content": "Hello", "extra_content": {"google": {"thought_signature": "x"}}}, "Hello", ""),
    ("mistral thinking", {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]}, "", "hm"),
    ("mistral text", {"content": [PART]}, "Hello", ""),
    ("mistral both", {"content": [{"type": "thinking", "thinking": "hm"}, PART]}, "Hello", "hm"),
    ("mistral reference", {"content": [PART, {"type": "reference", "reference_ids": [1]}]}, "Hello", ""),
    ("strings", {"content": ["Hel", "lo"]}, "Hello", ""),
    ("a part alone", {"content": PART}, "Hello", ""),
    ("a part of text", {"content": {"text": "Hello"}}, "Hello", ""),
    ("output_text", {"content": [{"type": "output_text", "text": "Hello"}]}, "Hello", ""),
    ("an image", {"content": [{"type": "image_url", "image_url": {"url": "x"}}]}, "", ""),
    ("reasoning as an object", {"reasoning": {"content": "hm"}}, "", "hm"),
    ("reasoning as false", {"reasoning": False, "content": "Hello"}, "Hello", ""),
    ("empty list", {"content": []}, "", ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("delta", "text", "thinking"), [r[1:] for r in SHAPES], ids=[r[0] for r in SHAPES]
)
def test_what_a_delta_says(delta, text, thinking):
    data = choice(delta) + fin("stop")
    said = heard([data])
    assert (said.text, said.thinking, said.error) == (text, thinking, None)
    assert heard(bytewise(data)) == said


def piece(**fields):
    return frame({"choices": [{"index": 0, "finish_reason": None, **fields}]})


@pytest.mark.parametrize(
    "stream",
    [
        [piece(message={"content": "Hel"}), piece(message={"content": "lo"})],
        [piece(text="Hel"), piece(text="lo")],
        [piece(delta=None, message={"content": "Hel"}), piece(delta=None, text="lo")],
        # Perplexity repeats all of it beside each delta, others once more at the end
        [piece(delta={"content": "Hel"}, message={"content": "Hel"}), piece(delta={"content": "lo"},
         message={"content": "Hello"})],
        [piece(delta={"content": "Hel"}), piece(delta={"content": "lo"}), piece(message={"content": "Hello"})],
        [piece(delta={"role": "assistant"}), piece(message={"content": "Hello"})],
    ],
)  # fmt: skip
def test_a_message_or_a_text_may_stand_for_a_delta(stream):
    assert heard([*stream, fin("stop")])[:2] == ("Hello", "stop")
    assert heard([b"".join(stream) + fin("stop")])[:2] == ("Hello", "stop")
