"""gunicorn's gevent worker, whose refusals have the service's error format.

Malformed HTTP never reaches the app. gunicorn's own error page and log would quote the caller's bytes, which may be a
prompt if a body is longer than its Content-Length.
"""

import contextlib
import json
import socket
import time
import uuid
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import gevent.socket
from gevent import Timeout, monkey
from gunicorn.http.errors import (
    ConfigurationProblem,
    InvalidHeader,
    InvalidResponseHeader,
    InvalidResponseHeaderName,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
)
from gunicorn.http.message import Request
from gunicorn.workers.ggevent import GeventWorker

from service.errors import ChatError, HeadersTooLarge, Internal, InvalidRequest, UriTooLong
from service.web.error_body import error_body
from service.web.joined_writes import JoinedWrites

OUR_FAULT = (ConfigurationProblem, InvalidResponseHeader, InvalidResponseHeaderName)
# closing a socket with unread bytes resets it, and the answer may be lost; for all of them, however slowly they come
LINGER_SECONDS = 1.0
LINGER_BYTES = 1024 * 1024
# connections kept free, so that idle ones never block probes and answers
SPARE_CONNECTIONS = 20
# after this much silence, no request is on its way
SILENT_SECONDS = 1.0
# a proxy may reuse a kept connection at any moment, so only the proxy may close it
PROXY_HEADER = "X-FORWARDED-FOR"


class Silent:
    """Idle connections: first those that have never sent a request, then the others, the oldest first."""

    def __init__(self) -> None:
        # value: when it became idle
        self._new: dict[socket.socket, float] = {}
        self._kept: dict[socket.socket, float] = {}
        self._proxies: set[socket.socket] = set()
        self.open = 0
        self.asking_now = 0

    @contextlib.contextmanager
    def connected(self, client: socket.socket) -> Iterator[None]:
        self._new[client] = time.monotonic()
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1
            self._forget(client)

    @contextlib.contextmanager
    def asking(self, client: socket.socket, *, through_proxy: bool) -> Iterator[None]:
        self._forget(client)
        self.asking_now += 1
        try:
            yield
        finally:
            self.asking_now -= 1
            self._kept[client] = time.monotonic()
            if through_proxy:
                self._proxies.add(client)

    def end_one(self) -> None:
        for waiting in (self._new, self._kept):
            for client in waiting:
                self._end(client)
                return

    def end_all(self) -> None:
        """Closes idle connections, except a proxy's and those that may be about to send a request."""
        until = time.monotonic() - SILENT_SECONDS
        silent = {**self._new, **self._kept}
        for client, since in silent.items():
            if since <= until and client not in self._proxies:
                self._end(client)

    def _end(self, client: socket.socket) -> None:
        self._forget(client)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)

    def _forget(self, client: socket.socket) -> None:
        self._new.pop(client, None)
        self._kept.pop(client, None)
        self._proxies.discard(client)


def patch_master() -> None:
    """Patches gunicorn's master without changing how it forks and handles signals."""
    monkey.patch_all(os=False, signal=False)


class Worker(GeventWorker):  # type: ignore[misc]
    """Set in gunicorn.conf.py. Also loaded in the master before it is patched, so it imports little."""

    sockets: list[Any]

    def patch(self) -> None:
        """The inherited method would patch again what the master has already patched."""
        monkey.patch_os()
        monkey.patch_signal()
        listeners = [(one.FAMILY, one.sock.detach()) for one in self.sockets]
        self.sockets = [
            gevent.socket.socket(family, socket.SOCK_STREAM, fileno=descriptor)
            for family, descriptor in listeners
        ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._silent = Silent()

    def handle(self, listener: object, client: socket.socket, address: object) -> None:
        if self._silent.open >= self.worker_connections - SPARE_CONNECTIONS:
            # once the pool is full, no connection is accepted any more
            self._silent.end_one()
        with self._silent.connected(client):
            super().handle(listener, client, address)

    def handle_request(
        self, listener: object, request: Request, client: socket.socket, address: object
    ) -> None:
        _refuse_codings(request)
        # gunicorn drops an app's Connection header, so this is how the app closes a connection with an unread body
        request.body.leave = request.force_close
        writes = JoinedWrites(client)
        through_proxy = any(name == PROXY_HEADER for name, _ in request.headers)
        with self._silent.asking(client, through_proxy=through_proxy):
            try:
                super().handle_request(listener, request, writes, address)
            finally:
                writes.end()
                # the app's own limit is not for the time between two requests
                client.settimeout(None)
                if request.must_close:
                    _linger(client)

    def close_silent_connections(self) -> None:
        """Called while the worker stops: idle connections would delay its exit for as long as `keepalive`.

        While an answer is running, closing them gains nothing, and a request that still arrives is served.
        """
        if not self._silent.asking_now:
            self._silent.end_all()

    def handle_error(
        self, _request: object, client: socket.socket, _address: object, error: BaseException
    ) -> None:
        refusal = _refusal(error)
        request_id = uuid.uuid4().hex
        if isinstance(refusal, Internal):
            self.log.error("Error handling request %s", request_id, exc_info=error)
        else:
            self.log.warning("Refused request %s: %s", request_id, type(error).__name__)
        with contextlib.suppress(OSError):
            client.settimeout(LINGER_SECONDS)
            client.sendall(_response(refusal, request_id))
        _linger(client)


def _refuse_codings(request: Request) -> None:
    """gunicorn accepts `gzip, chunked` without decoding it: another server on the way would see a different body."""
    codings = [value for name, value in request.headers if name == "TRANSFER-ENCODING"]
    if codings and [value.strip().lower() for value in codings] != ["chunked"]:
        raise InvalidHeader("TRANSFER-ENCODING", req=request)


def _refusal(error: BaseException) -> ChatError:
    if isinstance(error, LimitRequestLine):
        return UriTooLong()
    if isinstance(error, LimitRequestHeaders):
        return HeadersTooLarge()
    if isinstance(error, ParseException) and not isinstance(error, OUR_FAULT):
        return InvalidRequest()
    return Internal()


def _response(refusal: ChatError, request_id: str) -> bytes:
    body = json.dumps({"error": error_body(refusal, request_id)}).encode()
    headers: dict[str, Any] = {
        "Content-Type": "application/json",
        "Content-Length": len(body),
        "Connection": "close",
        "X-Request-ID": request_id,
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    status = f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}"
    lines = [status, *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _linger(client: socket.socket) -> None:
    with contextlib.suppress(OSError), Timeout(LINGER_SECONDS, exception=False):
        client.shutdown(socket.SHUT_WR)
        left = LINGER_BYTES
        while left > 0 and (piece := client.recv(65536)):
            left -= len(piece)
