"""Keeps the connection of a slow /chat answer alive with spaces, which JSON allows at its start."""

from collections.abc import Callable, Iterator

from service.chat.events import Done, Event, Failed
from service.web.context import Connection

SPACE = b" "
# the turn's last event, the event at which the time was up, or None if the caller has gone
ReadUntil = Callable[[Iterator[Event], Callable[[], bool]], Event | None]


class PatientBody:
    """Spaces while the turn runs, then the bytes of `finished`. close() ends the turn, even before the first iteration.

    The status line is sent with the first space, so later failures appear only in the body.
    """

    def __init__(
        self,
        turn: Iterator[Event],
        read_until: ReadUntil,
        finished: Callable[[Done | Failed], bytes],
        connection: Connection,
        streams: set[Connection],
        seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self._turn = turn
        self._read_until = read_until
        self._finished = finished
        self._connection = connection
        self._streams = streams
        self._seconds = seconds
        self._clock = clock
        self._opening = SPACE
        self._is_over = False
        streams.add(connection)

    def __iter__(self) -> "PatientBody":
        return self

    def __next__(self) -> bytes:
        self._connection.writing_since = None
        frame = self._opening or self._next_frame()
        self._opening = b""
        self._connection.writing_since = self._clock()
        return frame

    def close(self) -> None:
        self._streams.discard(self._connection)
        close = getattr(self._turn, "close", None)
        if close is not None:
            close()

    def _next_frame(self) -> bytes:
        if self._is_over:
            raise StopIteration
        until = self._clock() + self._seconds
        event = self._read_until(self._turn, lambda: self._clock() >= until)
        if event is None:
            raise StopIteration
        if isinstance(event, Done | Failed):
            self._is_over = True
            return self._finished(event)
        return SPACE
