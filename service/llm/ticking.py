"""Turns any stream of chunks into an iterator that never blocks for longer than a tick."""

import time
from collections.abc import Callable, Generator
from contextlib import closing

import gevent
from gevent.queue import Empty, Queue

from service.chat.events import TICK, Chunk, Tick
from service.errors import ChatError
from service.llm.failures import translate

# larger mailboxes let a busy stream block the loop: 64 made others wait 5 s under load, 8 only one second
MAILBOX_CHUNKS = 8
GIVE_WAY_SECONDS = 0.005
POLL_SECONDS = 0.001


class _End:
    """The producer has finished."""


_END = _End()
Start = Callable[[], Generator[Chunk, None, None]]
_Item = Chunk | ChatError | _End


class Ticking:
    """Runs a blocking stream in its own greenlet; each next() returns everything that has arrived, or TICK.

    close() cancels the request at any point, also while it resolves, connects or waits.
    """

    def __init__(self, start: Start, tick_seconds: float) -> None:
        self._tick_seconds = tick_seconds
        self._mailbox: Queue[_Item] = Queue(MAILBOX_CHUNKS)
        self._last: ChatError | _End | None = None
        self.sent = False
        self._producer = gevent.spawn(_produce, start, self._mailbox)

    def __iter__(self) -> "Ticking":
        return self

    def __next__(self) -> Chunk | Tick:
        if self._last is None:
            arrived = self._arrived()
            if arrived is not None:
                return arrived
        if isinstance(self._last, ChatError):
            raise self._last
        if self._last is not None:
            raise StopIteration
        return TICK

    def close(self) -> None:
        self._producer.kill(block=False)

    def _arrived(self) -> Chunk | None:
        try:
            item = self._mailbox.get(timeout=self._tick_seconds)
        except Empty:
            # our loop may be late, and data already in the kernel counts as arrived: let the producer run first.
            # After SIGCONT, timers fire before sockets are polled: sleep once, so that the data is read.
            gevent.sleep(POLL_SECONDS)
            gevent.sleep(0)
            try:
                item = self._mailbox.get_nowait()
            except Empty:
                # a successful connect takes less than a tick
                self.sent = True
                return None
        return self._merged(item)

    def _merged(self, item: _Item) -> Chunk | None:
        merged: Chunk | None = None
        texts: list[str] = []
        while True:
            if not isinstance(item, Chunk):
                self._last = item
                break
            merged = merged or Chunk()
            texts.append(item.text)
            merged.thinking += item.thinking
            merged.tool_calls += item.tool_calls
            if item.finish_reason or item.text or item.thinking or item.tool_calls:
                # a finish reason followed by content does not count
                merged.finish_reason, merged.provisional = item.finish_reason, item.provisional
            merged.usage = item.usage or merged.usage
            try:
                item = self._mailbox.get_nowait()
            except Empty:
                break
        if merged is not None:
            merged.text = "".join(texts)
        return merged


def _produce(start: Start, mailbox: "Queue[_Item]") -> None:
    try:
        # closed here: the garbage collector might close it where nothing can wait
        with closing(start()) as chunks:
            turn_began = time.monotonic()
            for chunk in chunks:
                mailbox.put(chunk)
                if time.monotonic() - turn_began > GIVE_WAY_SECONDS:
                    gevent.sleep(0)
                    turn_began = time.monotonic()
    except Exception as error:  # noqa: BLE001 - it is translated and raised in the reader
        mailbox.put(translate(error))
    else:
        mailbox.put(_END)
