"""Plays an answer's script on a connection and keeps its record true."""

import time
from collections import deque
from itertools import accumulate

from tests.simulator.connection import Connection
from tests.simulator.loop import Loop
from tests.simulator.record import RequestRecord
from tests.simulator.script import ABORTED, CUT, RESET, Script

# Others have their turn after so many steps without a wait.
_STEPS_PER_TURN = 4


class Playback:
    """`on_time` runs the script up to its next wait, or until the socket takes no more."""

    __slots__ = (
        "_connection",
        "_due",
        "_keeps_alive",
        "_loop",
        "_marks",
        "_record",
        "_script",
        "timer",
    )

    def __init__(
        self,
        loop: Loop,
        connection: Connection,
        script: Script,
        record: RequestRecord | None,
        *,
        keeps_alive: bool,
    ) -> None:
        self.timer = 0
        self._loop = loop
        self._connection = connection
        self._script = script
        self._record = record
        self._keeps_alive = keeps_alive
        self._due = time.monotonic()
        # (count of sent bytes at which it is done, tokens) for what the kernel has not taken yet.
        self._marks: deque[tuple[int, int]] = deque()
        connection.exchange = self
        loop.call_soon(self)

    def on_time(self, now: float) -> None:
        connection = self._connection
        if connection.exchange is not self:
            return
        for _ in range(_STEPS_PER_TURN):
            try:
                data, tokens, wait = next(self._script)
            except StopIteration as end:
                self._finish(end.value)
                return
            self._due += wait
            if data and not self._write(data, tokens):
                return
            if wait:
                self._loop.call_at(self._due, self)
                return
        self._due = now
        self._loop.call_soon(self)

    def on_writable(self) -> None:
        self._count_marks()
        if self._connection.is_flushed:
            # A reader that was slow is not owed the tokens it missed in one burst.
            self._due = max(self._due, time.monotonic())
            self._loop.call_at(self._due, self)

    def abandon(self) -> None:
        self._count_marks()
        if self._record is not None:
            self._record.close(self._ending_when_abandoned())
        self._script.close()

    def _ending_when_abandoned(self) -> str:
        """A client may leave with its whole answer before the script had its last turn."""
        if self._connection.is_flushed and self._due <= time.monotonic():
            try:
                next(self._script)
            except StopIteration as end:
                return str(end.value)
        return ABORTED

    def _write(self, data: bytes | list[bytes], tokens: int) -> bool:
        connection = self._connection
        start = connection.sent_bytes
        frames = data if isinstance(data, list) else None
        if connection.send(b"".join(frames) if frames else data):  # type: ignore[arg-type]
            if tokens and self._record is not None:
                self._record.add_tokens(tokens)
            return True
        if frames:
            self._marks.extend((start + end, 1) for end in accumulate(map(len, frames)))
        else:
            self._marks.append((start + len(data), tokens))
        self._count_marks()
        return False

    def _count_marks(self) -> None:
        sent, marks = self._connection.sent_bytes, self._marks
        while marks and marks[0][0] <= sent:
            tokens = marks.popleft()[1]
            if tokens and self._record is not None:
                self._record.add_tokens(tokens)

    def _finish(self, ending: str) -> None:
        if self._record is not None:
            self._record.close(ending)
        if ending in (CUT, RESET) or not self._keeps_alive:
            self._connection.exchange = None
            self._connection.close(reset=ending == RESET)
        else:
            self._connection.next()
