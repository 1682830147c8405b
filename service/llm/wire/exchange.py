"""Sends one request and receives the bytes that come back, in steps no longer than a tick."""

import contextlib
import errno
import re
import ssl
from collections.abc import Callable
from time import monotonic
from typing import Any

import gevent

from service.llm.wire.arrivals import arrivals
from service.llm.wire.connections import Connections

# a larger buffer would be mapped again for each read, which costs more than the read
RECEIVE_BYTES = 65536
# what a server says on a connection that it is about to close, because no request came
FAREWELL = re.compile(
    rb"HTTP/1\.[01] 408\b(?:[^\r\n]*\r?\n)+?connection:[ \t]*close\b", re.IGNORECASE
)
# what comes later is about this request
FAREWELL_SECONDS = 1.0
NOTHING_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Exchange:
    """request: returns its bytes, given how often it was sent before.

    A kept connection that ends before the answer's first byte was already dead: it is replaced by a new one, once.
    So is one on which the server gave up waiting for a request as this one was sent.
    """

    def __init__(
        self, connections: Connections, request: Callable[[int], bytes], tick_seconds: float
    ) -> None:
        self._connections = connections
        self._request = request
        self._tick_seconds = tick_seconds
        self._arrivals = arrivals(tick_seconds).here()
        self._socket: Any = None
        self._watcher: Any = None
        self.sent = False
        self._kept = False
        self._asked_at = 0.0
        self._closed = False
        self._error: Exception | None = None
        self._opening: Any = None
        if not self._ask_at_once():
            # DNS, connect and TLS can take long, and cannot tick
            self._opening = gevent.spawn(self._for_reader, self._open)

    @property
    def connected(self) -> bool:
        return self._socket is not None

    def receive(self, *, slow: bool = False) -> bytes | None:
        """What has arrived; None: nothing within a tick; empty: the connection is closed. Raises OSErrors.

        slow: nothing is expected to be there yet, and the last read took all there was.
        """
        try:
            if self._opening is not None and not self._opened():
                return None
            if self._error is not None:
                raise self._error
            data = self._received(slow=slow)
        except OSError:
            if not self._kept:
                raise
            data = b""
        if self._kept and data is not None and (not data or self._is_farewell(data)):
            self._replace()
            return None
        self._kept = self._kept and data is None
        return data

    def end(self, *, reusable: bool) -> None:
        """Ends the exchange at once, at any point. reusable: the answer was read to its end."""
        self._closed = True
        if self._opening is not None:
            self._opening.kill(block=False)
        sock = self._let_go()
        if sock is None:
            return
        if reusable:
            self._connections.return_socket(sock)
        else:
            self._connections.release_socket(sock)

    def _ask_at_once(self) -> bool:
        """Sends over a kept connection, if there is one; what does not fit into its buffer is sent later."""
        sock = self._connections.kept()
        if sock is None:
            return False
        self._socket, self._kept = sock, True
        self._for_reader(self._send_what_fits)
        return True

    def _send_what_fits(self) -> None:
        request, sent = self._request(0), 0
        self._asked_at = monotonic()
        self._socket.settimeout(0.0)
        # reading will show whether the connection is dead
        with contextlib.suppress(OSError):
            sent = self._socket.send(request)
        self.sent = sent == len(request)
        if not self.sent:
            rest = request[sent:]
            self._opening = gevent.spawn(self._for_reader, lambda: self._send(rest))

    def _for_reader(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception as error:  # noqa: BLE001 - it is raised in the reader
            self._error = error

    def _open(self) -> None:
        sock, self._kept = self._connections.take()
        self._ask(sock, 0)

    def _open_fresh(self) -> None:
        self._ask(self._connections.fresh(), 1)

    def _ask(self, sock: Any, sent_before: int) -> None:
        if self._closed:
            self._connections.release_socket(sock)
            return
        self._socket, self._asked_at = sock, monotonic()
        self._send(self._request(sent_before))

    def _send(self, request: bytes) -> None:
        # sending a long conversation takes time; the caller has the deadlines
        self._socket.settimeout(None)
        self._socket.sendall(request)
        self.sent = True

    def _opened(self) -> bool:
        self._opening.join(self._tick_seconds)
        if not self._opening.ready():
            return False
        self._opening = None
        return True

    def _replace(self) -> None:
        sock = self._let_go()
        self._kept, self._error = False, None
        if sock is not None:
            self._connections.release_socket(sock)
        self._opening = gevent.spawn(self._for_reader, self._open_fresh)

    def _is_farewell(self, data: bytes) -> bool:
        return FAREWELL.match(data) is not None and monotonic() - self._asked_at < FAREWELL_SECONDS

    def _let_go(self) -> Any:
        """The socket, if there is one, which is no longer ours."""
        sock, self._socket = self._socket, None
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.close()
        return sock

    def _received(self, *, slow: bool) -> bytes | None:
        data = None if slow else self._at_hand()
        if data is None:
            if self._watcher is None:
                self._watcher = self._arrivals.watch(self._socket.fileno())
            self._arrivals.wait(self._watcher)
            # after a tick, too: our loop may have been late
            data = self._at_hand()
        if data and self._connections.secure:
            data += self._rest_at_hand(RECEIVE_BYTES - len(data))
        return data

    def _at_hand(self) -> bytes | None:
        """Data that is already in the kernel; None if there is none."""
        self._socket.settimeout(0.0)
        try:
            data: bytes = self._socket.recv(RECEIVE_BYTES)
        except TimeoutError as error:
            if error.errno == errno.ETIMEDOUT:
                raise
            return None
        except NOTHING_YET:
            return None
        return data

    def _rest_at_hand(self, most_bytes: int) -> bytes:
        """Reads further TLS records: each read returns one, and servers send one per token."""
        data = b""
        # an error now will occur again at the next read, after these bytes were used
        with contextlib.suppress(OSError):
            while len(data) < most_bytes and (more := self._at_hand()):
                data += more
        return data
