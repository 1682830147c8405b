"""What the LLM's client raises, translated into our errors: one table."""

from collections.abc import Callable, Mapping
from traceback import walk_tb
from typing import Any

import openai

from service.errors import (
    ChatError,
    ConnectTimeout,
    ContentFiltered,
    ContextTooLong,
    Internal,
    Overloaded,
    UpstreamConflict,
    UpstreamError,
    UpstreamInvalidRequest,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
    UpstreamUnreachable,
    UpstreamUntrusted,
)

FILTER_CODES = frozenset({"content_filter", "content_policy_violation", "moderation_blocked"})
LIMIT_CODES = frozenset({"rate_limit_exceeded", "insufficient_quota", "tokens", "requests"})
REQUEST_STATUSES = frozenset({400, 413, 414, 422})

CLIENT = frozenset({"openai", "langchain_openai", "langchain_core", "json"})
READING_ERRORS = (ValueError, TypeError, AttributeError, LookupError)
READER = "langchain_openai.chat_models.base"
# what fails in these fails before there is an answer
ASKING = ("openai.resources", "openai._utils")


def translate(error: Exception) -> ChatError:
    """Never raises. `cause` is our own word for what happened; the library's text is dropped."""
    if isinstance(error, ChatError):
        return error
    for kind, translation in TABLE:
        if isinstance(error, kind):
            return translation(error)
    return _unreadable(error) if _raised_by_client(error) else _bug(error)


def of_model(error: Exception) -> ChatError:
    """What a model that is not guarded raised."""
    return translate(error)


def _timeout(error: Exception) -> ChatError:
    names = _names(error)
    if "PoolTimeout" in names:
        return Overloaded(cause="connection pool")
    kind = ConnectTimeout if "ConnectTimeout" in names else UpstreamTimeout
    return kind(cause=f"socket: {names[-1]}")


def _refusal(error: openai.APIStatusError) -> ChatError:
    return refused(error.status_code, error.code, error.response.headers)


def refused(status: int, code: str | None, headers: Mapping[str, str]) -> ChatError:
    """What an HTTP status of the LLM means; code: the error body's own, headers by lower-case name."""
    cause = f"HTTP {status}"
    if code in FILTER_CODES:
        return ContentFiltered(cause=cause)
    if status == 429:
        return UpstreamRateLimited(cause=cause, retry_after_seconds=_retry_after(headers))
    if status == 409:
        return UpstreamConflict(cause=cause)
    if status == 408 or status >= 500:
        failed = UpstreamUnavailable if status == 503 else UpstreamError
        return failed(cause=cause, retry_after_seconds=_retry_after(headers))
    if status in REQUEST_STATUSES:
        too_long = code == "context_length_exceeded"
        return (ContextTooLong if too_long else UpstreamInvalidRequest)(cause=cause)
    return UpstreamRejected(cause=cause)


def _in_band(error: openai.APIError) -> ChatError:
    return in_band(error.code)


def in_band(code: object) -> ChatError:
    """What an error within a stream means."""
    if code in FILTER_CODES:
        return ContentFiltered(cause="in-band error")
    if code in LIMIT_CODES:
        return UpstreamRateLimited(cause="in-band error")
    return UpstreamError(cause="in-band error")


def of_opening(error: Exception) -> ChatError:
    """What a socket, a resolver or TLS raised before a request was sent."""
    if isinstance(error, TimeoutError):
        return ConnectTimeout(cause=f"socket: {_root_name(error)}")
    failure = of_connection(error)
    if type(failure) is UpstreamError:
        return UpstreamUnreachable(cause=failure.cause)
    return failure


def of_connection(error: Exception) -> ChatError:
    """What a socket, a resolver or TLS raised; anything else is a bug."""
    if isinstance(error, TimeoutError):
        return UpstreamTimeout(cause=f"socket: {_root_name(error)}")
    # geventhttpclient's word for a proxy that refuses is a RuntimeError
    return _connection(error) if isinstance(error, OSError | RuntimeError) else translate(error)


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

    An answer that the client could not read (an HTML page, say) surfaces as a plain ValueError of its own code, a frame
    of another shape as whatever the reading of it trips over.
    """
    if not isinstance(error, READING_ERRORS):
        return False
    modules = [
        str(frame.f_globals.get("__name__", "")) for frame, _ in walk_tb(error.__traceback__)
    ]
    if isinstance(error, ValueError) and modules[-1:] and modules[-1].partition(".")[0] in CLIENT:
        return True
    return READER in modules and not any(module.startswith(ASKING) for module in modules)


def _connection(error: Exception) -> ChatError:
    cause = f"connection: {_root_name(error)}"
    if any("CertificateVerif" in name or "CertVerif" in name for name in _names(error)):
        return UpstreamUntrusted(cause=cause)
    kind = UpstreamUnreachable if "ConnectError" in _names(error) else UpstreamError
    return kind(cause=cause)


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
