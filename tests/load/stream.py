"""One streamed answer as its reader feels it: when text came, and how the body ended.

A raw socket on purpose: HTTP clients that read in blocks show the first token when a block is full, and http.client
takes a cut chunked body for a proper end.
"""

import json
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

RECEIVE_BYTES = 65536
TIMEOUT_SECONDS = 180


@dataclass
class Answer:
    """Times in seconds, from the sending of the request. error: None for an answer that ended as promised."""

    first_token: float | None = None
    gaps: list[float] = field(default_factory=list)
    total: float = 0.0
    characters: int = 0
    error: str | None = None


def ask(host: str, question: str) -> Answer:
    """POST /chat/stream at host (http://… or https://…). Never raises: what went wrong is in `error`."""
    answer = Answer()
    began = time.monotonic()
    try:
        _read(host, question, answer, began)
    except (OSError, ValueError, IndexError) as error:
        answer.error = f"{type(error).__name__}"
    answer.total = time.monotonic() - began
    return answer


def _read(host: str, question: str, answer: Answer, began: float) -> None:
    with _connected(host) as connection:
        connection.sendall(_request(host, question))
        reader = connection.makefile("rb")
        status = int(reader.readline().split()[1])
        chunked = _skip_headers(reader)
        if status != 200 or not chunked:
            answer.error = f"HTTP {status}"
            return
        ended = _follow(_frames(_chunks(reader)), answer, began)
        answer.error = answer.error or (None if ended else "cut: no done and no error")


def _follow(frames: Iterator[bytes], answer: Answer, began: float) -> bool:
    """Whether a terminal event came."""
    ended = False
    last_at = None
    for frame in frames:
        if frame.startswith(b"event: token"):
            now = time.monotonic()
            answer.characters += len(json.loads(frame.partition(b"data: ")[2])["text"])
            if answer.first_token is None:
                answer.first_token = now - began
            elif last_at is not None:
                answer.gaps.append(now - last_at)
            last_at = now
        elif frame.startswith(b"event: done"):
            ended = True
        elif frame.startswith(b"event: error"):
            ended = True
            answer.error = "error: " + json.loads(frame.partition(b"data: ")[2])["code"]
    return ended


def _frames(chunks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *frames, rest = (rest + chunk).split(b"\n\n")
        yield from frames


def _chunks(reader: Any) -> Iterator[bytes]:
    """Raises ValueError for a body that ends before its last chunk."""
    while size := int(reader.readline(), 16):
        data = reader.read(size + 2)
        if len(data) < size + 2:
            raise ValueError("cut")
        yield data[:-2]


def _skip_headers(reader: Any) -> bool:
    chunked = False
    while (line := reader.readline().strip().lower()) != b"":
        chunked = chunked or (line.startswith(b"transfer-encoding:") and b"chunked" in line)
    return chunked


def _connected(host: str) -> socket.socket:
    url = urlsplit(host)
    secure = url.scheme == "https"
    address = (url.hostname or "localhost", url.port or (443 if secure else 80))
    plain = socket.create_connection(address, timeout=TIMEOUT_SECONDS)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not secure:
        return plain
    return ssl.create_default_context().wrap_socket(plain, server_hostname=address[0])


def _request(host: str, question: str) -> bytes:
    body = json.dumps({"question": question}).encode()
    head = (
        f"POST /chat/stream HTTP/1.1\r\nHost: {urlsplit(host).netloc}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
