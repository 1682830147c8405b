"""The body of a streamed answer: a turn's events and heartbeats, one frame at a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from service.chat.events import Data, Done, Event, Failed, Restart, Start, Thinking, Tick, Token
from service.web import json_text, sse
from service.web.context import Connection
from service.web.thinking import ThinkingEvents
from service.web.turn_body import TurnBody

# every event but a tick reaches the caller
Spoken = Start | Token | Thinking | Data | Restart | Done | Failed


class Held:
    """Runs a turn up to its first content, its end, or the end of the hold, whichever comes first.

    Until then, a failure can still be a plain HTTP error. first: the event that ended the hold; TICK or a thought if it
    was the time; None if the caller has gone. thinking: keeps what the model thought during the hold. data: what the
    chain sent during the hold, for a caller who does not see it (shows_data=False).
    """

    def __init__(
        self,
        turn: Iterator[Event],
        hold_seconds: float,
        thinking: ThinkingEvents,
        clock: Callable[[], float],
        start: Start | None = None,
        *,
        shows_data: bool = True,
    ) -> None:
        """start: the Start event, if it has been read already."""
        self.turn = turn
        self.thinking = thinking
        self.start = start
        self.first: Event | None = None
        self.data: list[Data] = []
        unseen = (Tick, Thinking) if shows_data else (Tick, Thinking, Data)
        until = clock() + hold_seconds
        for event in turn:
            if isinstance(event, Start):
                self.start = event
            elif not isinstance(event, unseen) or clock() >= until:
                self.first = event
                return
            elif isinstance(event, Thinking):
                thinking.hold(event)
            elif isinstance(event, Data):
                self.data.append(event)


@dataclass(frozen=True)
class Heartbeat:
    """Decides when a silent stream needs a comment to stay alive."""

    seconds: float
    clock: Callable[[], float]


class StreamBody(TurnBody):
    def __init__(
        self,
        held: Held,
        encode: Callable[[Spoken], bytes],
        connection: Connection,
        streams: set[Connection],
        heartbeat: Heartbeat,
    ) -> None:
        super().__init__(held.turn, connection, streams, heartbeat.clock)
        self._thinking = held.thinking
        self._encode_event = encode
        self._heartbeat_seconds = heartbeat.seconds
        self._halves = json_text.Halves()
        self._open(self._commit(held))

    def _commit(self, held: Held) -> bytes:
        assert held.start is not None
        assert held.first is not None
        before = self._encode_event(held.start) + b"".join(map(self._encode, held.data))
        return before + (self._frame(held.first) or sse.PING)

    def _next_frame(self) -> bytes:
        while True:
            frame = self._frame(next(self._turn))
            if frame:
                return frame

    def _frame(self, event: Event) -> bytes:
        """Empty: nothing to write yet."""
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
        silent_seconds = self._clock() - self._written_at
        return sse.PING if silent_seconds >= self._heartbeat_seconds else b""

    def _encode(self, event: Start | Token | Data | Restart | Done | Failed) -> bytes:
        """Empty for half a character, which is sent with its other half."""
        if isinstance(event, Token):
            text = self._halves.join(event.text)
            return self._encode_event(Token(text)) if text else b""
        if isinstance(event, Done | Failed):
            # the end of the body follows immediately
            self._connection.join_next()
        rest = self._halves.rest()
        before = self._encode_event(Token(rest)) if rest and not isinstance(event, Restart) else b""
        return before + self._encode_event(event)
