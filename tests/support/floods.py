"""Endless output of a model server: each is a reply for tests.support.model_server."""

import itertools
import socket
from collections.abc import Callable

from tests.support.model_server import Piece, stream, text
from tests.support.upstream import chunk

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def endless(piece: bytes) -> Callable[[socket.socket], None]:
    """Until the service has had enough."""

    def write(connection: socket.socket) -> None:
        for _ in itertools.count():
            connection.sendall(piece)

    return write


FLOODS: dict[str, list[Piece]] = {
    "headers": [b"HTTP/1.1 200 OK\r\n", endless(b"X-Header: y\r\n" * 100)],
    "one header line": [b"HTTP/1.1 200 OK\r\nX-Header: ", endless(b"y" * 10_000)],
    "interim answers": [endless(b"HTTP/1.1 102 Processing\r\n\r\n" * 100)],
    "trailers": [b"".join(stream(text("a"), end=False)), b"0\r\n", endless(b"X-Header: y\r\n" * 100)],
    "comments": [HEAD, endless(chunk(b": hold on\n\n" * 500))],
    "short comments": [HEAD, endless(chunk(b":\n" * 5000))],
    "one comment": [HEAD, endless(chunk(b":" * 10_000))],
    "one frame": [HEAD, chunk(b"data: "), endless(chunk(b"x" * 10_000))],
    "one frame by bytes": [HEAD, chunk(b"data: "), endless(chunk(b"x") * 2000)],
    "empty frames": [HEAD, endless(chunk(b"data: {}\n" * 1000))],
    "blank lines": [HEAD, endless(chunk(b"\n" * 10_000))],
    "a bare body": [HEAD, chunk(b"{\n"), endless(chunk(b'"a":1,\n' * 1000))],
    "a refusal": [b"HTTP/1.1 400 No\r\nTransfer-Encoding: chunked\r\n\r\n", endless(chunk(b"x" * 10_000))],
}  # fmt: skip
