"""Keeps the connection of a slow /chat answer alive with spaces, which JSON allows at its start."""

from collections.abc import Callable, Iterator

from service.chat.events import Done, Event, Failed
from service.web.context import Connection
from service.web.turn_body import TurnBody

SPACE = b" "
# the turn's last event, the event at which the time was up, or None if the caller has gone
ReadUntil = Callable[[Iterator[Event], Callable[[], bool]], Event | None]


class PatientBody(TurnBody):
    """Spaces while the turn runs, then the bytes of `finished`.

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
        super().__init__(turn, connection, streams, clock)
        self._read_until = read_until
        self._finished = finished
        self._seconds = seconds
        self._is_over = False
        self._open(SPACE)

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
