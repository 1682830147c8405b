"""The interface of the transports, which deliver the bytes of a response."""

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
    """status: set once the head is complete. over: the body has ended properly."""

    body: bytes = b""
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    over: bool = False


class Transport(Protocol):
    """One request and its response."""

    @property
    def sent(self) -> bool:
        """Whether the request has been sent, as far as can be known."""

    def receive(self, *, spoke: bool) -> Arrived | None:
        """What has arrived; None: nothing within a tick. Raises ChatErrors if the connection fails.

        spoke: the answer has begun, so reading less often does not delay its first word.
        """

    def close(self, *, overrun: bool) -> None:
        """Closes it at once, at any point. overrun: bytes came after the answer."""


def of_opening(error: BaseException) -> ChatError:
    """For errors of sockets, resolvers and TLS before the request was sent."""
    if isinstance(error, TimeoutError):
        return ConnectTimeout(cause=f"socket: {root_name(error)}")
    failure = of_connection(error)
    if type(failure) is UpstreamError:
        return UpstreamUnreachable(cause=failure.cause)
    return failure


def of_connection(error: BaseException) -> ChatError:
    """For errors of sockets, resolvers and TLS; anything else is a bug."""
    if isinstance(error, TimeoutError):
        return UpstreamTimeout(cause=f"socket: {root_name(error)}")
    # geventhttpclient raises RuntimeError if a proxy refuses
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
    """The types of an error and its causes, the root cause last."""
    found: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in found:
        found.append(current)
        current = current.__cause__ or current.__context__
    return [type(link).__name__ for link in found]


def root_name(error: BaseException) -> str:
    return names(error)[-1]
