"""The body of an answer that is written while its turn runs."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Self

from service.chat.events import Event
from service.web.context import Connection


class TurnBody(ABC):
    """An iterator of frames. close() ends the turn, even before the first iteration.

    streams: where the connection is listed while the body is open.
    """

    def __init__(
        self,
        turn: Iterator[Event],
        connection: Connection,
        streams: set[Connection],
        clock: Callable[[], float],
    ) -> None:
        self._turn = turn
        self._connection = connection
        self._streams = streams
        self._clock = clock
        self._opening = b""
        self._written_at = clock()

    def _open(self, opening: bytes) -> None:
        """With the first frame."""
        self._opening = opening
        self._streams.add(self._connection)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        self._connection.writing_since = None
        frame = self._opening or self._next_frame()
        self._opening = b""
        self._written_at = self._connection.writing_since = self._clock()
        return frame

    def close(self) -> None:
        self._streams.discard(self._connection)
        close = getattr(self._turn, "close", None)
        if close is not None:
            close()

    @abstractmethod
    def _next_frame(self) -> bytes:
        """Raises StopIteration after the last one."""
