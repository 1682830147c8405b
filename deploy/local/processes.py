"""Starts, watches and ends a launcher's processes: none of them outlives it, however it ends."""

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

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# make passes on a SIGTERM that the whole process group has already received.
SAME_SIGNAL_SECONDS = 1.0
PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class ProcessEnded(Exception):
    """A process that should run as long as the launcher has ended."""

    def __init__(self, process: "Process") -> None:
        super().__init__(process.ended())
        self.process = process


class StopRequested(Exception):
    """One of STOP_SIGNALS arrived."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@dataclass(frozen=True)
class Process:
    name: str
    popen: subprocess.Popen[str]

    @property
    def output(self) -> IO[str]:
        assert self.popen.stdout is not None
        return self.popen.stdout

    def ended(self) -> str:
        code = self.popen.returncode
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return f"{self.name} {how}"


class Processes:
    """A context manager: takes over the signals, and on exit ends every process, the last one first."""

    def __init__(self) -> None:
        self._running: list[Process] = []
        self._wakeup, self._written = socket.socketpair()
        self._written.settimeout(0)

    def __enter__(self) -> Self:
        signal.set_wakeup_fd(self._written.fileno(), warn_on_full_buffer=False)
        for number in (*STOP_SIGNALS, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        number = error.number if isinstance(error, StopRequested) else signal.SIGTERM
        for process in reversed(self._running):
            self._end(process, number)

    def start(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        read: bool = False,
    ) -> Process:
        """In its own process group: Ctrl-C at the terminal reaches only the launcher, which then ends the
        processes in order. With `read`, the launcher reads its standard output."""
        launcher = os.getpid()
        popen = subprocess.Popen(
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if read else None,
            text=True,
            start_new_session=True,
            # Safe here: the launcher has no threads.
            preexec_fn=lambda: _end_with(launcher),  # noqa: PLW1509
        )
        process = Process(name, popen)
        self._running.append(process)
        return process

    def watch(self, seconds: float | None = None, also: IO[str] | None = None) -> bool:
        """Waits for at most `seconds`, or until `also` can be read (True). Raises ProcessEnded and StopRequested."""
        waited_for: list[socket.socket | IO[str]] = [self._wakeup, *([also] if also else [])]
        readable, _, _ = select.select(waited_for, [], [], seconds)
        if self._wakeup in readable:
            self._look_at(self._wakeup.recv(4096))
        return also in readable

    def end(self, process: Process) -> None:
        """Ends it at once, like Ctrl-C; it may have ended by itself."""
        self._running.remove(process)
        if stop := self._end(process, signal.SIGINT):
            raise StopRequested(stop)

    def _look_at(self, numbers: bytes) -> None:
        for number in numbers:
            if number in STOP_SIGNALS:
                raise StopRequested(number)
        for process in self._running:
            if process.popen.poll() is not None:
                raise ProcessEnded(process)

    def _end(self, process: Process, number: int) -> int | None:
        """Asks the process to end and waits; for the service, that can take as long as its running answers.
        A second signal ends it at once and is returned. Its child processes end with it."""
        asked = time.monotonic()
        stop = None
        process.popen.send_signal(number)
        while process.popen.poll() is None:
            select.select([self._wakeup], [], [])
            again = set(self._wakeup.recv(4096)) & set(STOP_SIGNALS)
            stop = stop or min(again, default=None)
            if again and time.monotonic() - asked > SAME_SIGNAL_SECONDS:
                break
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.popen.pid, signal.SIGKILL)
        process.popen.wait()
        return stop


def _end_with(launcher: int) -> None:
    """Runs in the new process: the kernel sends it SIGTERM when the launcher dies, even by SIGKILL."""
    if libc is not None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != launcher:
        os._exit(1)
