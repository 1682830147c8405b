"""Alertmanager's receiver: keeps every alert that arrives."""

import json
import threading
import time
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class Receiver:
    def __init__(self) -> None:
        self._arrived = threading.Condition()
        self.alerts: list[dict[str, Any]] = []
        handler = type("Handler", (_Handler,), {"receiver": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def take(self, alerts: list[dict[str, Any]]) -> None:
        with self._arrived:
            self.alerts += alerts
            self._arrived.notify_all()

    def wait(self, name: str, since: float, seconds: float) -> dict[str, Any] | None:
        """The first alert of this name that arrived firing and began after `since` (time.time)."""
        with self._arrived:
            self._arrived.wait_for(lambda: self._find(name, since) is not None, seconds)
            return self._find(name, since)

    def began_since(self, moment: float) -> list[dict[str, str]]:
        """The labels of every alert that arrived and began to fire after `moment` (time.time)."""
        with self._arrived:
            return [alert["labels"] for alert in self.alerts if _began(alert) >= moment]

    def _find(self, name: str, since: float) -> dict[str, Any] | None:
        for alert in self.alerts:
            right = alert["labels"]["alertname"] == name and alert["status"] == "firing"
            if right and alert["arrived"] >= since:
                return alert
        return None


def _began(alert: dict[str, Any]) -> float:
    return datetime.fromisoformat(alert["startsAt"]).timestamp()


class _Handler(BaseHTTPRequestHandler):
    receiver: Receiver

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.receiver.take([alert | {"arrived": time.time()} for alert in body["alerts"]])
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """What matters is kept."""
