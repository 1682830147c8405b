"""The service as people run it: gunicorn with gevent workers, in a separate process.

with Service(simulator.base_url, DRAIN_SECONDS=5) as service:
    answer = service.ask("hi")
"""

import contextlib
import fcntl
import http.client
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

from service.settings import NAMES
from tests.support.access_store import unlimited_store
from tests.support.nursery import Forked, Nursery
from tests.support.sse import Stream

ROOT = Path(__file__).resolve().parents[2]
TIKTOKEN_CACHE = Path(sys.prefix) / "share" / "tiktoken"
SHIPPED_CHAIN = Path(__file__).with_name("shipped_chain.py")
GUNICORN = ["gunicorn", "-c", "service/gunicorn.conf.py", "service.wsgi:app"]
START_SECONDS = 60
SAMPLE = re.compile(r"^([a-zA-Z_:]+)(?:\{(.*)\})? (\S+)$")


def tree_with(chain: str, directory: Path) -> Path:
    """A copy of the service with this chain."""
    tree = directory / "tree"
    shutil.copytree(ROOT / "service", tree / "service")
    (tree / "service/llm/chain.py").write_text(chain)
    return tree


# one process asks for several before it uses them
_given: set[int] = set()


def free_port() -> int:
    """Below those that the kernel gives to outgoing connections, which could take it before it is listened on."""
    while True:
        port = 10_000 + secrets.randbelow(22_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("0.0.0.0", port))
            if port not in _given:
                _given.add(port)
                return port


def _start(
    module: list[str], folder: Path, environment: dict[str, str]
) -> "subprocess.Popen[str] | Forked":
    return subprocess.Popen(
        [sys.executable, "-m", *module],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


class Service:
    """One gunicorn master with its workers. Settings are given as keywords, as in the environment.

    chain: the text of service/llm/chain.py; by default the one that the repository ships, whatever stands there now.
    fresh: a new Python, also where there is a nursery.
    """

    nursery: ClassVar[Nursery | None] = None

    def __init__(
        self, upstream: str, *, chain: str | None = None, fresh: bool = False, **settings: object
    ) -> None:
        self.port, self.metrics_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.directory = Path(tempfile.mkdtemp(prefix="service-"))
        inherited = {
            k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "SSL_CERT_FILE")
        }
        environment = inherited | {
            "PROMETHEUS_MULTIPROC_DIR": str(self.directory),
            "TIKTOKEN_CACHE_DIR": str(TIKTOKEN_CACHE),
            "PORT": str(self.port),
            "METRICS_PORT": str(self.metrics_port),
            "DATA_DIR": str(unlimited_store(self.directory / "data")),
            "WEB_CONCURRENCY": "1",
            "OPENAI_BASE_URL": upstream,
            "LLM_MODEL": "sim",
        }
        environment |= {name: str(value) for name, value in settings.items() if value is not None}
        self.lines: list[str] = []
        tree = tree_with(chain or SHIPPED_CHAIN.read_text(), self.directory)
        # a library may have read another variable when it was loaded
        nursery = None if fresh or settings.keys() - NAMES else self.nursery
        start = nursery.start if nursery else _start
        self._process = start(GUNICORN, tree, environment)
        self._logged = threading.Condition()
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        try:
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # its life

    def wait_ready(self, timeout: float = START_SECONDS) -> None:
        """Waits until one worker is ready; the others may still be starting."""
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            if self._process.poll() is not None:
                raise RuntimeError("the service did not start:\n" + "\n".join(self.lines))
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.get("/ready", port=self.metrics_port)[0] == 200:
                    return
            time.sleep(0.05)
        raise TimeoutError("not ready:\n" + "\n".join(self.lines))

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def workers(self) -> list[int]:
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    def wait(self, timeout: float = 30) -> int:
        """Waits until it exits by itself; returns the exit code."""
        code = self._process.wait(timeout)
        self._reader.join(5)
        return code

    def stop(self) -> int:
        """Immediately; returns the exit code."""
        if self._process.poll() is None:
            self.signal(signal.SIGINT)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                for pid in [*self.workers(), self.pid]:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
        code = self.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        shutil.rmtree(self.directory, ignore_errors=True)
        return code

    # what it says

    def get(self, path: str, *, port: int | None = None) -> tuple[int, dict[str, str], bytes]:
        return self.request("GET", path, port=port)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | str | None = None,
        headers: dict[str, str] | None = None,
        port: int | None = None,
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers by lower-case name, body."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=60)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            told = {name.lower(): value for name, value in response.getheaders()}
            return response.status, told, response.read()
        finally:
            connection.close()

    def chat(self, question: str = "hi", **fields: Any) -> tuple[int, dict[str, str], Any]:
        """POST /chat; the body parsed."""
        return self.post("/chat", {"question": question, **fields})

    def post(
        self, path: str, body: Any, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], Any]:
        sent = {"Content-Type": "application/json", **(headers or {})}
        status, told, answer = self.request("POST", path, json.dumps(body), sent)
        return status, told, json.loads(answer) if answer else None

    def stream(
        self, question: str = "hi", *, headers: dict[str, str] | None = None, **fields: Any
    ) -> Stream:
        """POST /chat/stream, its response header read."""
        return Stream("127.0.0.1", self.port, {"question": question, **fields}, headers or {})

    # what it counts

    def metrics(self) -> dict[str, float]:
        """Samples of one scrape by their full name with labels."""
        status, _, text = self.get("/metrics", port=self.metrics_port)
        assert status == 200, text
        found = {}
        for line in text.decode().splitlines():
            match = SAMPLE.match(line)
            if match:
                name, labels, value = match.groups()
                found[f"{name}{{{labels}}}" if labels else name] = float(value)
        return found

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples of this name that have these labels."""
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(
            value
            for sample, value in self.metrics().items()
            if sample.partition("{")[0] == name and all(label in sample for label in wanted)
        )

    def until(self, name: str, value: float, timeout: float = 15, **labels: str) -> None:
        """Waits until a metric has this value."""
        until = time.monotonic() + timeout
        while (found := self.metric(name, **labels)) != value:
            if time.monotonic() > until:
                raise TimeoutError(f"{name}{labels} is {found}, not {value}")
            time.sleep(0.05)

    # what it logs

    def turns(self, count: int, timeout: float = 15) -> list[dict[str, Any]]:
        """The first log lines of turns, once there are this many."""
        with self._logged:
            if not self._logged.wait_for(lambda: len(self._turns()) >= count, timeout):
                raise TimeoutError(f"{len(self._turns())} turns logged, not {count}")
            return self._turns()

    def turn(self, request_id: str, timeout: float = 15) -> dict[str, Any]:
        """The log line of the turn with this request ID."""
        with self._logged:
            wanted = lambda: [t for t in self._turns(request_id) if t["request_id"] == request_id]  # noqa: E731
            if not self._logged.wait_for(lambda: bool(wanted()), timeout):
                raise TimeoutError(f"no turn {request_id} in the log")
            return wanted()[0]

    def line(self, *parts: str, timeout: float = 15) -> str:
        """Waits for the first line that contains all of these."""
        wanted = lambda: [line for line in self.lines if all(part in line for part in parts)]  # noqa: E731
        with self._logged:
            if not self._logged.wait_for(lambda: bool(wanted()), timeout):
                raise TimeoutError(f"nothing in the log has {parts}")
            return wanted()[0]

    def event(self, name: str, *parts: str, timeout: float = 15) -> dict[str, Any]:
        """Waits for the first event of this name whose line contains all of these."""
        told: dict[str, Any] = json.loads(self.line(f'"event":"{name}"', *parts, timeout=timeout))
        return told

    def events(self) -> list[dict[str, Any]]:
        """Every JSON line so far; what was written a moment ago may not be there yet."""
        return [json.loads(line) for line in list(self.lines) if line.startswith("{")]

    @contextlib.contextmanager
    def unread_log(self) -> Iterator[None]:
        """Nobody reads the service's standard output, and its pipe holds only a page."""
        assert self._process.stdout is not None
        with self._logged:
            fcntl.fcntl(self._process.stdout, fcntl.F_SETPIPE_SZ, 4096)
            yield

    def _turns(self, request_id: str = "") -> list[dict[str, Any]]:
        lines = [
            line for line in list(self.lines) if '"event":"turn"' in line and request_id in line
        ]
        return [json.loads(line) for line in lines]

    def _read_log(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(ValueError):
            for line in self._process.stdout:
                with self._logged:
                    self.lines.append(line.rstrip("\n"))
                    self._logged.notify_all()
