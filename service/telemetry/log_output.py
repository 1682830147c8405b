"""Standard output that never blocks: a line that does not fit into a full pipe is dropped and counted.

A log driver that blocks would otherwise stop every worker at its next line, and the master after them. The kernel's
buffer is the queue: it is shared by all processes, needs no thread, and survives forks.
"""

import contextlib
import fcntl
import io
import os
import stat
from collections.abc import Callable
from typing import Protocol, TextIO

# the most that an unprivileged process may have: more than a thousand lines
PIPE_BYTES = 1024 * 1024


class Output(Protocol):
    def write(self, text: str, /) -> object: ...
    def flush(self) -> object: ...


class DroppingPipe:
    """Each write is one line. dropped is called with the number of lines lost."""

    def __init__(self, descriptor: int, dropped: Callable[[int], None]) -> None:
        self._descriptor = descriptor
        self._dropped = dropped
        # the rest of a line that was written in part
        self._rest = b""

    def write(self, text: str) -> None:
        waiting = self._rest + text.encode("utf-8", "backslashreplace")
        try:
            written = os.write(self._descriptor, waiting)
        # full, or nobody reads any more
        except OSError:
            written = 0
        if written > len(self._rest) or not waiting:
            self._rest = waiting[written:]
        else:
            self._rest = self._rest[written:]
            self._dropped(1)

    def flush(self) -> None:
        """Nothing is held back."""


def output(stream: TextIO, dropped: Callable[[int], None]) -> Output:
    """The stream to write lines to instead of this one; files and terminals are used directly."""
    try:
        descriptor = stream.fileno()
    except (OSError, io.UnsupportedOperation):
        return stream
    kind = os.fstat(descriptor).st_mode
    if not stat.S_ISFIFO(kind) and not stat.S_ISSOCK(kind):
        return stream
    with contextlib.suppress(OSError):
        fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    return DroppingPipe(_not_blocking(descriptor), dropped)


def _not_blocking(descriptor: int) -> int:
    """A new file description, since others may share this one; not possible for sockets and another user's pipes."""
    try:
        return os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        os.set_blocking(descriptor, False)
        return descriptor
