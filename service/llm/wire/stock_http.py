"""The HTTP client below the openai package: it connects, uses proxies and requests targets like the lean client."""

import contextlib
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import httpcore2
import httpx2
from httpcore2._backends.sync import SyncStream

from service.llm.wire.address import Address
from service.llm.wire.connections import SOCKET_OPTIONS
from service.llm.wire.dialing import Dialer
from service.llm.wire.give_way import GiveWay
from service.llm.wire.heads import Heads
from service.llm.wire.proxies import proxy_for

# carries the target for the request line; removed before the request is sent
TARGET = "x-target"
# a head, and what may arrive with it in one read
MOST_HEAD_BYTES = 262_144


def http_client(
    address: Address, timeout: Any, connections: int, refuse: Callable[[Any], None]
) -> httpx2.Client:
    """refuse: called with each response.

    Keeps no connections. Of the environment, only proxies and certificates apply.
    """
    return httpx2.Client(
        transport=_Transport(address, connections),
        timeout=timeout,
        trust_env=False,
        follow_redirects=False,
        event_hooks={"response": [refuse]},
    )


class _Transport(httpx2.HTTPTransport):
    """Raises UnusableProxy."""

    def __init__(self, address: Address, connections: int) -> None:
        proxy = proxy_for(address)
        super().__init__(
            # SSL_CERT_FILE and SSL_CERT_DIR are honoured
            verify=ssl.create_default_context(),
            limits=httpx2.Limits(max_connections=connections, max_keepalive_connections=0),
            proxy=proxy.geturl() if proxy else None,
        )
        self._pool._network_backend = _SideBySide()  # noqa: SLF001 - there is no public way

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        target = request.headers.pop(TARGET)
        request.url = request.url.copy_with(raw_path=target.encode())
        request.extensions = {**request.extensions, "trace": _Watch()}
        return super().handle_request(request)


class _SideBySide(httpcore2.SyncBackend):
    def __init__(self) -> None:
        self._dialers: dict[tuple[str, int, float], Dialer] = {}

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore2.NetworkStream:
        key = (host, port, timeout or 3.0)
        dialer = self._dialers.setdefault(key, Dialer(*key))
        with _failures():
            sock = dialer.connect()
            for option in SOCKET_OPTIONS:
                sock.setsockopt(*option)
        return _Paced(SyncStream(sock))


class _Watch:
    """Called with every event of a request: tells the connection when the head of the response is complete."""

    def __init__(self) -> None:
        self._streams: list[_Paced] = []

    def __call__(self, event: str, info: dict[str, Any]) -> None:
        made = info.get("return_value")
        if isinstance(made, _Paced):
            self._streams.append(made)
        elif event == "http11.receive_response_headers.complete":
            for stream in self._streams:
                stream.headed = True


class _Paced(httpcore2.NetworkStream):
    """Lets other streams run between the reads of a server that floods; rewrites the head, and limits its size.

    Without the limit, interim responses (1xx) would be read endlessly.
    """

    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream
        self._others = GiveWay()
        self._head_bytes = 0
        self._heads = Heads()
        self.headed = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = self._read(max_bytes, timeout)
        while data and not self.headed:
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES:
                raise httpcore2.RemoteProtocolError("endless head")
            if ready := self._heads.take(data):
                # an empty piece would mean the end
                return ready
            data = self._read(max_bytes, timeout)
        return data

    def _read(self, max_bytes: int, timeout: float | None) -> bytes:
        self._others.wait()
        data: bytes = self._stream.read(max_bytes, timeout)
        self._others.took(len(data))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, timeout)

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    def start_tls(self, *args: Any, **kwargs: Any) -> "_Paced":
        return _Paced(self._stream.start_tls(*args, **kwargs))


@contextlib.contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise httpcore2.ConnectTimeout(str(error)) from error
    except (OSError, socket.gaierror) as error:
        raise httpcore2.ConnectError(str(error)) from error
