"""Splits an event stream into lines: bytes in, cut anywhere; complete lines out, with any line ending."""

from service.errors import UpstreamError

BOM = b"\xef\xbb\xbf"
# longer than any real line: a server that never ends one must not fill the memory
MOST_BYTES = 4 * 1024 * 1024


class Lines:
    """Keeps an incomplete line. Raises UpstreamError for an endless one."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._begun = False
        self._after_cr = False

    def feed(self, data: bytes) -> list[bytes]:
        if not self._begun:
            data = self._without_mark(data)
        if self._after_cr or b"\r" in data:
            data = self._with_newlines(data)
        if self._rest:
            self._rest += data
            if b"\n" not in data:
                return self._bounded()
            data = bytes(self._rest)
        lines = data.split(b"\n")
        rest = lines.pop()
        if rest or self._rest:
            self._rest = bytearray(rest)
        return lines

    def end(self) -> bytes:
        """The last line, if it had no line ending."""
        rest, self._rest = bytes(self._rest), bytearray()
        return rest

    def _bounded(self) -> list[bytes]:
        if len(self._rest) > MOST_BYTES:
            raise UpstreamError(cause="malformed: endless line")
        return []

    def _without_mark(self, data: bytes) -> bytes:
        """Removes the byte order mark, even if its bytes arrive one by one."""
        data = self.end() + data
        if len(data) < len(BOM) and BOM.startswith(data):
            self._rest = bytearray(data)
            return b""
        self._begun = True
        return data.removeprefix(BOM)

    def _with_newlines(self, data: bytes) -> bytes:
        """Converts CRLF and CR to LF. A CR ends its line at once; an LF that follows belongs to it."""
        if self._after_cr:
            data = data.removeprefix(b"\n") if data else data
        self._after_cr = data.endswith(b"\r") or (self._after_cr and not data)
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
