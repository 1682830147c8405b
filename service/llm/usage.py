"""Converts and sums LangChain's usage metadata."""

from collections.abc import Iterable, Sequence
from typing import Any

from service.chat.events import Usage

# Anthropic's; if the last two are given separately, the first is 0
CACHE_WRITES = ("cache_creation", "ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")


def usage_of(message: Any) -> Usage | None:
    """A message's usage, if LangChain has one."""
    reported = getattr(message, "usage_metadata", None)
    if not reported or not (reported.get("input_tokens") or reported.get("output_tokens")):
        return None
    details = reported.get("input_token_details") or {}
    written = sum(details.get(name) or 0 for name in CACHE_WRITES)
    return Usage(
        reported["input_tokens"],
        reported["output_tokens"],
        "reported",
        details.get("cache_read"),
        written or None,
    )


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
