"""The body of a streamed answer: a turn's events, heartbeats between them, written one frame at a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from service.chat.events import Data, Done, Event, Failed, Restart, Start, Thinking, Tick, Token
from service.web import json_text, sse
from service.web.context import Connection
from service.web.thinking import ThinkingEvents

# all but a tick can be said to a caller
Spoken = Start | Token | Thinking | Data | Restart | Done | Failed


class Held:
    """A turn up to its first content, its end, or the end of the hold, whichever comes first.

    Before that a failure can still be a plain HTTP error. first: the event that ended the hold; TICK or a thought if
    time did; None if the caller has gone. thinking: what the model thought meanwhile is not lost.
    """

    def __init__(
        self,
        turn: Iterator[Event],
        hold_seconds: float,
        thinking: ThinkingEvents,
        clock: Callable[[], float],
        start: Start | None = None,
    ) -> None:
        """start: where that was read before."""
        self.turn = turn
        self.thinking = thinking
        self.start = start
        self.first: Event | None = None
        until = clock() + hold_seconds
        for event in turn:
            if isinstance(event, Start):
                self.start = event
            elif not isinstance(event, Tick | Thinking) or clock() >= until:
                self.first = event
                return
            elif isinstance(event, Thinking):
                thinking.hold(event)


@dataclass(frozen=True)
class Heartbeat:
    """How long a stream may be silent before a comment keeps it alive."""

    seconds: float
    clock: Callable[[], float]


class StreamBody:
    """An iterator of frames. close() ends the turn, whether or not it was ever iterated."""

    def __init__(
        self,
        held: Held,
        encode: Callable[[Spoken], bytes],
        connection: Connection,
        streams: set[Connection],
        heartbeat: Heartbeat,
    ) -> None:
        self._turn = held.turn
        self._thinking = held.thinking
        self._encode_event = encode
        self._connection = connection
        self._streams = streams
        self._heartbeat = heartbeat
        self._halves = json_text.Halves()
        self._written_at = heartbeat.clock()
        self._opening: bytes | None = self._commit(held)
        streams.add(connection)

    def __iter__(self) -> "StreamBody":
        return self

    def __next__(self) -> bytes:
        self._connection.writing_since = None
        frame = self._opening or self._next_frame()
        self._opening = None
        self._written_at = self._connection.writing_since = self._heartbeat.clock()
        return frame

    def close(self) -> None:
        self._streams.discard(self._connection)
        close = getattr(self._turn, "close", None)
        if close is not None:
            close()

    def _commit(self, held: Held) -> bytes:
        assert held.start is not None
        assert held.first is not None
        return self._encode_event(held.start) + (self._frame(held.first) or sse.PING)

    def _next_frame(self) -> bytes:
        while True:
            frame = self._frame(next(self._turn))
            if frame:
                return frame

    def _frame(self, event: Event) -> bytes:
        """Empty where nothing is to be written yet."""
        if isinstance(event, Tick):
            return self._heartbeat_if_due()
        if isinstance(event, Thinking):
            due = self._thinking.due(event)
            return self._encode_event(due) if due else b""
        before = b""
        if self._thinking.unsaid:
            before = self._encode_event(self._thinking.rest())
        return before + self._encode(event)

    def _heartbeat_if_due(self) -> bytes:
        silent_seconds = self._heartbeat.clock() - self._written_at
        return sse.PING if silent_seconds >= self._heartbeat.seconds else b""

    def _encode(self, event: Start | Token | Data | Restart | Done | Failed) -> bytes:
        """Empty for half a character: it leaves with its other half."""
        if isinstance(event, Token):
            text = self._halves.join(event.text)
            return self._encode_event(Token(text)) if text else b""
        if isinstance(event, Done | Failed):
            # the end of the body follows
            self._connection.join_next()
        rest = self._halves.rest()
        before = self._encode_event(Token(rest)) if rest and not isinstance(event, Restart) else b""
        return before + self._encode_event(event)
