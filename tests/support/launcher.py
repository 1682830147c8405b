"""A copy of the project in a temporary folder, started as a person would: with `.env`, ports and signals."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from tests.support.service import ROOT, free_port
from tests.support.sse import Stream

START_SECONDS = 120
COPIED = (
    "deploy",
    "service",
    "Makefile",
    "pyproject.toml",
    "requirements.txt",
    "requirements-llm.txt",
)


class Checkout:
    """A clone, with the virtual environment that already exists."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in COPIED:
            _copy(ROOT / name, folder / name)
        (folder / ".venv").symlink_to(sys.prefix)

    def write_dotenv(self, text: str) -> None:
        (self.folder / ".env").write_text(text, encoding="utf-8")

    def run(
        self, module: str, *arguments: str, **variables: str
    ) -> "subprocess.CompletedProcess[str]":
        """Runs it until it exits, which is expected soon."""
        return subprocess.run(
            [str(self.folder / ".venv/bin/python"), "-m", module, *arguments],
            cwd=self.folder,
            env=_bare_environment() | variables,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
        )


class Launcher:
    """`python -m deploy.local.run`, and every process that comes of it."""

    def __init__(self, checkout: Checkout, **variables: str) -> None:
        self.port, self.metrics_port = free_port(), free_port()
        self._mark = f"LAUNCHED_BY={uuid.uuid4().hex}"
        ports = {
            "PORT": str(self.port),
            "METRICS_PORT": str(self.metrics_port),
            "WEB_CONCURRENCY": "1",
        }
        self.log = checkout.folder / "run.log"
        with self.log.open("w") as log:
            self._process = subprocess.Popen(
                [str(checkout.folder / ".venv/bin/python"), "-m", "deploy.local.run"],
                cwd=checkout.folder,
                env=_bare_environment() | ports | dict([self._mark.split("=")]) | variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> Self:
        try:
            self._wait_ready()
        except BaseException:
            self._end_all()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end_all()

    def lines(self) -> list[str]:
        return self.log.read_text().splitlines()

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        return self._process.wait(60)

    def stream(self, question: str, **fields: object) -> Stream:
        return Stream("127.0.0.1", self.port, {"question": question, **fields})

    def processes(self) -> dict[int, str]:
        """Process id and command line of each that inherited our mark and lives."""
        return dict(_marked(self._mark))

    def wait_until_nothing_is_left(self) -> None:
        until = time.monotonic() + 30
        while left := self.processes():
            assert time.monotonic() < until, f"still running: {left}"
            time.sleep(0.05)

    def pid_of(self, words: str) -> int:
        return min(pid for pid, command in self.processes().items() if words in command)

    def _wait_ready(self) -> None:
        self.wait_for_line("in a browser")

    def wait_for_line(self, words: str) -> None:
        until = time.monotonic() + START_SECONDS
        while not any(words in line for line in self.lines()):
            assert self._process.poll() is None, self.log.read_text()
            assert time.monotonic() < until, self.log.read_text()
            time.sleep(0.05)

    def _end_all(self) -> None:
        for pid in (self._process.pid, *self.processes()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(30)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy2(source, target)


def _bare_environment() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}


def _marked(mark: str) -> Iterator[tuple[int, str]]:
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        # It may end while we look; one that has ended and is not yet waited for has no environment.
        with contextlib.suppress(OSError):
            if mark.encode() in (entry / "environ").read_bytes().split(b"\0"):
                yield int(entry.name), (entry / "cmdline").read_text().replace("\0", " ").strip()
