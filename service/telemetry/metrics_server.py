"""`/metrics`, `/health` and `/ready` on METRICS_PORT, beside the workers: a thread of gunicorn's master.

A worker cannot serve them: on SIGTERM gunicorn closes every listener at once, and they matter most during the drain.
"""

import contextlib
import logging
import socket
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from gevent import monkey
from prometheus_client import CONTENT_TYPE_LATEST

from service.telemetry.exposition import Workers, render


def serve(
    workers: Workers, address: tuple[str, int], is_ours: Callable[[str], bool]
) -> ThreadingHTTPServer:
    """is_ours: of the header Host. Raises OSError when the port is taken."""
    handler = type("Handler", (_Handler,), {"workers": workers, "is_ours": staticmethod(is_ours)})
    server = _Server(address, handler)
    # in a patched process, a Thread is a greenlet, which every fork would inherit
    start_thread = monkey.get_original("_thread", "start_new_thread")
    start_thread(server.serve_forever, ())
    return server


# with more, descriptors could run out, and the master would need them for its workers
MOST_SILENT = 100


class _Server(ThreadingHTTPServer):
    """silent: connections that have not asked for anything yet, the oldest first."""

    daemon_threads = True
    # default 5: whoever connects while that many wait for their turn would wait for a second
    request_queue_size = 1024

    def __init__(self, address: tuple[str, int], handler: type["_Handler"]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.silent: dict[Any, None] = {}
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if len(self.silent) >= MOST_SILENT:
            oldest = next(iter(self.silent))
            del self.silent[oldest]
            with contextlib.suppress(OSError):
                oldest.shutdown(socket.SHUT_RDWR)
        self.silent[request] = None
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.silent.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, _request: Any, _address: Any) -> None:
        """The inherited method would print a stack trace outside the log."""
        error = sys.exception()
        if not isinstance(error, ConnectionError | TimeoutError):
            logging.getLogger("service").error("scrape failed", exc_info=error)


class _Handler(BaseHTTPRequestHandler):
    workers: Workers
    is_ours: Callable[[str], bool]
    timeout = 10
    server_version = "metrics"
    sys_version = ""

    server: _Server

    def do_GET(self) -> None:
        self.server.silent.pop(self.connection, None)
        path = self.path.partition("?")[0]
        if not self.is_ours(self.headers.get("Host", "")):
            self._answer(421, "application/json", b'{"status": "misdirected request"}')
        elif path == "/metrics":
            self._answer(200, CONTENT_TYPE_LATEST, render(self.workers))
        elif path == "/health":
            self._answer(200, "application/json", b'{"status": "ok"}')
        elif path == "/ready":
            state = self.workers.state()
            body = f'{{"status": "{state}"}}'.encode()
            self._answer(200 if state == "ready" else 503, "application/json", body)
        else:
            self._answer(404, "application/json", b'{"status": "not found"}')

    def _answer(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """A scrape every few seconds is not worth a line."""
