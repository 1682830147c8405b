"""The LLM's event stream, read in one go: bytes in, one Chunk for all of it out."""

import json
from typing import Any

import orjson

from service.chat.events import Chunk, Usage
from service.errors import ChatError, UpstreamError
from service.llm.failures import in_band

BOM = b"\xef\xbb\xbf"
DONE = b"[DONE]"
# no frame of an LLM is this long; a server that never ends one must not fill the memory
MOST_FRAME_BYTES = 4 * 1024 * 1024


class FrameReader:
    """Feed it what arrived; it keeps what is not a whole frame yet.

    Raises UpstreamError for what cannot be read, or what an in-band error stands for. Text and a finish reason that
    came before are not lost: they are returned first, and the error with the next call.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._begun = False
        self._error: ChatError | None = None

    def read(self, data: bytes) -> Chunk | None:
        """One chunk of all frames that are whole now; None if there is none."""
        if self._error is not None:
            raise self._error
        chunk: Chunk | None = None
        texts: list[str] = []
        try:
            for frame in self._frames(data):
                chunk = _add(frame, chunk, texts)
        except ChatError as error:
            if not texts and (chunk is None or chunk.finish_reason is None):
                raise
            self._error = error
        if chunk is not None:
            chunk.text = "".join(texts)
        return chunk

    @property
    def failed(self) -> bool:
        return self._error is not None

    def _frames(self, data: bytes) -> list[bytes]:
        buffer = self._rest + data
        if not self._begun:
            if BOM.startswith(buffer[:3]) and len(buffer) < 3:
                self._rest = buffer
                return []
            buffer = buffer.removeprefix(BOM)
            self._begun = True
        if b"\r" in buffer:
            buffer = _with_newlines(buffer)
        *frames, self._rest = buffer.split(b"\n\n")
        if len(self._rest) > MOST_FRAME_BYTES:
            raise UpstreamError(cause="malformed: endless frame")
        return frames


def _with_newlines(buffer: bytes) -> bytes:
    """CRLF and CR as LF; a CR at the end stays, since its LF may be on the way."""
    held = b"\r" if buffer.endswith(b"\r") else b""
    body = buffer[: len(buffer) - len(held)]
    return body.replace(b"\r\n", b"\n").replace(b"\r", b"\n") + held


def _add(frame: bytes, chunk: Chunk | None, texts: list[str]) -> Chunk | None:
    data = _data_of(frame)
    if not data or data == DONE:
        return chunk
    try:
        return _merged(_parsed(data), chunk or Chunk(), texts)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise UpstreamError(cause=f"malformed: {type(error).__name__}") from None


def _parsed(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        # a server may cut between the halves of an emoji, which orjson refuses
        return json.loads(data)


def _data_of(frame: bytes) -> bytes:
    if frame.startswith(b"data: ") and b"\n" not in frame:
        return frame[6:]
    lines = [line for line in frame.split(b"\n") if line.startswith(b"data:")]
    return b"\n".join(line[5:].removeprefix(b" ") for line in lines)


def _merged(frame: dict[str, Any], chunk: Chunk, texts: list[str]) -> Chunk:
    error = frame.get("error")
    if error:
        raise in_band(error.get("code") if isinstance(error, dict) else None)
    choices = frame.get("choices")
    if choices:
        choice = choices[0]
        text = (choice.get("delta") or {}).get("content")
        if text:
            if not isinstance(text, str):
                raise TypeError
            texts.append(text)
        chunk.finish_reason = choice.get("finish_reason") or chunk.finish_reason
    usage = frame.get("usage")
    if usage:
        chunk.usage = _usage(usage) or chunk.usage
    return chunk


def _usage(reported: dict[str, Any]) -> Usage | None:
    """None if `prompt_tokens` is missing: a partial usage report counts as no report."""
    if reported.get("prompt_tokens") is None:
        return None
    cached = (reported.get("prompt_tokens_details") or {}).get("cached_tokens")
    return Usage(
        int(reported["prompt_tokens"]),
        int(reported.get("completion_tokens") or 0),
        "reported",
        cached,
    )
