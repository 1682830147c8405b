"""How the bytes of a response get here, whoever brings them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from service.errors import (
    ChatError,
    ConnectTimeout,
    Internal,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnreachable,
    UpstreamUntrusted,
)


@dataclass(slots=True)
class Arrived:
    """status: once the head is there. over: nothing follows, the body is whole."""

    body: bytes = b""
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    over: bool = False


class Transport(Protocol):
    """One request and its response."""

    @property
    def sent(self) -> bool:
        """Whether the server has been asked, as far as one can know."""

    def receive(self, *, spoke: bool) -> Arrived | None:
        """What has arrived; None: nothing within a tick. Raises ChatErrors for a connection that fails.

        spoke: the answer has begun, so that reading less often makes nobody wait for its first word.
        """

    def close(self, *, overrun: bool) -> None:
        """At once, wherever it is. overrun: more came than the answer."""


def of_opening(error: BaseException) -> ChatError:
    """What a socket, a resolver or TLS raised before a request was sent."""
    if isinstance(error, TimeoutError):
        return ConnectTimeout(cause=f"socket: {root_name(error)}")
    failure = of_connection(error)
    if type(failure) is UpstreamError:
        return UpstreamUnreachable(cause=failure.cause)
    return failure


def of_connection(error: BaseException) -> ChatError:
    """What a socket, a resolver or TLS raised; anything else is a bug."""
    if isinstance(error, TimeoutError):
        return UpstreamTimeout(cause=f"socket: {root_name(error)}")
    # geventhttpclient's word for a proxy that refuses is a RuntimeError
    if isinstance(error, OSError | RuntimeError):
        return failed_connection(error)
    bug = Internal(cause=type(error).__name__)
    bug.__cause__ = error
    return bug


def failed_connection(error: BaseException) -> ChatError:
    cause = f"connection: {root_name(error)}"
    if any("CertificateVerif" in name or "CertVerif" in name for name in names(error)):
        return UpstreamUntrusted(cause=cause)
    kind = UpstreamUnreachable if "ConnectError" in names(error) else UpstreamError
    return kind(cause=cause)


def names(error: BaseException) -> list[str]:
    """The types of an error and of what caused it, the root last."""
    found: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in found:
        found.append(current)
        current = current.__cause__ or current.__context__
    return [type(link).__name__ for link in found]


def root_name(error: BaseException) -> str:
    return names(error)[-1]
