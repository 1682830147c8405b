"""What the LLM's client raises, translated into our errors: one table."""

from collections.abc import Callable
from traceback import walk_tb
from typing import Any

import openai

from service.errors import (
    ChatError,
    ConnectTimeout,
    Internal,
    Overloaded,
    UpstreamError,
    UpstreamTimeout,
)
from service.llm.wire.errors import of_frame, of_response
from service.llm.wire.transport import failed_connection, names

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
    found = names(error)
    if "PoolTimeout" in found:
        return Overloaded(cause="connection pool")
    kind = ConnectTimeout if "ConnectTimeout" in found else UpstreamTimeout
    return kind(cause=f"socket: {found[-1]}")


def _refusal(error: openai.APIStatusError) -> ChatError:
    headers = {name.lower(): value for name, value in error.response.headers.items()}
    return of_response(error.status_code, headers, error.response.content)


def _in_band(error: openai.APIError) -> ChatError:
    return of_frame({"error": error.body or {"code": error.code, "type": error.type}})


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
    (openai.APIConnectionError, failed_connection),
    (openai.APIError, _in_band),
)
