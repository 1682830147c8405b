"""gunicorn's gevent worker, with its own refusals in the shape of the contract.

What is not HTTP never reaches the app. gunicorn's own page would quote the caller's bytes, and so would its log: after
a body that is longer than its Content-Length they are a prompt.
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
from gevent import monkey
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
# a socket closed with bytes unread is reset, and the answer may be lost with it
LINGER_SECONDS = 1.0
LINGER_BYTES = 1024 * 1024
# of all connections: probes and answers never wait for those who say nothing
SPARE_CONNECTIONS = 20
# what is silent for so long has no request on its way
SILENT_SECONDS = 1.0
# a proxy keeps connections to use them again, perhaps at this very moment: they are its own to close
PROXY_HEADER = "X-FORWARDED-FOR"


class Silent:
    """Connections that nobody is answered on, those that never asked before those that have, the oldest first."""

    def __init__(self) -> None:
        # each with the time since when
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
        """But a proxy's, and what may just be about to ask."""
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
    """In gunicorn's master, whose own forks and signals stay as they are."""
    monkey.patch_all(os=False, signal=False)


class Worker(GeventWorker):  # type: ignore[misc]
    """Named in gunicorn.conf.py; loaded in the master too, before it is patched, so it imports little."""

    sockets: list[Any]

    def patch(self) -> None:
        """gunicorn's own would patch once more what the master has patched."""
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
            # when the last place is taken nobody is accepted any more
            self._silent.end_one()
        with self._silent.connected(client):
            super().handle(listener, client, address)

    def handle_request(
        self, listener: object, request: Request, client: socket.socket, address: object
    ) -> None:
        _refuse_codings(request)
        # gunicorn drops an app's own Connection header: this is how the app leaves a body unread
        request.body.leave = request.force_close
        writes = JoinedWrites(client)
        through_proxy = any(name == PROXY_HEADER for name, _ in request.headers)
        with self._silent.asking(client, through_proxy=through_proxy):
            try:
                super().handle_request(listener, request, writes, address)
            finally:
                writes.end()
                if request.must_close:
                    _linger(client)

    def close_silent_connections(self) -> None:
        """Called while the worker stops: connections kept open would hold it up for as long as `keepalive`.

        While an answer runs nothing is won by closing them, and a request that still comes is served.
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
    """gunicorn takes `gzip, chunked`, and gives the body as it is: another reader would see another one."""
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
    with contextlib.suppress(OSError):
        client.settimeout(LINGER_SECONDS)
        client.shutdown(socket.SHUT_WR)
        left = LINGER_BYTES
        while left > 0 and (piece := client.recv(65536)):
            left -= len(piece)
