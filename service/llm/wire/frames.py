"""Reads a model's event stream: bytes in, one Chunk per read out."""

import json
from typing import Any

import orjson

from service.chat.events import Chunk
from service.errors import ChatError, UpstreamError
from service.llm.wire.answer import Answer
from service.llm.wire.dialect import END_MARKS, ERROR_EVENTS, PINGS
from service.llm.wire.errors import of_frame
from service.llm.wire.lines import BOM, MOST_BYTES, Lines
from service.llm.wire.think_tags import Stripped, ThinkTags


def _number(digits: str) -> float:
    """Avoids Python's limit on the length of integers."""
    return int(digits) if len(digits) < 20 else float(digits)


loads = orjson.loads
NOTHING = PINGS | {b"[%b]" % ping for ping in PINGS} | {b"", b"null", b'""'}
# what some servers write before a line: blanks to keep the connection alive, an end of string, a mark with each write
PADDING = b" \t\0" + BOM
# for what orjson rejects: halves of surrogate pairs, NaN, numbers beyond 64 bits
LENIENT = json.JSONDecoder(strict=False, parse_int=_number)


class FrameReader:
    """Takes what arrived, and keeps incomplete frames. After the end mark (`done`) nothing is read; `overrun` says
    whether anything came.

    Raises ChatErrors for errors in the stream and for what cannot be parsed. Text and a finish reason before them are
    not lost: they are returned first, and the error is raised by the next call.

    A data line that is complete JSON is a frame at once, because some servers leave out the blank line.
    """

    def __init__(self, *, strip_think_tags: Stripped = "false") -> None:
        self.done = False
        self.overrun = False
        self._answer = Answer(
            None
            if strip_think_tags == "false"
            else ThinkTags(unopened=strip_think_tags == "unopened")
        )
        self._lines = Lines()
        self._error: ChatError | None = None
        self._event = b""
        # data lines of incomplete JSON; lines of JSON without an event stream
        self._data: list[bytes] = []
        self._bare: list[bytes] = []
        self._held_bytes = 0
        self._silent_bytes = 0

    @property
    def failed(self) -> bool:
        return self._error is not None

    def read(self, data: bytes) -> Chunk | None:
        """One chunk with all complete frames; None if there is none."""
        if self._error is not None:
            raise self._error
        if self.done:
            self.overrun = self.overrun or bool(data.strip())
            return None
        try:
            self._read(self._lines.feed(data))
        except ChatError as error:
            return self._failed(error)
        chunk = self._answer.take()
        self._silent_bytes = 0 if chunk is not None else self._silent_bytes + len(data)
        if self._silent_bytes > MOST_BYTES:
            raise UpstreamError(cause="malformed: nothing said")
        return chunk

    def end(self, *, whole: bool = True) -> Chunk | None:
        """The body has ended: returns the rest. whole: it ended properly; otherwise an incomplete frame is dropped."""
        if self._error is not None:
            raise self._error
        try:
            if not self.done:
                self._end(whole=whole)
        except ChatError as error:
            return self._failed(error)
        return self._answer.take()

    def _end(self, *, whole: bool) -> None:
        if rest := self._lines.end():
            self._line(rest)
        if whole and not self.done:
            self._end_frame()
            self._end_bare()
            self._answer.end()

    def _failed(self, error: ChatError) -> Chunk | None:
        self._error = error
        chunk = self._answer.take()
        if chunk is None:
            raise error
        return chunk

    def _read(self, lines: list[bytes]) -> None:
        waiting = iter(lines)
        add = self._answer.add
        between = self._between_frames()
        for line in waiting:
            if between and line.startswith(b"data: {"):
                # the path of nearly every line, so this is the cost of a token
                try:
                    frame = loads(line[6:])
                except orjson.JSONDecodeError:
                    self._value(line[6:])
                    between = self._between_frames()
                else:
                    add(frame)
            elif line:
                self._line(line)
                between = self._between_frames()
                if self.done:
                    self.overrun = any(rest.strip() for rest in (*waiting, self._lines.end()))
            elif not between and (self._data or self._event):
                self._end_frame()
                between = self._between_frames()

    def _between_frames(self) -> bool:
        return not (self._data or self._event or self._bare)

    def _line(self, line: bytes) -> None:
        if self._bare:
            self._hold(self._bare, line)
            return
        line = line.lstrip(PADDING)
        if line[:1] in (b"{", b"["):
            self._bare_line(line.strip())
        else:
            name, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if name == b"data":
                self._data_line(value)
            elif name == b"event":
                self._event = value.strip().lower()
            elif name == b"error":
                raise of_frame({"error": _parsed(value) or value.decode("utf-8", "replace")})

    def _data_line(self, value: bytes) -> None:
        while value.startswith(b"data:"):
            # what was an event already has been made one again
            value = value[5:].removeprefix(b" ")
        if value.strip().lower() in END_MARKS:
            self._stop()
        elif self._data:
            self._hold(self._data, value)
        elif not _is_nothing(value):
            self._value(value)

    def _value(self, data: bytes) -> None:
        """A data line: a frame, or the beginning of one."""
        frame = _parsed(data)
        if frame is None:
            self._hold(self._data, data)
        else:
            self._frame(frame)

    def _frame(self, frame: Any) -> None:
        if self._event in ERROR_EVENTS:
            raise of_frame(frame)
        if isinstance(frame, dict | list) or self._event not in PINGS:
            self._add(frame)

    def _add(self, frame: Any, *, bare: bool = False) -> None:
        """A frame, or a list of frames."""
        for each in frame if isinstance(frame, list) else [frame]:
            self._answer.add(each, bare=bare)

    def _end_frame(self) -> None:
        data, self._data = b"\n".join(self._data), []
        event, self._event = self._event, b""
        self._held_bytes = 0
        if not data or event in PINGS:
            return
        frame = _parsed(data)
        if event in ERROR_EVENTS:
            raise of_frame(data.decode("utf-8", "replace") if frame is None else frame)
        if frame is None:
            raise UpstreamError(cause="malformed: no JSON")
        self._add(frame)

    def _bare_line(self, line: bytes) -> None:
        """JSON without an event stream: a complete answer or an error in one or more lines, or a frame per line."""
        if line.lower() in END_MARKS:
            self._stop()
            return
        value = _parsed(line)
        if value is None:
            self._hold(self._bare, line)
        else:
            self._add(value, bare=True)

    def _end_bare(self) -> None:
        lines, self._bare = self._bare, []
        if lines:
            value = _parsed(b"\n".join(lines))
            if value is None:
                raise UpstreamError(cause="malformed: no JSON")
            self._add(value, bare=True)

    def _hold(self, lines: list[bytes], line: bytes) -> None:
        lines.append(line)
        self._held_bytes += len(line)
        if self._held_bytes > MOST_BYTES:
            raise UpstreamError(cause="malformed: endless frame")

    def _stop(self) -> None:
        self.done = True
        self._answer.end()


def _is_nothing(value: bytes) -> bool:
    """Only keeps the connection alive. Some gateways make a data line of a comment."""
    value = value.strip().lower()
    return value.startswith(b":") or value in NOTHING


def _parsed(data: bytes) -> Any:
    """None for invalid JSON, and for null."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        if "ecursion" in str(error):
            raise UpstreamError(cause="malformed: too deep") from None
    try:
        return LENIENT.decode(_text(data))
    except (ValueError, RecursionError):
        return None


def _text(data: bytes) -> str:
    """Decodes text: halves of surrogate pairs are kept, and invalid UTF-8 becomes a replacement character."""
    try:
        return str(data, "utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return str(data, "utf-8", "replace")
