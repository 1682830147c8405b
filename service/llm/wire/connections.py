"""Keeps connections to one model server open, on gevent's sockets."""

import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, unquote

from gevent import monkey
from gevent.ssl import PROTOCOL_TLS_CLIENT, SSLContext
from geventhttpclient.connectionpool import ConnectionPool

from service.llm.wire.address import Address, basic_credentials
from service.llm.wire.dialing import Dialer
from service.llm.wire.proxies import proxy_for

# NAT and load balancers silently drop idle connections
IDLE_SECONDS = 30
# keepalive notices a dead peer that seems to be thinking, and keeps NAT and load balancers from dropping the connection
SOCKET_OPTIONS = (
    # a request is a single write: there is nothing to wait for
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)

# the unpatched poll: gevent's select switches to other greenlets, and supports no descriptor above 1023
_poll: Callable[[], Any] = monkey.get_original("select", "poll")


class Connections(ConnectionPool):
    """Keeps connections as long as they can be trusted, and checks them before reuse."""

    def __init__(
        self, address: Address, proxy: SplitResult | None, connect_seconds: float, size: int
    ) -> None:
        place = (proxy.hostname or "", proxy.port or 80) if proxy else (address.host, address.port)
        user, password = (proxy.username, proxy.password) if proxy else (None, None)
        super().__init__(
            *place,
            address.host,
            address.port,
            size=size,
            connection_timeout=connect_seconds,
            use_proxy=proxy is not None,
            proxy_user=None if user is None else unquote(user),
            proxy_password=None if password is None else unquote(password),
        )
        self._dialer = Dialer(*place, connect_seconds)
        self._tls = _trusting_the_system() if address.secure else None
        self._idle_since: dict[int, float] = {}
        self._looked_at: set[int] = set()
        self.secure = address.secure

    def kept(self) -> Any | None:
        """A kept connection, if there is one. Does not wait."""
        while not self._socket_queue.empty() and self._semaphore.acquire(blocking=False):
            sock = self._socket_queue.get_nowait()
            if self._is_socket_alive(sock):
                self._looked_at.discard(sock.fileno())
                return sock
            self.release_socket(sock)
        return None

    def take(self) -> tuple[Any, bool]:
        """A connection, and whether it was used before. Raises what connecting raises."""
        sock = self.get_socket()
        kept = sock.fileno() in self._looked_at
        self._looked_at.discard(sock.fileno())
        return sock, kept

    def fresh(self) -> Any:
        """A new connection."""
        self._semaphore.acquire()
        try:
            return self._create_socket()
        except BaseException:
            self._semaphore.release()
            raise

    def return_socket(self, sock: Any) -> None:
        if self._socket_queue.full():
            # more were opened than are kept
            self.release_socket(sock)
            return
        self._idle_since[sock.fileno()] = time.monotonic()
        super().return_socket(sock)

    def _is_socket_alive(self, sock: Any) -> bool:
        fileno = sock.fileno()
        idle_since = self._idle_since.pop(fileno, None)
        if idle_since is None or time.monotonic() - idle_since > IDLE_SECONDS:
            return False
        poller = _poll()
        poller.register(fileno, select.POLLIN)
        if poller.poll(0):
            return False
        self._looked_at.add(fileno)
        return True

    def _create_socket(self) -> Any:
        sock = self._dialer.connect()
        try:
            for option in SOCKET_OPTIONS:
                sock.setsockopt(*option)
            sock.settimeout(self.connection_timeout)
            return self._secured(sock) if self._tls else sock
        except BaseException:
            sock.close()
            raise

    def _secured(self, sock: Any) -> Any:
        assert self._tls is not None
        if self._use_proxy:
            self._setup_proxy(sock)
        secured = self._tls.wrap_socket(
            sock, server_hostname=self._request_host, do_handshake_on_connect=False
        )
        # the TLS socket now owns the descriptor
        try:
            secured.do_handshake()
        except BaseException:
            secured.close()
            raise
        return secured


def _trusting_the_system() -> Any:
    """Verifies host names and certificates; honours SSL_CERT_FILE and SSL_CERT_DIR."""
    context = SSLContext(PROTOCOL_TLS_CLIENT)
    context.load_default_certs()
    return context


@dataclass(frozen=True)
class Server:
    """Where requests go. headers: sent with every request. prefix: goes before the target in the request line."""

    address: Address
    headers: dict[str, str]
    prefix: str
    connections: Connections

    def request(self, method: str, target: str, body: bytes, headers: dict[str, str]) -> bytes:
        lines = [f"{method} {self.prefix}{target} HTTP/1.1", f"Host: {self.address.netloc}"]
        lines += [f"{name}: {value}" for name, value in (self.headers | headers).items()]
        lines += [f"Content-Length: {len(body)}", "", ""]
        return "\r\n".join(lines).encode("latin-1") + body


def server_at(
    address: Address, headers: dict[str, str], connect_seconds: float, connections: int
) -> Server:
    """Raises UnusableProxy."""
    proxy = proxy_for(address)
    pool = Connections(address, proxy, connect_seconds, connections)
    if proxy is None or address.secure:
        return Server(address, headers, "", pool)
    authorization = basic_credentials(proxy)
    own = {"Proxy-Authorization": authorization} if authorization else {}
    return Server(address, headers | own, address.origin, pool)
