"""One client's socket: requests in, bytes out, and noticing that it left."""

import contextlib
import select
import socket
import ssl
import struct
from collections.abc import Callable
from typing import Protocol

from tests.simulator.http_request import MalformedRequestError, Request, RequestParser
from tests.simulator.loop import Loop

_WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_READ = select.EPOLLIN | select.EPOLLRDHUP
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_MAX_PIPELINED_BYTES = 1024 * 1024
# Above the 16 KiB of a TLS record: what OpenSSL kept back would wake no epoll.
_RECEIVE_BYTES = 65536
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Exchange(Protocol):
    """What answers the current request."""

    def on_writable(self) -> None:
        """All that was sent is with the kernel."""

    def abandon(self) -> None:
        """The client has gone."""


class Connection:
    def __init__(
        self,
        sock: socket.socket,
        number: int,
        loop: Loop,
        on_request: Callable[["Connection", Request], None],
        on_close: Callable[["Connection"], None],
    ) -> None:
        self.number = number
        self.exchange: Exchange | None = None
        self.is_control = False
        self.closed = False
        self.sent_bytes = 0
        self._socket = sock
        self._fd = sock.fileno()
        self._loop = loop
        self._on_request = on_request
        self._on_close = on_close
        self._parser = RequestParser()
        self._unsent: memoryview | None = None
        loop.watch(self._fd, _READ, self)

    def on_event(self, mask: int) -> None:
        if mask & select.EPOLLOUT:
            self._flush()
        if not self.closed and mask & ~select.EPOLLOUT:
            self._receive()

    def send(self, data: bytes) -> bool:
        """True if the kernel took all of it; else the exchange hears `on_writable` later.

        One write at a time: nothing may be sent before that.
        """
        try:
            sent = self._socket.send(data)
        except _WOULD_BLOCK:
            sent = 0
        except OSError:
            self._unsent = memoryview(data)
            self._gone()
            return False
        self.sent_bytes += sent
        if sent == len(data):
            return True
        self._unsent = memoryview(data)[sent:]
        self._loop.change(self._fd, _READ | select.EPOLLOUT)
        return False

    def next(self) -> None:
        """The exchange is over: look for a request that waits already."""
        self.exchange = None
        self._take_requests()

    def close(self, *, reset: bool = False) -> None:
        if self.closed:
            return
        self.closed = True
        self._loop.forget(self._fd)
        if reset:
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._socket.close()
        self._on_close(self)

    def _flush(self) -> None:
        if self._unsent is None:
            return
        try:
            sent = self._socket.send(self._unsent)
        except _WOULD_BLOCK:
            return
        except OSError:
            self._gone()
            return
        self.sent_bytes += sent
        self._unsent = self._unsent[sent:]
        if not self._unsent:
            self._unsent = None
            self._loop.change(self._fd, _READ)
        if self.exchange is not None:
            self.exchange.on_writable()

    @property
    def is_flushed(self) -> bool:
        return self._unsent is None

    def _receive(self) -> None:
        try:
            data = self._socket.recv(_RECEIVE_BYTES)
        except _WOULD_BLOCK:
            return
        except OSError:
            self._gone()
            return
        if not data:
            # A client that closes only its sending side counts as gone, as with most servers.
            self._gone()
            return
        self._parser.feed(data)
        if self.exchange is None:
            self._take_requests()
        elif self._parser.buffered_bytes > _MAX_PIPELINED_BYTES:
            self._gone()

    def _take_requests(self) -> None:
        try:
            request = self._parser.next_request()
        except MalformedRequestError:
            self.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            self.close()
            return
        if request is not None:
            self._on_request(self, request)
        elif self._parser.wants_continue():
            self.send(_CONTINUE)

    def _gone(self) -> None:
        exchange, self.exchange = self.exchange, None
        self.close()
        if exchange is not None:
            exchange.abandon()
