"""Converts and sums LangChain's usage metadata."""

from collections.abc import Iterable, Sequence
from typing import Any

from service.chat.events import Usage
from service.llm.wire.usage import MOST_TOKENS

# Anthropic's; if the last two are given separately, the first is 0
CACHE_WRITES = ("cache_creation", "ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")


def usage_of(message: Any) -> Usage | None:
    """A message's usage, if LangChain has one that can be true."""
    reported = getattr(message, "usage_metadata", None) or {}
    sent, received = (reported.get(name) or 0 for name in ("input_tokens", "output_tokens"))
    if not (sent or received) or not (_is_count(sent) and _is_count(received)):
        return None
    details = reported.get("input_token_details") or {}
    written = sum(details[name] for name in CACHE_WRITES if _is_count(details.get(name)))
    read = details.get("cache_read")
    return Usage(sent, received, "reported", read if _is_count(read) else None, written or None)


def _is_count(value: Any) -> bool:
    """What a server says may be anything; a counter could not take it."""
    return isinstance(value, int) and 0 <= value <= MOST_TOKENS


def total(usages: Sequence[Usage]) -> Usage:
    """The sum, which is an estimate if any part is."""
    return Usage(
        sum(usage.input_tokens for usage in usages),
        sum(usage.output_tokens for usage in usages),
        "estimated" if any(usage.source == "estimated" for usage in usages) else "reported",
        _sum_of_known(usage.cached_input_tokens for usage in usages),
        _sum_of_known(usage.cache_written_tokens for usage in usages),
    )


def _sum_of_known(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
