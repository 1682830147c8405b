"""Maps a server's finish reason to ours."""

import re
from typing import Any, Literal

from service.llm.wire.dialect import (
    FINISH_HINTS,
    FINISH_NUMBERS,
    FINISH_REASONS,
    NO_REASON,
    FinishReason,
    heads,
)

MOST_CHARACTERS = 100


def finish_reason(value: Any) -> FinishReason | Literal["failed"] | None:
    """None: the answer goes on. Accepts a word, a number, or an object with a word in it."""
    if not value:
        return None
    if isinstance(value, str):
        return _word(value)
    if isinstance(value, int):
        return "stop" if value is True else FINISH_NUMBERS.get(value)
    if isinstance(value, list):
        return None if isinstance(value[0], list) else finish_reason(value[0])
    if isinstance(value, dict):
        # SGLang's own shape
        inner = value.get("type") or value.get("reason") or value.get("finish_reason")
        return _word(inner) if isinstance(inner, str) else None
    return None


def _word(value: str) -> FinishReason | Literal["failed"] | None:
    whole, head = heads(value[:MOST_CHARACTERS])
    if not whole or whole in NO_REASON:
        return None
    for word in (whole, head, whole.removeprefix("finishreason")):
        if word in FINISH_REASONS:
            return FINISH_REASONS[word]
    return next((ours for hints, ours in FINISH_HINTS if re.search(hints, whole)), "stop")
