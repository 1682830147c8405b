"""Processes forked from one that has loaded the libraries: loading them is half of a service's start.

with Nursery() as nursery:
    process = nursery.start(["gunicorn", "-c", ...], folder, environment)    # as `python -m gunicorn -c ...`

Environment, folder, arguments, output and exit code are the new process's own, and so is all of our code.
"""

import contextlib
import json
import os
import runpy
import select
import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

ROOT = Path(__file__).resolve().parents[2]
LONGEST_ORDER = 200_000
# is loaded by each for itself
OURS = ("service", "tests")


class Forked:
    """What subprocess.Popen offers, of a process that is another one's child."""

    def __init__(self, status: socket.socket, output: int) -> None:
        self._status = status
        self.stdout = os.fdopen(output)
        self.pid = int(status.recv(32))
        self.returncode: int | None = None

    def poll(self) -> int | None:
        return self._end_within(0)

    def wait(self, timeout: float | None = None) -> int:
        code = self._end_within(timeout)
        if code is None:
            raise subprocess.TimeoutExpired("gunicorn", timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            # it may end at this moment
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _end_within(self, seconds: float | None) -> int | None:
        if self.returncode is None:
            self._status.settimeout(seconds)
            with contextlib.suppress(TimeoutError, BlockingIOError):
                code = self._status.recv(32)
                if not code:
                    raise RuntimeError("the nursery has ended")
                self.returncode = int(code)
                self._status.close()
        return self.returncode


class Nursery:
    def __init__(self) -> None:
        self._control, its_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its_end:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.nursery", str(its_end.fileno())],
                cwd=ROOT,
                env={
                    name: os.environ[name]
                    for name in ("PATH", "HOME", "LANG")
                    if name in os.environ
                }
                # prometheus_client chooses its kind of value when it is loaded
                | {"PROMETHEUS_MULTIPROC_DIR": os.devnull},
                pass_fds=[its_end.fileno()],
            )

    def start(self, module: list[str], folder: Path, environment: dict[str, str]) -> Forked:
        """module: as after `python -m`."""
        status, its_status = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        output, its_output = os.pipe()
        order = json.dumps([module, str(folder), environment]).encode()
        with its_status:
            socket.send_fds(self._control, [order], [its_output, its_status.fileno()])
        os.close(its_output)
        return Forked(status, output)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._control.close()
        self._process.terminate()
        self._process.wait(30)


def serve(control: socket.socket) -> None:
    """Until nobody can ask any more. It waits as Python itself does: gevent's loop would begin before the forks."""
    wait = select.select
    living: dict[int, tuple[int, int]] = {}
    _load()
    while True:
        for ready in wait([control, *living], [], [])[0]:
            if ready is not control:
                _report_exit(ready, *living.pop(ready))
                continue
            order, descriptors, _, _ = socket.recv_fds(control, LONGEST_ORDER, 2)
            if not order:
                return
            output, status = descriptors
            pid = os.fork()
            if not pid:
                others = (end for _, end in living.values())
                for descriptor in (control.detach(), status, *living, *others):
                    os.close(descriptor)
                _become(*json.loads(order), output)
            os.close(output)
            os.write(status, str(pid).encode())
            living[os.pidfd_open(pid)] = pid, status


def _load() -> None:
    from gevent import monkey

    # as service.web.worker.patch_master does it in gunicorn's master, before the same libraries
    monkey.patch_all(os=False, signal=False)
    from service import libraries

    libraries.load()
    for name in list(sys.modules):
        if name.partition(".")[0] in OURS:
            del sys.modules[name]


def _report_exit(pidfd: int, pid: int, status: int) -> None:
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with contextlib.suppress(OSError):
        os.write(status, str(code).encode())
    os.close(status)
    os.close(pidfd)


def _become(module: list[str], folder: str, environment: dict[str, str], output: int) -> NoReturn:
    import gevent

    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    os.close(output)
    os.chdir(folder)
    os.environ.clear()
    os.environ |= environment
    gevent.reinit()
    sys.argv, sys.path[0] = module, folder
    runpy.run_module(module[0], run_name="__main__", alter_sys=True)
    raise SystemExit


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
