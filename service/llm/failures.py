"""Maps exceptions of model clients to our errors, by their contents and names, whichever package they come from."""

import json
from collections.abc import Iterator, Mapping
from traceback import walk_tb
from typing import Any

from service.errors import (
    ChatError,
    ConnectTimeout,
    Internal,
    Overloaded,
    UpstreamError,
    UpstreamTimeout,
)
from service.llm.step_failures import TIMEOUTS, kinds_of
from service.llm.wire.errors import of_frame, of_response
from service.llm.wire.transport import failed_connection

STATUSES = range(400, 600)
CONNECTIONS = frozenset(
    {
        "builtins.ConnectionError", "socket.gaierror", "ssl.SSLError", "httpx.TransportError", "httpx2.TransportError",
        "requests.RequestException", "urllib3.HTTPError", "http.HTTPException", "aiohttp.ClientError",
        "openai.APIConnectionError", "anthropic.APIConnectionError", "google.TransportError", "google.RetryError",
    }
)  # fmt: skip
PACKAGES = ("anthropic", "ollama", "google", "proto", "openai", "groq", "mistralai", "cohere")
READING_ERRORS = (ValueError, TypeError, AttributeError, LookupError)
# a failure in these functions means that the request is wrong
ASKING = frozenset(
    {"_get_request_payload", "_chat_params", "_prepare_request", "_create_message_dicts"}
)
ASKING_MODULES = ("openai.resources", "openai._utils", "anthropic.resources", "anthropic._utils")
READERS = ("json", "langchain_core")
MOST_CAUSES = 20


def translate(error: Exception) -> ChatError:
    """Never raises. `cause` is in our own words; the library's text is dropped."""
    if isinstance(error, ChatError):
        return error
    causes = list(_causes(error))
    answered = next(filter(None, map(_answered, causes)), None)
    if answered is not None:
        return answered
    kinds = {name for link in causes for name in kinds_of(link)}
    bare = {name.rpartition(".")[2] for name in kinds}
    root = type(causes[-1]).__name__
    if "PoolTimeout" in bare:
        return Overloaded(cause="connection pool")
    if kinds & TIMEOUTS:
        late = ConnectTimeout if "ConnectTimeout" in bare else UpstreamTimeout
        return late(cause=f"socket: {root}")
    if kinds & CONNECTIONS:
        return failed_connection(error)
    return (
        UpstreamError(cause=f"malformed: {type(error).__name__}")
        if _is_misread(error)
        else _bug(error)
    )


def of_model(error: Exception) -> ChatError:
    """For an exception of an unguarded model."""
    return translate(error)


def _bug(error: Exception) -> ChatError:
    bug = Internal(cause=type(error).__name__)
    bug.__cause__ = error
    return bug


def _causes(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    for _ in range(MOST_CAUSES):
        if link is None:
            return
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _answered(error: Any) -> ChatError | None:
    """For the server's refusal, which SDKs pass on with status and body."""
    response = getattr(error, "response", None)
    if response is None:
        # Ollama's own error leaves out the headers of the one it wraps
        response = getattr(error.__context__, "response", None)
    status = _status(error, response)
    body = _body(error, response)
    if status is not None and status in STATUSES:
        return of_response(status, _headers(response), body)
    # within a stream there is no status, or 200, or -1 from Ollama
    said = getattr(error, "body", None) or getattr(error, "error", None)
    return of_frame({"error": said}) if isinstance(said, Mapping | str) else None


def _status(error: Any, response: Any) -> int | None:
    for value in (
        getattr(error, "status_code", None),
        getattr(response, "status_code", None),
        getattr(error, "code", None),
    ):
        if isinstance(value, int) and not isinstance(value, bool):
            return int(value)
    return None


def _headers(response: Any) -> Mapping[str, str]:
    headers = getattr(response, "headers", None)
    if not isinstance(headers, Mapping):
        return {}
    return {str(name).lower(): str(value) for name, value in headers.items()}


def _body(error: Any, response: Any) -> bytes:
    for said in (getattr(error, "body", None), getattr(error, "error", None)):
        if isinstance(said, str):
            return said.encode("utf-8", "replace")
        if isinstance(said, Mapping):
            return json.dumps(said, default=str).encode()
    try:
        content = response.content
    except Exception:  # noqa: BLE001 - it was not read, or there is none
        content = None
    if isinstance(content, bytes) and content:
        return content
    return json.dumps({"error": {"message": str(getattr(error, "message", ""))}}).encode()


def _is_misread(error: Exception) -> bool:
    """Whether the client choked on the provider's response, in its package or below it; False for a bug of ours."""
    if not isinstance(error, READING_ERRORS):
        return False
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    modules = {str(frame.f_globals.get("__name__", "")) for frame in frames}
    if any(frame.f_code.co_name in ASKING for frame in frames) or any(
        module.startswith(ASKING_MODULES) for module in modules
    ):
        return False
    packages = {module.partition(".")[0] for module in modules} - {"langchain_core"}
    # json: an invalid body is noticed below a package's code, or within it
    innermost = str(frames[-1].f_globals.get("__name__", "")).partition(".")[0] if frames else ""
    return innermost in READERS or any(
        name in PACKAGES or name.startswith("langchain_") for name in packages
    )
