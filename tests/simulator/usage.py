"""How tokens are counted: an input message is its words + 4, an output token is a content chunk."""

from collections.abc import Mapping, Sequence

TOKENS_PER_MESSAGE = 4

Message = Mapping[str, object]


def message_text(message: Message) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))


def last_user_text(messages: Sequence[Message]) -> str:
    for message in reversed(messages):
        if message.get("role") == "user":
            return message_text(message)
    return ""


def count_input_tokens(messages: Sequence[Message]) -> int:
    return sum(len(message_text(m).split()) + TOKENS_PER_MESSAGE for m in messages)


def usage_of(
    input_tokens: int,
    output_tokens: int,
    cached_tokens: int,
    *,
    thoughts: int = 0,
    counted: bool = True,
) -> dict[str, object]:
    """counted: whether thoughts are part of the completion; they are of the total."""
    return {
        "prompt_tokens": input_tokens,
        "completion_tokens": output_tokens + (thoughts if counted else 0),
        "total_tokens": input_tokens + output_tokens + thoughts,
        "prompt_tokens_details": {"cached_tokens": cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": thoughts, "audio_tokens": 0},
    }
