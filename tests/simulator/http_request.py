"""Requests out of bytes, however these are cut. No I/O here."""

from dataclasses import dataclass
from urllib.parse import parse_qsl

MAX_HEAD_BYTES = 65536
MAX_BODY_BYTES = 64 * 1024 * 1024


class MalformedRequestError(ValueError):
    """Bytes that are no HTTP request; nothing after them can be read."""


@dataclass(slots=True)
class Request:
    method: str
    target: str
    version: str
    headers: dict[str, str]
    body: bytes = b""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.target.partition("?")[2], keep_blank_values=True))

    @property
    def keeps_alive(self) -> bool:
        connection = self.headers.get("connection", "").lower()
        return self.version == "HTTP/1.1" and connection != "close"

    @property
    def expects_continue(self) -> bool:
        return self.headers.get("expect", "").lower() == "100-continue"


class RequestParser:
    """`feed` bytes, take whole requests with `next_request`."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._head: Request | None = None
        self._asked_to_continue = False

    def feed(self, data: bytes) -> None:
        self._buffer += data

    @property
    def buffered_bytes(self) -> int:
        return len(self._buffer)

    def wants_continue(self) -> bool:
        """True once for a request whose client waits for `100 Continue` before the body."""
        waits = self._head is not None and self._head.expects_continue
        asks = waits and not self._asked_to_continue
        self._asked_to_continue |= asks
        return asks

    def next_request(self) -> Request | None:
        """The next whole request, or None while bytes are missing; raises MalformedRequestError."""
        if self._head is None:
            self._head = self._take_head()
        if self._head is None:
            return None
        body = self._take_body(self._head)
        if body is None:
            return None
        request, self._head = self._head, None
        self._asked_to_continue = False
        request.body = body
        return request

    def _take_head(self) -> Request | None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > MAX_HEAD_BYTES:
                raise MalformedRequestError("the head is too long")
            return None
        lines = self._buffer[:end].decode("latin-1").lstrip("\r\n").split("\r\n")
        del self._buffer[: end + 4]
        return _read_head(lines)

    def _take_body(self, head: Request) -> bytes | None:
        if "chunked" in head.headers.get("transfer-encoding", "").lower():
            return self._take_chunks()
        length = _length(head.headers.get("content-length", "0"), 10)
        if len(self._buffer) < length:
            return None
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        return body

    def _take_chunks(self) -> bytes | None:
        """The chunked body once all of it is there; until then the buffer is left alone."""
        chunks, start = [], 0
        while True:
            line_end = self._buffer.find(b"\r\n", start)
            if line_end < 0:
                return None
            size = _length(self._buffer[start:line_end].split(b";")[0].decode("latin-1"), 16)
            start = line_end + 2
            if size == 0:
                break
            if len(self._buffer) < start + size + 2:
                return None
            chunks.append(bytes(self._buffer[start : start + size]))
            start += size + 2
        end = self._end_of_trailers(start)
        if end is not None:
            del self._buffer[:end]
        return b"".join(chunks) if end is not None else None

    def _end_of_trailers(self, start: int) -> int | None:
        while (line_end := self._buffer.find(b"\r\n", start)) >= 0:
            if line_end == start:
                return line_end + 2
            start = line_end + 2
        return None


def _read_head(lines: list[str]) -> Request:
    parts = lines[0].split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise MalformedRequestError("no HTTP/1 request line")
    headers = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon:
            raise MalformedRequestError("a header line without a colon")
        headers[name.strip().lower()] = value.strip()
    return Request(parts[0], parts[1], parts[2], headers)


def _length(text: str, base: int) -> int:
    try:
        number = int(text.strip(), base)
    except ValueError:
        raise MalformedRequestError("no number where a length belongs") from None
    if not 0 <= number <= MAX_BODY_BYTES:
        raise MalformedRequestError("the body is too long")
    return number
