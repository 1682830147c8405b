"""Parses one HTTP/1.1 response, with limits, and tells whether its connection can be reused."""

from geventhttpclient.response import HTTPParseError, HTTPResponse

from service.errors import UpstreamError
from service.llm.wire.heads import Heads

# head, trailers and everything else outside the body
MOST_OVERHEAD_BYTES = 65536


class Response(HTTPResponse):
    """take() returns the part of the body in what arrived. status: None until the head is complete.

    What came before invalid HTTP is returned first; then the response has `failed`, and the next call raises. Interim
    responses (1xx) are skipped. Bytes after the response make the connection unusable, and so does a head that
    had to be rewritten: another parser may read it differently.
    """

    def __init__(self) -> None:
        super().__init__("POST")
        self.status: int | None = None
        self.fields: dict[str, str] = {}
        self.whole = False
        self._overrun = False
        self._heads = Heads()
        self._overhead_bytes = 0
        self._parts: list[bytes] = []
        self._error: UpstreamError | None = None

    @property
    def failed(self) -> bool:
        return self._error is not None

    @property
    def reusable(self) -> bool:
        strict = not (self._overrun or self._heads.lax)
        return self.whole and strict and not self.should_close()

    def take(self, data: bytes) -> bytes:
        """The body in what arrived; empty data: the connection is closed. Raises UpstreamError for invalid HTTP."""
        if self._error is None:
            self._parse(data)
        parts, self._parts = self._parts, []
        if parts:
            self._overhead_bytes = 0
            return parts[0] if len(parts) == 1 else b"".join(parts)
        if self._error is not None:
            raise self._error
        self._bound(len(data))
        return b""

    def _parse(self, data: bytes) -> None:
        try:
            if self.status is not None or not data:
                self.feed(data)
            elif ready := self._heads.take(data):
                # an empty piece would mean the end
                self.feed(ready)
        except HTTPParseError:
            if self.whole:
                self._overrun = True
            else:
                cause = "malformed: HTTP" if data else "connection closed"
                self._error = UpstreamError(cause=cause)

    def _bound(self, size: int) -> None:
        self._overhead_bytes += size
        if self._overhead_bytes > MOST_OVERHEAD_BYTES and not self.whole:
            raise UpstreamError(cause="malformed: endless headers")

    def _on_message_begin(self) -> None:
        if self.whole:
            raise HTTPParseError("a second response")
        super()._on_message_begin()

    def _on_headers_complete(self) -> int | bool | None:
        skips = super()._on_headers_complete()
        if self.status_code < 100:
            raise HTTPParseError("no status")
        if self.status_code >= 200:
            self.status = self.status_code
            self.fields = {}
            for name, value in self.items():
                said = self.fields.get(name.lower())
                self.fields[name.lower()] = str(value) if said is None else f"{said}, {value}"
        return skips

    def _on_body(self, buf: bytearray) -> None:
        self._parts.append(bytes(buf))

    def _on_message_complete(self) -> None:
        super()._on_message_complete()
        self.whole = self.status is not None
