"""A client that sees the bytes themselves and how they ended."""

import json
import re
import socket
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from tests.support.simulator import SimulatorProcess
from tests.support.sse import Parser

_SIZE_LINE = re.compile(rb"([0-9a-f]+)\r\n")


@dataclass(frozen=True)
class Reply:
    """`ending`: whole, closed (before the end the framing promised) or reset."""

    raw: bytes
    ending: str

    @property
    def head(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[0]

    @property
    def status(self) -> int:
        return int(self.head.split()[1])

    @property
    def headers(self) -> dict[str, str]:
        lines = self.head.decode().split("\r\n")[1:]
        return {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}

    @property
    def body(self) -> bytes:
        rest = self.raw.partition(b"\r\n\r\n")[2]
        return b"".join(chunks_of(rest)) if b"chunked" in self.head else rest

    @property
    def chunks(self) -> list[bytes]:
        return chunks_of(self.raw.partition(b"\r\n\r\n")[2])

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[str]:
        return [event.data for event in Parser().feed(self.body)]

    @property
    def frames(self) -> list[dict[str, Any]]:
        """The events that are JSON."""
        return [json.loads(data) for data in self.events if data != "[DONE]"]

    @property
    def text(self) -> str:
        return text_of(self.frames)

    @property
    def finish(self) -> str | None:
        finishes = (c["finish_reason"] for frame in self.frames for c in frame.get("choices", ()))
        return next((finish for finish in finishes if finish), None)


def text_of(frames: list[dict[str, Any]]) -> str:
    deltas = (choice["delta"] for frame in frames for choice in frame.get("choices", ()))
    return "".join(delta.get("content") or "" for delta in deltas)


def chunks_of(body: bytes) -> list[bytes]:
    """The chunks that have arrived; the last chunk is an empty one."""
    chunks, start = [], 0
    while match := _SIZE_LINE.match(body, start):
        end = match.end() + int(match[1], 16)
        chunks.append(body[match.end() : end])
        start = end + 2
    return chunks


def is_whole(raw: bytearray) -> bool:
    start = raw.find(b"\r\n\r\n") + 4
    if start < 4:
        return False
    head = bytes(raw[:start])
    if b"chunked" in head:
        return raw.endswith(b"0\r\n\r\n") and chunks_of(bytes(raw[start:]))[-1:] == [b""]
    length = re.search(rb"Content-Length: (\d+)", head)
    return length is not None and len(raw) - start == int(length[1])


class Client:
    def __init__(
        self, simulator: SimulatorProcess, *, receive_bytes: int = 0, timeout: float = 20
    ) -> None:
        self.socket = socket.socket()
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(timeout)
        self.socket.connect(("127.0.0.1", simulator.port))
        self._unread = b""

    def post(self, payload: Any, *lines: str, version: str = "1.1") -> None:
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        head = (f"POST /v1/chat/completions HTTP/{version}", "Host: simulator", *lines)
        length = f"Content-Length: {len(body)}"
        self.socket.sendall("\r\n".join((*head, length, "", "")).encode() + body)

    def read_until(self, marker: bytes) -> bytes:
        """All up to and with the marker; the rest is kept for the next call."""
        while marker not in self._unread:
            data = self._receive()
            assert data, f"the connection ended before {marker!r}"
            self._unread += data
        end = self._unread.index(marker) + len(marker)
        data, self._unread = self._unread[:end], self._unread[end:]
        return data

    def read(self) -> Reply:
        """One response, to its end."""
        raw = bytearray()
        while not is_whole(raw):
            try:
                data = self._receive()
            except ConnectionResetError:
                return Reply(bytes(raw), "reset")
            if not data:
                return Reply(bytes(raw), "closed")
            raw += data
        return Reply(bytes(raw), "whole")

    def _receive(self) -> bytes:
        return self.socket.recv(65536)

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def question(text: str = "", *, stream: bool = True, model: str = "sim", **more: Any) -> dict:
    messages = [{"role": "user", "content": text}]
    return {"model": model, "messages": messages, "stream": stream, **more}


def ask(simulator: SimulatorProcess, text: str = "", **more: Any) -> Reply:
    """One request on a connection of its own."""
    with Client(simulator) as client:
        client.post(question(text, **more))
        return client.read()
