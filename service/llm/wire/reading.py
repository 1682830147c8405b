"""Interprets a response, whichever transport delivers it: chunks of an answer, or an error."""

from collections.abc import Mapping

from service.chat.events import Chunk
from service.errors import UpstreamError
from service.llm.wire.coding import Decoder, decoder_for
from service.llm.wire.errors import of_response
from service.llm.wire.frames import FrameReader
from service.llm.wire.think_tags import Stripped

MOST_REFUSAL_BYTES = 65536


class Reading:
    """Call begin() with the head, read() with each piece of the body, and end() at its end. Raises ChatErrors."""

    def __init__(self, *, strip_think_tags: Stripped = "false") -> None:
        self._frames = FrameReader(strip_think_tags=strip_think_tags)
        self._decoder: Decoder | None = None
        self._headers: Mapping[str, str] = {}
        self._status = 0
        self._refusal = b""

    @property
    def begun(self) -> bool:
        return self._status > 0

    @property
    def refuses(self) -> bool:
        return self.begun and not 200 <= self._status < 300

    @property
    def done(self) -> bool:
        """Whether the server has sent its end mark."""
        return self._frames.done

    @property
    def overrun(self) -> bool:
        """Whether anything came after the end mark."""
        return self._frames.overrun

    @property
    def failed(self) -> bool:
        """Whether the next read will raise."""
        return self._frames.failed

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """headers: by lower-case name."""
        self._status, self._headers = status, headers
        if coding := headers.get("content-encoding"):
            try:
                self._decoder = decoder_for(coding)
            except UpstreamError:
                self._illegible()

    def read(self, data: bytes) -> Chunk | None:
        if self._decoder is not None:
            data = self._decoded(data)
        if not self.refuses:
            return self._frames.read(data)
        self._refusal += data
        if len(self._refusal) >= MOST_REFUSAL_BYTES:
            raise self._refused()
        return None

    def _decoded(self, data: bytes) -> bytes:
        assert self._decoder is not None
        try:
            return self._decoder.decode(data)
        except UpstreamError:
            self._illegible()
            return b""

    def _illegible(self) -> None:
        """Re-raises the error of an unreadable body, unless the response is a refusal, whose status says enough."""
        if not self.refuses:
            raise  # noqa: PLE0704 - it is called where an error is handled

    def end(self, *, whole: bool) -> Chunk | None:
        """whole: the body ended properly."""
        if self.refuses:
            raise self._refused()
        return self._frames.end(whole=whole)

    def _refused(self) -> Exception:
        return of_response(self._status, self._headers, self._refusal[:MOST_REFUSAL_BYTES])
