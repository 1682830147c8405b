"""The caller of a request: ids, body, and whether the connection is still open."""

import contextlib
import select
import socket
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, TypeVar, cast

from flask import Request, Response, g
from flask.globals import request_ctx
from gevent import Timeout, monkey
from gunicorn.http.errors import ParseException
from werkzeug.datastructures import Headers
from werkzeug.http import parse_options_header

from service.chat.request import ChatRequest, Limits, parse
from service.chat.running_turn import RunningTurn
from service.errors import (
    InvalidRequest,
    PayloadTooLarge,
    RequestTimeout,
    UnsupportedMediaType,
)
from service.web.caller_ids import is_well_formed
from service.web.joined_writes import JoinedWrites
from service.web.keys import Access, KeyAccount, add_figures, key_of

C = TypeVar("C", bound="WebCaller")
ID_HEADERS = ("X-Request-ID", "X-User-ID", "X-Session-ID")
PIECE_BYTES = 65536
# how much of an oversized body is read and discarded, so that its sender gets the answer rather than a broken pipe
DISCARDED_BODIES = 8
# for the whole body, as long as for a request's head (keepalive in gunicorn.conf.py)
BODY_SECONDS = 15.0
HANGUP = select.POLLHUP | select.POLLERR | getattr(select, "POLLRDHUP", 0)

# the unpatched poll: gevent's would switch to other greenlets
_poll: Callable[[], Any] = monkey.get_original("select", "poll")


def request_id_of(headers: Headers) -> str:
    return _id_of(headers, "X-Request-ID") or uuid.uuid4().hex


def _id_of(headers: Headers, name: str) -> str | None:
    value = headers.get(name, "")
    return value if is_well_formed(value) else None


class Connection:
    """The caller's socket. writing_since: when the current write began; None: no write is running."""

    def __init__(self, client: JoinedWrites | None) -> None:
        self._client = client
        self.writing_since: float | None = None
        self._poller = _poll()
        if client is not None:
            self._poller.register(client.fileno(), HANGUP)

    def gone(self) -> bool:
        """Whether the caller hung up; unread bytes do not matter."""
        return self._client is not None and bool(self._poller.poll(0))

    def limit(self, seconds: float) -> None:
        """Sets how long a single read or write may take."""
        if self._client is not None:
            self._client.settimeout(seconds)

    def join_next(self) -> None:
        """Sends the next write together with the one that follows it immediately."""
        if self._client is not None:
            self._client.hold_next()

    def cut(self) -> None:
        """Ends a write that is blocked because the caller does not read."""
        if self._client is not None:
            with contextlib.suppress(OSError):
                self._client.shutdown(socket.SHUT_RDWR)


@dataclass(frozen=True)
class Entry:
    """What a request must pass to become a turn."""

    access: Access
    max_body_bytes: int


@dataclass
class WebCaller:
    """The caller of one request, in plain values: Flask's proxies do not outlive the view."""

    route: str
    request_id: str
    address: str
    user_id: str | None
    session_id: str | None
    request: Request
    connection: Connection
    entry: Entry
    payer: Any
    account: KeyAccount | None = None

    @property
    def key(self) -> str:
        return str(self.payer.name)

    @property
    def key_user(self) -> str | None:
        return self.account.user if self.account else None

    def open_account(self, turn_id: str) -> KeyAccount:
        self.account = self.entry.access.account(
            self.payer,
            turn_id=turn_id,
            request_id=self.request_id,
            user_id=self.user_id,
            address=self.address,
            route=self.route,
        )
        return self.account

    @property
    def takes_back(self) -> bool:
        return True

    def parse(self, body: bytes, limits: Limits) -> ChatRequest:
        return parse(body, limits)

    def begun(self, turn: RunningTurn) -> None:
        pass

    def gone(self) -> bool:
        return self.connection.gone()

    def read(self) -> bytes:
        """Raises UnsupportedMediaType, PayloadTooLarge, RequestTimeout or InvalidRequest."""
        _check_media_type(self.request.headers)
        # werkzeug would silently cut a chunked body at its limit
        stream = self.request.environ["wsgi.input"]
        try:
            return self._read_from(stream)
        except TimeoutError:
            _leave(stream)
            raise RequestTimeout from None
        except (OSError, EOFError, ParseException):
            _leave(stream)
            raise InvalidRequest(cause="body cut") from None

    def _read_from(self, stream: Any) -> bytes:
        # the socket's own timeout restarts with each byte
        with Timeout(BODY_SECONDS, TimeoutError()):
            body: bytes = stream.read(self.entry.max_body_bytes + 1)
            if len(body) > self.entry.max_body_bytes:
                _discard(stream, DISCARDED_BODIES * self.entry.max_body_bytes)
                raise PayloadTooLarge
        if len(body) < (self.request.content_length or 0):
            raise EOFError
        return body


def request() -> Request:
    """The request itself: Flask's proxy looks it up again at each access."""
    return request_ctx.request


def caller_of(route: str, entry: Entry, kind: type[C]) -> C:
    """Raises Unauthorized, Forbidden or Unavailable."""
    asked = request()
    g.caller = kind(
        route=route,
        request_id=g.request_id,
        address=address_of_request(asked),
        user_id=user_id_of(asked),
        session_id=_id_of(asked.headers, "X-Session-ID"),
        request=asked,
        connection=g.connection,
        entry=entry,
        payer=key_of(asked, entry.access),
    )
    return cast("C", g.caller)


def user_id_of(request: Request) -> str | None:
    return _id_of(request.headers, "X-User-ID")


def address_of_request(request: Request) -> str:
    return address_of(request.remote_addr or "", request.headers)


def address_of(peer: str, headers: Headers) -> str:
    """The caller's address, as reported by a proxy on a private network."""
    if not _is_inside(peer):
        return peer
    return headers.get("X-Forwarded-For", "").rpartition(",")[2].strip() or peer


@lru_cache(maxsize=256)
def _is_inside(peer: str) -> bool:
    try:
        return ip_address(peer).is_private
    except ValueError:
        return False


def _discard(stream: Any, most_bytes: int) -> None:
    left = most_bytes
    while piece := stream.read(min(PIECE_BYTES, left)):
        left -= len(piece)
        if left <= 0:
            _leave(stream)
            return


def _leave(stream: Any) -> None:
    """Leaves the rest of this body unread, so the connection is closed after the answer."""
    leave = getattr(stream, "leave", None)
    if leave is not None:
        leave()


def _check_media_type(headers: Headers) -> None:
    encoding = headers.get("Content-Encoding", "identity").lower()
    if encoding != "identity" or not _is_json(headers.get("Content-Type", "")):
        raise UnsupportedMediaType


@lru_cache(maxsize=64)
def _is_json(media_type: str) -> bool:
    kind, options = parse_options_header(media_type)
    charset = options.get("charset", "utf-8").lower()
    return kind.lower() == "application/json" and charset in ("utf-8", "utf8")


def opened(request: Request, send_timeout_seconds: float) -> None:
    """Called before each request."""
    g.request_id = request_id_of(request.headers)
    g.connection = Connection(request.environ.get("gunicorn.socket"))
    g.connection.limit(send_timeout_seconds)


def closed(response: Response) -> Response:
    """Called after each view."""
    response.headers["X-Request-ID"] = g.request_id
    if caller := g.get("caller"):
        add_figures(response.headers, caller.account.figures if caller.account else None)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Cache-Control", "no-store")
    return response
