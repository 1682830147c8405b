"""Watches a worker's event loop: how late it is, and what blocks it, because all streams wait for that long.

gevent's own monitor traces every greenlet switch; a heartbeat and a real thread that checks it cost nothing.
"""

import sys
import sysconfig
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from types import FrameType

from gevent import monkey

BEAT_SECONDS = 0.1
BLOCKING_SECONDS = 0.2
# each place is reported once; this bounds code that generates new ones
MOST_PLACES = 20
MOST_FRAMES = 12
LIBRARIES = tuple(
    {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
)


class LoopWatch:
    """One per worker. lag: called with each beat's delay. blocked: called with place, seconds so far and stack."""

    def __init__(
        self,
        lag: Callable[[float], None],
        blocked: Callable[[str, float, list[str]], None],
    ) -> None:
        self._lag = lag
        self._blocked = blocked
        self._beat_at = time.monotonic()
        self._thread_id = 0
        self._places: set[str] = set()
        self._found: deque[tuple[str, float, list[str]]] = deque(maxlen=MOST_PLACES)

    def start(self) -> None:
        """Called in the worker's main thread."""
        self._thread_id = monkey.get_original("_thread", "get_ident")()
        self._beat_at = time.monotonic()
        threading.Thread(target=self._beat, name="loop-watch", daemon=True).start()
        monkey.get_original("_thread", "start_new_thread")(self._look, ())

    def _beat(self) -> None:
        while True:
            time.sleep(BEAT_SECONDS)
            now = time.monotonic()
            self._lag(max(0.0, now - self._beat_at - BEAT_SECONDS))
            self._beat_at = now
            while self._found:
                self._blocked(*self._found.popleft())

    def _look(self) -> None:
        """Runs in a real thread, so it must not touch anything greenlets wait for."""
        sleep = monkey.get_original("time", "sleep")
        before: FrameType | None = None
        while True:
            sleep(BEAT_SECONDS)
            late = time.monotonic() - self._beat_at - BEAT_SECONDS
            if late < BLOCKING_SECONDS:
                before = None
                continue
            frame = sys._current_frames().get(self._thread_id)  # noqa: SLF001 - how a thread is looked at
            if frame is None:
                continue
            frames = list(_outwards(frame))
            # a different greenlet than before: the loop is running, only busy
            if before is frames[-1]:
                self._note(frames, late)
            before = frames[-1]

    def _note(self, frames: list[FrameType], seconds: float) -> None:
        ours = next((frame for frame in frames if _is_ours(frame)), frames[0])
        # its current line changes while it computes
        place = f"{ours.f_code.co_filename}:{ours.f_code.co_firstlineno} {ours.f_code.co_name}"
        if place in self._places or len(self._places) >= MOST_PLACES:
            return
        self._places.add(place)
        stack = [_place(frame) for frame in frames[:MOST_FRAMES]]
        self._found.append((place, seconds, stack))


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _place(frame: FrameType) -> str:
    code = frame.f_code
    return f"{code.co_filename}:{frame.f_lineno} {code.co_name}"


def _is_ours(frame: FrameType) -> bool:
    return not frame.f_code.co_filename.startswith((*LIBRARIES, "<frozen"))
