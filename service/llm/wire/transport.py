"""The interface of the transports, which deliver the bytes of a response."""

import os
import socket
import ssl
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
        return ConnectTimeout(cause=cause_of(error))
    failure = of_connection(error)
    if type(failure) is UpstreamError:
        return UpstreamUnreachable(cause=failure.cause)
    return failure


def of_connection(error: BaseException) -> ChatError:
    """For errors of sockets, resolvers and TLS; anything else is a bug."""
    if isinstance(error, TimeoutError):
        return UpstreamTimeout(cause=cause_of(error))
    # geventhttpclient raises RuntimeError if a proxy refuses
    if isinstance(error, OSError | RuntimeError):
        return failed_connection(error)
    bug = Internal(cause=type(error).__name__)
    bug.__cause__ = error
    return bug


def failed_connection(error: BaseException) -> ChatError:
    cause = cause_of(error)
    if any("CertificateVerif" in name or "CertVerif" in name for name in names(error)):
        return UpstreamUntrusted(cause=cause)
    kind = UpstreamUnreachable if "ConnectError" in names(error) else UpstreamError
    return kind(cause=cause)


def names(error: BaseException) -> list[str]:
    """The types of an error and its causes, the root cause last."""
    return [type(link).__name__ for link in _causes(error)]


def cause_of(error: BaseException) -> str:
    """In words, for the operator. The exception's own text is left out: it may quote what was sent."""
    root = _causes(error)[-1]
    if isinstance(root, socket.gaierror):
        return "the host name cannot be resolved"
    if isinstance(root, OSError) and root.errno and not isinstance(root, ssl.SSLError):
        return os.strerror(root.errno)
    return (
        "no response in time"
        if isinstance(root, TimeoutError)
        else f"connection: {type(root).__name__}"
    )


def _causes(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in found:
        found.append(current)
        current = current.__cause__ or current.__context__
    return found
