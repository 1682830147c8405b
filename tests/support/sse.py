"""A reader of Server-Sent Events that sees how the body ended.

http.client takes a cut chunked body for a proper end, so the chunks are read here.
"""

import codecs
import json
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

LINE_END = re.compile("\r\n|\n|\r")


@dataclass(frozen=True)
class Event:
    name: str
    data: str
    id: str = ""

    def json(self) -> Any:
        return json.loads(self.data)


class Parser:
    """WHATWG's event stream interpretation: bytes in, events out, split anywhere.

    What stands after the last blank line is no event. retry_ms: the reconnection time, if one was told.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._started = False
        self._after_cr = False
        self._line: list[str] = []
        self._name = ""
        self._data: list[str] = []
        self._id = ""
        self.retry_ms: int | None = None
        self.comments: list[str] = []

    def feed(self, data: bytes) -> list[Event]:
        *ends, rest = LINE_END.split(self._decoded(data))
        events: list[Event] = []
        for end in ends:
            line = "".join((*self._line, end))
            self._line = []
            if line:
                self._take(line)
            else:
                events += self._dispatch()
        self._line.append(rest)
        return events

    def _decoded(self, data: bytes) -> str:
        """Without the byte order mark, and without the second half of a CRLF whose first has ended its line already."""
        text = self._decoder.decode(data)
        if text and not self._started:
            self._started = True
            text = text.removeprefix("\ufeff")
        if text and self._after_cr:
            self._after_cr = False
            text = text.removeprefix("\n")
        if text:
            self._after_cr = text.endswith("\r")
        return text

    def _take(self, line: str) -> None:
        if line.startswith(":"):
            self.comments.append(line[1:])
            return
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            self._name = value
        elif field == "data":
            self._data.append(value)
        elif field == "id" and "\0" not in value:
            self._id = value
        elif field == "retry" and value.isascii() and value.isdigit():
            self.retry_ms = int(value)

    def _dispatch(self) -> list[Event]:
        data, name = self._data, self._name
        self._data, self._name = [], ""
        return [Event(name or "message", "\n".join(data), self._id)] if data else []


class Stream:
    """POST /chat/stream over a raw socket. status and headers are there at once; iterate for events.

    whole: the body's last chunk was seen. A response that is no stream has its body in `body`.
    """

    def __init__(
        self,
        host: str,
        port: int,
        payload: Any,
        headers: dict[str, str] | None = None,
        *,
        path: str = "/chat/stream",
        timeout: float = 60,
        receive_bytes: int | None = None,
    ) -> None:
        body = json.dumps(payload).encode()
        lines = {
            "Host": f"{host}:{port}",
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **(headers or {}),
        }
        head = f"POST {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items())
        self.socket = socket.socket()
        if receive_bytes is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(timeout)
        self.socket.connect((host, port))
        self.socket.sendall(head.encode() + b"\r\n" + body)
        self._file = self.socket.makefile("rb")
        self._parser = Parser()
        self.whole = False
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""

    def open(self) -> Self:
        """Reads the response's head."""
        if self.status:
            return self
        line = self._file.readline().split()
        if len(line) < 2:
            raise ConnectionError("no response")
        self.status = int(line[1])
        while (header := self._file.readline().strip()) != b"":
            name, _, value = header.decode().partition(":")
            self.headers[name.lower()] = value.strip()
        if "content-length" in self.headers:
            self.body = self._file.read(int(self.headers["content-length"]))
            self.whole = len(self.body) == int(self.headers["content-length"])
        return self

    def __iter__(self) -> Iterator[Event]:
        self.open()
        for chunk in self._chunks():
            yield from self._parser.feed(chunk)

    def events(self) -> list[Event]:
        """All of them, to the end of the body."""
        return list(self)

    def text(self) -> str:
        """The answer, restarts honoured."""
        text = ""
        for event in self:
            if event.name == "restart":
                text = ""
            elif event.name == "token":
                text += event.json()["text"]
        return text

    @property
    def comments(self) -> list[str]:
        return self._parser.comments

    def close(self) -> None:
        self._file.close()
        self.socket.close()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _chunks(self) -> Iterator[bytes]:
        if self.body or self.whole:
            return
        while True:
            try:
                size = int(self._file.readline().strip() or b"-1", 16)
            except (ValueError, ConnectionError):
                return
            if size < 0:
                return
            data = self._file.read(size)
            if len(data) < size:
                return
            self._file.readline()
            if size == 0:
                self.whole = True
                return
            yield data
