"""The listening socket."""

import contextlib
import select
import socket
import ssl
import time
from collections.abc import Callable

from tests.simulator.loop import Loop

_BACKLOG = 4096
_ACCEPTS_PER_ROUND = 256
# Without free file descriptors `accept` fails at once and for some time.
_PAUSE_SECONDS = 0.1


class Listener:
    def __init__(
        self,
        host: str,
        port: int,
        loop: Loop,
        tls: ssl.SSLContext | None,
        on_connection: Callable[[socket.socket], None],
    ) -> None:
        self.timer = 0
        self._loop = loop
        self._tls = tls
        self._on_connection = on_connection
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        self._socket.settimeout(0)
        self.port: int = self._socket.getsockname()[1]
        loop.watch(self._socket.fileno(), select.EPOLLIN, self)

    def on_event(self, _mask: int) -> None:
        for _ in range(_ACCEPTS_PER_ROUND):
            try:
                sock, _address = self._socket.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError:
                self._loop.change(self._socket.fileno(), 0)
                self._loop.call_at(time.monotonic() + _PAUSE_SECONDS, self)
                return
            self._prepare(sock)

    def on_time(self, _now: float) -> None:
        self._loop.change(self._socket.fileno(), select.EPOLLIN)

    def close(self) -> None:
        self._loop.forget(self._socket.fileno())
        self._socket.close()

    def _prepare(self, sock: socket.socket) -> None:
        sock.settimeout(0)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is None:
            self._on_connection(sock)
            return
        with contextlib.suppress(OSError):
            # The handshake is done by the first `recv`s.
            self._on_connection(
                self._tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
            )
