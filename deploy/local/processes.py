"""The processes that a launcher starts, watches and ends: none of them outlives it, however it ends."""

import contextlib
import ctypes
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Self

SIGNALS_TO_END = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# make passes on a SIGTERM that a whole process group got already.
SAME_SIGNAL_SECONDS = 1.0
PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class ChildEnded(Exception):
    """A process that should run for as long as the launcher has ended."""


class AskedToEnd(Exception):
    """One of SIGNALS_TO_END arrived."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@dataclass(frozen=True)
class Child:
    name: str
    process: subprocess.Popen[str]

    @property
    def output(self) -> IO[str]:
        assert self.process.stdout is not None
        return self.process.stdout

    def ended(self) -> str:
        code = self.process.returncode
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return f"{self.name} {how}"


class Children:
    """A context: entering it takes over the signals, leaving it ends every process, the last started first."""

    def __init__(self) -> None:
        self._running: list[Child] = []
        self._wakeup, self._written = socket.socketpair()
        self._written.settimeout(0)

    def __enter__(self) -> Self:
        signal.set_wakeup_fd(self._written.fileno(), warn_on_full_buffer=False)
        for number in (*SIGNALS_TO_END, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        number = error.number if isinstance(error, AskedToEnd) else signal.SIGTERM
        for child in reversed(self._running):
            self._end(child, number)

    def start(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        read: bool = False,
    ) -> Child:
        """In a process group of its own: a Ctrl-C at the terminal reaches the launcher alone, which then ends the
        processes in their order. With `read`, its standard output is read by the launcher."""
        launcher = os.getpid()
        process = subprocess.Popen(
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if read else None,
            text=True,
            start_new_session=True,
            # Safe here: the launcher has no threads.
            preexec_fn=lambda: _end_with(launcher),  # noqa: PLW1509
        )
        child = Child(name, process)
        self._running.append(child)
        return child

    def watch(self, seconds: float | None = None, also: IO[str] | None = None) -> bool:
        """Wait for at most `seconds`, or until `also` can be read (True). Raises ChildEnded and AskedToEnd."""
        waited_for: list[socket.socket | IO[str]] = [self._wakeup, *([also] if also else [])]
        readable, _, _ = select.select(waited_for, [], [], seconds)
        if self._wakeup in readable:
            self._look_at(self._wakeup.recv(4096))
        return also in readable

    def _look_at(self, numbers: bytes) -> None:
        for number in numbers:
            if number in SIGNALS_TO_END:
                raise AskedToEnd(number)
        for child in self._running:
            if child.process.poll() is not None:
                raise ChildEnded(child.ended())

    def _end(self, child: Child, number: int) -> None:
        """Ask the process to end, and wait: for the service this can take as long as the answers that it is giving.
        A second signal ends it at once. Its own children are ended with it."""
        asked = time.monotonic()
        child.process.send_signal(number)
        while child.process.poll() is None:
            select.select([self._wakeup], [], [])
            again = set(self._wakeup.recv(4096)) & set(SIGNALS_TO_END)
            if again and time.monotonic() - asked > SAME_SIGNAL_SECONDS:
                break
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.process.pid, signal.SIGKILL)
        child.process.wait()


def _end_with(launcher: int) -> None:
    """Runs in the new process: the kernel sends it SIGTERM when the launcher dies, even by SIGKILL."""
    if libc is not None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != launcher:
        os._exit(1)
