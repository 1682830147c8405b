"""A TLS server whose certificate is about to expire."""

import http.server
import ssl
import tempfile
import threading
from pathlib import Path
from typing import Any

from tests.support.service import free_port
from tests.support.tls import self_signed


class SecureDoor:
    """Closed until start(), as the stack's is without its profile `tls`."""

    def __init__(self) -> None:
        self.port = free_port()
        self._server: http.server.ThreadingHTTPServer | None = None

    def start(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.TemporaryDirectory() as folder:
            context.load_cert_chain(*self_signed(Path(folder)))
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), _Healthy)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()


class _Healthy(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Asked every second."""
