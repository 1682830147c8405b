"""Runs the LLM simulator in a separate process, and gives tests its control endpoints.

    with SimulatorProcess() as simulator:
        ...                                 # point the service at simulator.base_url
        simulator.wait(aborted=1)           # no sleeps: returns once the upstream saw it
        assert simulator.stats()["open"] == 0

What it can be ordered to do is the table in tests/simulator/behaviour.py; `directive(...)` writes
such an order for a question.
"""

import http.client
import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlencode

_ROOT = Path(__file__).resolve().parents[2]
_STOP_SECONDS = 10.0


def directive(**values: object) -> str:
    """`directive(fault="cut", after=3)` is `[sim fault=cut after=3]`, with values encoded."""
    pairs = (f" {key}={quote(str(value), safe='')}" for key, value in values.items())
    return f"[sim{''.join(pairs)}]"


class SimulatorControl:
    """The control endpoints of a running simulator, wherever it was started."""

    def __init__(self, port: int, *, is_tls: bool = False) -> None:
        self.port = port
        self._is_tls = is_tls

    def stats(self, model: str | None = None) -> dict[str, Any]:
        """The counters; with a model, that model's alone (zeros if it was never asked)."""
        if model is None:
            return self._call("GET", "/simulator/stats")
        reached = self._call("GET", f"/simulator/wait?{urlencode({'model': model})}")
        stats: dict[str, Any] = reached["stats"]
        return stats

    def requests(self, model: str | None = None) -> list[dict[str, Any]]:
        """The last 5000 requests, oldest first."""
        listed: list[dict[str, Any]] = self._call("GET", "/simulator/requests")["requests"]
        return [entry for entry in listed if model is None or entry["model"] == model]

    def reset(self) -> None:
        """Resets the counters, records, default directive and each `times` count."""
        self._call("POST", "/simulator/reset")

    def set_default(self, text: str) -> None:
        """The directive for every request without one; empty for none."""
        self._call("PUT", "/simulator/default", text)

    def wait(
        self, timeout: float = 10, *, model: str | None = None, **counters: int
    ) -> dict[str, Any]:
        """Returns the stats once each counter has at least this value (`open_max=0`: at most).

        Raises TimeoutError, with what the counters were instead.
        """
        query: dict[str, object] = {**counters, "timeout": timeout}
        if model is not None:
            query["model"] = model
        answer = self._call("GET", f"/simulator/wait?{urlencode(query)}", timeout=timeout + 10)
        stats: dict[str, Any] = answer["stats"]
        if not answer["reached"]:
            raise TimeoutError(f"after {timeout} s not {counters}, but {stats}")
        return stats

    def _call(
        self, method: str, target: str, body: str | None = None, timeout: float = 30
    ) -> dict[str, Any]:
        connection = self._connect(timeout)
        try:
            connection.request(method, target, body, {"Connection": "close"})
            response = connection.getresponse()
            answer: dict[str, Any] = json.loads(response.read())
        finally:
            connection.close()
        if response.status != 200:
            raise ValueError(answer["error"]["message"])
        return answer

    def _connect(self, timeout: float) -> http.client.HTTPConnection:
        if not self._is_tls:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        import ssl

        # Its certificate may be wrong on purpose.
        context = ssl._create_unverified_context()
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout, context=context)


class SimulatorProcess(SimulatorControl):
    """A simulator on a free port; use it as a context manager, or `stop` it."""

    def __init__(
        self, *, port: int = 0, tls_certificate: str | None = None, tls_key: str | None = None
    ) -> None:
        environment = os.environ | {"SIMULATOR_PORT": str(port), "SIMULATOR_HOST": "127.0.0.1"}
        if tls_certificate and tls_key:
            environment |= {"SIMULATOR_TLS_CERT": tls_certificate, "SIMULATOR_TLS_KEY": tls_key}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.simulator"],
            cwd=_ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid
        self.base_url = self._read_base_url()
        super().__init__(
            int(self.base_url.removesuffix("/v1").rpartition(":")[2]),
            is_tls=bool(tls_certificate and tls_key),
        )

    def stop(self) -> int:
        """Ends the process and returns its exit code."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            return self.exit_code()
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self.exit_code()
        finally:
            if self._process.stdout is not None:
                self._process.stdout.close()

    def exit_code(self, timeout: float = _STOP_SECONDS) -> int:
        """Waits until the process has ended, which somebody else asked for."""
        return self._process.wait(timeout)

    def _read_base_url(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if "http" not in line:
            raise RuntimeError(f"the simulator did not start (exit code {self.stop()})")
        return line.split()[-1]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
