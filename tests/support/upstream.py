"""An HTTP server whose every byte a test decides: what nginx is put in front of.

def answer(request, connection):
    connection.sendall(whole(200, b"hi"))

with Upstream(answer) as upstream:
    ...
    upstream.requests[0].headers["x-request-id"]
"""

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Request:
    """connection: its number, to see which requests shared one."""

    method: str
    path: str
    version: str
    headers: dict[str, str]
    body: bytes
    connection: int


Answer = Callable[[Request, socket.socket], None]


def whole(status: int, body: bytes, **headers: str) -> bytes:
    """A response with a length; header names are written with underscores."""
    lines = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} -\r\n{head}\r\n".encode() + body


def problem(status: int, code: str) -> bytes:
    return whole(status, json.dumps({"error": {"code": code}}).encode())


STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)


def chunk(data: bytes) -> bytes:
    """One piece of a chunked body; an empty one ends it."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class Upstream:
    """One listener; a thread per connection, which it keeps until its peer or `answer` closes it. tls: the server's."""

    def __init__(
        self,
        answer: Answer,
        address: tuple[str, int] = ("127.0.0.1", 0),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._answer = answer
        self._tls = tls
        self._listener = socket.create_server(address, backlog=128)
        self.host, self.port = self._listener.getsockname()
        self.address = f"{self.host}:{self.port}"
        self.requests: list[Request] = []
        self.connections: list[socket.socket] = []
        self.closed = threading.Semaphore(0)
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        """Nobody listens here any more, and open connections are cut."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection = self._secured(self._listener.accept()[0])
                self.connections.append(connection)
                number = len(self.connections)
                threading.Thread(target=self._serve, args=(connection, number), daemon=True).start()

    def _secured(self, connection: socket.socket) -> socket.socket:
        if self._tls is None:
            return connection
        # the handshake belongs to the connection's own thread
        return self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)

    def _serve(self, connection: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as reader:
            while (request := _read(reader, number)) is not None:
                self.requests.append(request)
                self._answer(request, connection)
        self.closed.release()


def _read(reader: Any, connection: int) -> Request | None:
    line = reader.readline().decode().split()
    if len(line) < 3:
        return None
    headers = {}
    while (header := reader.readline().strip()) != b"":
        name, _, value = header.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    body = reader.read(int(headers.get("content-length", 0)))
    return Request(line[0], line[1], line[2], headers, body, connection)


def cut(connection: socket.socket) -> None:
    """The connection ends here, in the middle of whatever it was; close() would leave it to its reader."""
    connection.shutdown(socket.SHUT_RDWR)


def gone(connection: socket.socket, timeout: float = 15) -> bool:
    """Whether the peer closes within this time."""
    try:
        connection.settimeout(timeout)
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        # its own thread has seen the peer go, and closed it
        return True
