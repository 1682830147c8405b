"""Kept connections to one LLM server, on gevent's sockets: DNS, TLS, proxies and reuse are geventhttpclient's."""

import base64
import select
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from gevent import monkey
from geventhttpclient.connectionpool import ConnectionPool, SSLConnectionPool

PATH = "/chat/completions"
# as the stock client's: what stands between (NAT, load balancers) forgets an idle connection without a word
IDLE_SECONDS = 30

# gevent's select waits for the loop, and knows no descriptor above 1023; this is a look
_poll: Callable[[], Any] = monkey.get_original("select", "poll")


class UnusableProxy(ValueError):
    """The environment names a proxy of a kind that this client does not speak to."""


@dataclass(frozen=True)
class Server:
    """Where requests go. target: what stands in the request line; headers: the same for every request."""

    pool: ConnectionPool
    target: str
    headers: dict[str, str]
    secure: bool

    def request(self, body: bytes, headers: dict[str, str]) -> bytes:
        lines = [f"POST {self.target} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in (self.headers | headers).items()]
        lines += [f"Content-Length: {len(body)}", "", ""]
        return "\r\n".join(lines).encode("latin-1") + body


def server_at(base_url: str, api_key: str, connect_seconds: float, connections: int) -> Server:
    """Raises UnusableProxy."""
    url = urlsplit(base_url)
    proxy = _proxy_for(url)
    secure = url.scheme == "https"
    headers = {
        "Host": url.netloc.rpartition("@")[2],
        "Authorization": f"Bearer {api_key}",
        "Content-Type": "application/json",
        "Accept": "text/event-stream",
        "User-Agent": "chat-service",
    }
    path = url.path.rstrip("/") + PATH
    if proxy is not None and not secure:
        path = f"{url.scheme}://{url.netloc}{path}"
        headers |= _proxy_authorization(proxy)
    return Server(_pool(url, proxy, connect_seconds, connections), path, headers, secure)


def _pool(
    url: SplitResult, proxy: SplitResult | None, connect_seconds: float, connections: int
) -> ConnectionPool:
    host, port = _address(url)
    via = (proxy.hostname or "", proxy.port or 8080) if proxy else (host, port)
    options: dict[str, Any] = {
        "size": connections,
        "connection_timeout": connect_seconds,
        "use_proxy": proxy is not None,
    }
    if proxy is not None and proxy.username:
        options |= {
            "proxy_user": unquote(proxy.username),
            "proxy_password": unquote(proxy.password or ""),
        }
    if url.scheme == "https":
        return _Secure(*via, host, port, ssl_context_factory=_trusting_the_system, **options)
    return _Plain(*via, host, port, **options)


class _Keeping(ConnectionPool):
    """Keeps a connection for as long as it can be trusted, and looks at it before it is used again."""

    def __init__(self, *address: Any, **options: Any) -> None:
        super().__init__(*address, **options)
        self._idle_since: dict[int, float] = {}

    def after_connect(self, sock: Any) -> None:
        # a request is one write: no need to wait for more of it
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def return_socket(self, sock: Any) -> None:
        self._idle_since[sock.fileno()] = time.monotonic()
        super().return_socket(sock)

    def _is_socket_alive(self, sock: Any) -> bool:
        fileno = sock.fileno()
        idle_since = self._idle_since.pop(fileno, None)
        if idle_since is None or time.monotonic() - idle_since > IDLE_SECONDS:
            return False
        poller = _poll()
        poller.register(fileno, select.POLLIN)
        return not poller.poll(0)


class _Plain(_Keeping): ...


class _Secure(_Keeping, SSLConnectionPool): ...


def _trusting_the_system(**_: Any) -> ssl.SSLContext:
    """SSL_CERT_FILE and SSL_CERT_DIR are honoured."""
    return ssl.create_default_context()


def _address(url: SplitResult) -> tuple[str, int]:
    return url.hostname or "", url.port or (443 if url.scheme == "https" else 80)


def _proxy_for(url: SplitResult) -> SplitResult | None:
    """As HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY say."""
    proxies = getproxies()
    named = proxies.get(url.scheme) or proxies.get("all")
    host, port = _address(url)
    if not named or proxy_bypass(f"{host}:{port}") or proxy_bypass(host):
        return None
    proxy = urlsplit(named if "://" in named else f"http://{named}")
    if proxy.scheme != "http" or not proxy.hostname:
        raise UnusableProxy(proxy.scheme)
    return proxy


def _proxy_authorization(proxy: SplitResult) -> dict[str, str]:
    if not proxy.username:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
