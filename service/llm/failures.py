"""What the LLM's client raises, translated into our errors: one table."""

from collections.abc import Callable, Mapping
from typing import Any

import openai

from service.errors import (
    ChatError,
    ContentFiltered,
    Internal,
    Overloaded,
    UpstreamConflict,
    UpstreamError,
    UpstreamInvalidRequest,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUntrusted,
)

FILTER_CODES = frozenset({"content_filter", "content_policy_violation", "moderation_blocked"})
LIMIT_CODES = frozenset({"rate_limit_exceeded", "insufficient_quota", "tokens", "requests"})
REQUEST_STATUSES = frozenset({400, 413, 414, 422})


def translate(error: Exception) -> ChatError:
    """Never raises. `cause` is our own word for what happened; the library's text is dropped."""
    if isinstance(error, ChatError):
        return error
    for kind, translation in TABLE:
        if isinstance(error, kind):
            return translation(error)
    return _unreadable(error) if _raised_by_client(error) else _bug(error)


def _timeout(error: Exception) -> ChatError:
    cause = _root_name(error)
    if "PoolTimeout" in _names(error):
        return Overloaded(cause="connection pool")
    return UpstreamTimeout(cause=f"socket: {cause}")


def _refusal(error: openai.APIStatusError) -> ChatError:
    status = error.status_code
    cause = f"HTTP {status}"
    if error.code in FILTER_CODES:
        return ContentFiltered(cause=cause)
    if status == 429:
        return UpstreamRateLimited(
            cause=cause, retry_after_seconds=_retry_after(error.response.headers)
        )
    if status == 409:
        return UpstreamConflict(cause=cause)
    if status == 408 or status >= 500:
        return UpstreamError(cause=cause, retry_after_seconds=_retry_after(error.response.headers))
    if status in REQUEST_STATUSES:
        return UpstreamInvalidRequest(cause=cause)
    return UpstreamRejected(cause=cause)


def _in_band(error: openai.APIError) -> ChatError:
    if error.code in FILTER_CODES:
        return ContentFiltered(cause="in-band error")
    if error.code in LIMIT_CODES:
        return UpstreamRateLimited(cause="in-band error")
    return UpstreamError(cause="in-band error")


def _retry_after(headers: Mapping[str, str]) -> int | None:
    """Whole seconds; None where the header is absent or a date."""
    try:
        return max(0, min(3600, round(float(headers.get("retry-after", "")) + 0.499)))
    except (ValueError, OverflowError):
        return None


def _chain(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in found:
        found.append(current)
        current = current.__cause__ or current.__context__
    return found


def _names(error: BaseException) -> list[str]:
    return [type(link).__name__ for link in _chain(error)]


def _root_name(error: BaseException) -> str:
    return _names(error)[-1]


def _raised_by_client(error: Exception) -> bool:
    """Whether the answer, not our code, is what was wrong with.

    An answer that the client could not read (an HTML page, say) surfaces as a plain ValueError
    of its own code.
    """
    if not isinstance(error, ValueError):
        return False
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    module = trace.tb_frame.f_globals.get("__name__", "") if trace is not None else ""
    return module.partition(".")[0] in {"openai", "langchain_openai", "langchain_core", "json"}


def _connection(error: Exception) -> ChatError:
    cause = f"connection: {_root_name(error)}"
    if any("CertificateVerif" in name or "CertVerif" in name for name in _names(error)):
        return UpstreamUntrusted(cause=cause)
    return UpstreamError(cause=cause)


def _unreadable(error: Exception) -> ChatError:
    return UpstreamError(cause=f"malformed: {type(error).__name__}")


def _bug(error: Exception) -> ChatError:
    bug = Internal(cause=type(error).__name__)
    bug.__cause__ = error
    return bug


# the first match counts: timeouts are connection errors, too
TABLE: tuple[tuple[type[Exception], Callable[[Any], ChatError]], ...] = (
    (openai.APITimeoutError, _timeout),
    (openai.APIStatusError, _refusal),
    (openai.APIConnectionError, _connection),
    (openai.APIError, _in_band),
)
