"""A real Prometheus and Alertmanager with the shipped configuration, and the exporters they ask."""

import contextlib
import http.client
import http.server
import json
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

import yaml

from tests.drill import faster
from tests.support.service import ROOT, free_port

MONITORING = ROOT / "monitoring"
PROGRAMS = (
    "prometheus",
    "prometheus-alertmanager",
    "prometheus-blackbox-exporter",
    "prometheus-nginx-exporter",
    "prometheus-redis-exporter",
    "openssl",
)
START_SECONDS = 30
STUB_STATUS = (
    b"Active connections: 1 \nserver accepts handled requests\n 9 9 9 \n"
    b"Reading: 0 Writing: 1 Waiting: 0 \n"
)


class Watchers:
    """Everything on free ports of the loopback; jobs keep their names."""

    def __init__(
        self,
        service_port: int,
        front_door_port: int,
        secure_door_port: int,
        redis_url: str,
        told: str,
    ) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="drill-"))
        self._service = service_port
        self._probed = {
            "front-door": f"http://127.0.0.1:{front_door_port}/health",
            "front-door-tls": f"https://127.0.0.1:{secure_door_port}/health",
        }
        self._redis_url, self._told = redis_url, told
        self.port = free_port()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._stub = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _StubStatus)

    def __enter__(self) -> Self:
        threading.Thread(target=self._stub.serve_forever, daemon=True).start()
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def stop_one(self, name: str) -> None:
        self._processes[name].terminate()
        self._processes[name].wait(10)

    def query(self, expr: str, **when: float) -> list[dict[str, Any]]:
        """An instant query; with start, end and step one over a range."""
        path = "/api/v1/query_range" if when else "/api/v1/query"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", f"{path}?{urlencode({'query': expr, **when})}")
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        if answer["status"] != "success":
            raise ValueError(f"{expr}: {answer['error']}")
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    # how it is set up

    def _start(self) -> None:
        alertmanager = self._alertmanager()
        ports = {"alertmanager": alertmanager, "prometheus": self.port, "service": self._service}
        ports["front-door"] = ports["front-door-tls"] = self._exporter(
            "prometheus-blackbox-exporter", f"--config.file={MONITORING / 'blackbox.yml'}"
        )
        ports["redis"] = self._exporter(
            "prometheus-redis-exporter", f"-redis.addr={self._redis_url}"
        )
        stub = f"http://127.0.0.1:{self._stub.server_port}/stub_status"
        ports["nginx"] = self._exporter("prometheus-nginx-exporter", f"-nginx.scrape-uri={stub}")
        self._prometheus(ports)
        self._wait_ready()

    def _exporter(self, program: str, *arguments: str) -> int:
        port = free_port()
        dashes = "--" if "blackbox" in program else "-"
        self._run(program, f"{dashes}web.listen-address=127.0.0.1:{port}", *arguments)
        return port

    def _alertmanager(self) -> int:
        config = yaml.safe_load((MONITORING / "alertmanager/alertmanager.yml").read_text())
        faster.routes(config)
        for receiver in config["receivers"]:
            if receiver["name"] in ("page", "watchdog"):
                receiver["webhook_configs"] = [{"url": self._told, "send_resolved": True}]
        path = self.directory / "alertmanager.yml"
        path.write_text(yaml.safe_dump(config))
        port = free_port()
        self._run(
            "prometheus-alertmanager",
            f"--config.file={path}",
            f"--storage.path={self.directory / 'alertmanager'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
        )
        return port

    def _prometheus(self, ports: dict[str, int]) -> None:
        config = yaml.safe_load((MONITORING / "prometheus/prometheus.yml").read_text())
        config["global"] |= {"scrape_interval": "1s", "evaluation_interval": "1s"}
        runbook = f"http://127.0.0.1:{self.port}/user/runbook.md"
        config["global"]["external_labels"]["runbook"] = runbook
        config["alerting"]["alertmanagers"] = _at(ports["alertmanager"])
        for job in config["scrape_configs"]:
            job.pop("dns_sd_configs", None)
            job.pop("scrape_interval", None)
            job["static_configs"] = _at(ports[job["job_name"]])[0]["static_configs"]
            if job["job_name"] in self._probed:
                job["params"]["target"] = [self._probed[job["job_name"]]]
        faster.write_rules(MONITORING / "prometheus/rules", self.directory / "rules")
        path = self.directory / "prometheus.yml"
        path.write_text(yaml.safe_dump(config))
        self._run(
            "prometheus",
            f"--config.file={path}",
            f"--storage.tsdb.path={self.directory / 'prometheus'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--rules.alert.resend-delay=2s",
            f"--web.user-assets={MONITORING}",
        )

    def _run(self, program: str, *arguments: str) -> None:
        with (self.directory / f"{program}.log").open("wb") as log:
            self._processes[program] = subprocess.Popen(
                [program, *arguments], stdout=log, stderr=subprocess.STDOUT
            )

    def _wait_ready(self) -> None:
        until = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(OSError, ValueError):
                if self.query("chat:slo_errors:ratio5m") and self._nothing_missing():
                    return
            for name, process in self._processes.items():
                if process.poll() is not None:
                    raise RuntimeError((self.directory / f"{name}.log").read_text())
            if time.monotonic() > until:
                raise TimeoutError("Prometheus has no figures, or misses a target")
            time.sleep(0.2)

    def _nothing_missing(self) -> bool:
        # Prometheus asks its targets 5 s after it has begun to judge them
        return not self.query('ALERTS{alertname="TargetMissing"}')

    def _stop(self) -> None:
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            process.wait(20)
        self._stub.shutdown()
        self._stub.server_close()
        shutil.rmtree(self.directory, ignore_errors=True)


class _StubStatus(http.server.BaseHTTPRequestHandler):
    """The nginx of the tests is built without it."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(STUB_STATUS)))
        self.end_headers()
        self.wfile.write(STUB_STATUS)

    def log_message(self, *_: Any) -> None:
        """Asked every second."""


def _at(port: int) -> list[dict[str, Any]]:
    return [{"static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}]
