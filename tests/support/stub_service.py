"""A scripted service for the page: it sends what a real one cannot be made to send at a given moment.

with StubService() as stub:
    stub.script = [event("start", request_id="request-1", model="sim"), gate, event("done", ...), DONE]
    page = ChatPage(context.new_page(), stub.url)

Bytes are sent, a threading.Event is waited for, a number is a pause in seconds. Page and files are the service's own.
"""

import contextlib
import json
import mimetypes
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self, cast

from service.web.pages import POLICY
from tests.support.service import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

STATIC = ROOT / "service/web/static"
GATE_SECONDS = 60
DONE = b"data: [DONE]\n\n"

Step = bytes | float | threading.Event


def event(kind: str, /, **data: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode()


def answered(text: str, *before: Step) -> list[Step]:
    """A whole stream: what came before the text, the text, and its end."""
    usage = {"input_tokens": 12, "output_tokens": 34, "source": "reported"}
    end = event("done", finish_reason="stop", model="sim", usage=usage, cost_usd=0.000321)
    start = event("start", request_id="request-1", model="sim")
    return [start, *before, event("token", text=text), end, DONE]


def refusal(code: str, *, retryable: bool = False) -> bytes:
    error = {"code": code, "message": "", "request_id": "request-1", "retryable": retryable}
    return json.dumps({"error": error}).encode()


class StubService(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.script: Sequence[Step] = answered("An answer.")
        self.status = 200
        self.request_schema: dict[str, Any] = {}
        self.max_bytes: int | None = None
        self.models_by_key: dict[str | None, list[str]] = {}
        self.asked: list[tuple[dict[str, str], dict[str, Any]]] = []  # headers, body

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def _stub(self) -> StubService:
        return cast("StubService", self.server)

    def do_GET(self) -> None:
        if self.path == "/openapi.json":
            most = {} if self._stub.max_bytes is None else {"x-max-bytes": self._stub.max_bytes}
            described = {"ChatRequest": {"properties": self._stub.request_schema, **most}}
            body = json.dumps({"components": {"schemas": described}}).encode()
            return self._answer(200, "application/json", body)
        if self.path == "/v1/models":
            return self._list_models()
        file = STATIC / ("index.html" if self.path == "/" else self.path.removeprefix("/static/"))
        if not file.is_file():
            return self._answer(404, "text/plain", b"")
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        return self._answer(200, kind, file.read_bytes())

    def _list_models(self) -> None:
        _, _, key = self.headers.get("Authorization", "").partition(" ")
        models = self._stub.models_by_key.get(key or None)
        if models is None:
            return self._answer(401, "application/json", refusal("unauthorized"))
        data = [{"id": name, "owned_by": "stub"} for name in models]
        return self._answer(200, "application/json", json.dumps({"data": data}).encode())

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self._stub.asked.append((headers, body))
        if self._stub.status == 200:
            self._stream()
        else:
            refused = b"".join(step for step in self._stub.script if isinstance(step, bytes))
            self._answer(self._stub.status, "application/json", refused)

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Connection", "close")
        self.end_headers()
        with contextlib.suppress(OSError):  # the page has left
            for step in self._stub.script:
                self._play(step)
        self.close_connection = True

    def _play(self, step: Step) -> None:
        if isinstance(step, bytes):
            self.wfile.write(step)
        elif isinstance(step, threading.Event):
            step.wait(GATE_SECONDS)
        else:
            time.sleep(step)

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", POLICY)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass
