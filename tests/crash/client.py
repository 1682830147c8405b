"""What a client of nginx sees of one turn."""

import http.client
import json
import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from tests.support.sse import Event, Stream

STREAM, CHAT = "/chat/stream", "/chat"
TIMEOUT_SECONDS = 150


@dataclass
class Saw:
    """text: the answer, restarts honoured; whole: the response came to its proper end."""

    request_id: str
    route: str
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    text: str = ""
    code: str | None = None
    done: dict[str, Any] | None = None
    restarts: int = 0
    thoughts: int = 0
    tools: list[str] = field(default_factory=list)
    whole: bool = False
    seconds: float = 0.0
    first_seconds: float | None = None

    def __str__(self) -> str:
        how = f"{self.status} {self.code}" if self.code else str(self.status or "no response")
        if self.done:
            how = f"whole answer of {len(self.text.split())} words"
        elif self.status == 200:
            how = f"error event {self.code}" if self.code else "cut answer"
        return how + (", restarted" if self.restarts else "")


def new_id(label: str) -> str:
    return f"{label}-{secrets.token_hex(6)}"


class Client:
    """Asks through nginx."""

    def __init__(self, port: int, label: str) -> None:
        self._port = port
        self._label = label

    def ask(self, route: str, question: str, request_id: str = "", **fields: Any) -> Saw:
        """One turn to its end."""
        saw = Saw(request_id or new_id(self._label), route)
        began = time.monotonic()
        try:
            payload = {"question": question, **fields}
            if route == STREAM:
                self._read_stream(saw, self.stream(saw.request_id, payload), began)
            else:
                self._read_answer(saw, payload)
        except (OSError, http.client.HTTPException):
            saw.whole = False
        saw.seconds = time.monotonic() - began
        return saw

    def asking(self, route: str, question: str, **fields: Any) -> "Asking":
        """The same, at the same time as what follows."""
        return Asking(self, route, question, new_id(self._label), fields)

    def stream(self, request_id: str, payload: Any, **options: Any) -> Stream:
        """POST /chat/stream, for cases that read it in their own way."""
        headers = {"X-Request-ID": request_id}
        options.setdefault("timeout", TIMEOUT_SECONDS)
        return Stream("127.0.0.1", self._port, payload, headers, **options)

    def get(self, path: str) -> tuple[int, float]:
        """Status and seconds."""
        began = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            response.read()
            return response.status, time.monotonic() - began
        finally:
            connection.close()

    def _read_stream(self, saw: Saw, stream: Stream, began: float) -> None:
        with stream:
            saw.status, saw.headers = stream.status, stream.headers
            for event in stream:
                if event.name == "token" and saw.first_seconds is None:
                    saw.first_seconds = time.monotonic() - began
                take(saw, event)
            saw.whole = stream.whole
            if stream.body:
                saw.code = json.loads(stream.body)["error"]["code"]

    def _read_answer(self, saw: Saw, payload: Any) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT_SECONDS)
        try:
            headers = {"X-Request-ID": saw.request_id, "Content-Type": "application/json"}
            connection.request("POST", CHAT, json.dumps(payload), headers)
            response = connection.getresponse()
            saw.status = response.status
            saw.headers = {name.lower(): value for name, value in response.getheaders()}
            body = json.loads(response.read())
        finally:
            connection.close()
        saw.whole = True
        if "error" in body:
            saw.code = body["error"]["code"]
        else:
            saw.text, saw.done = body["answer"], body


def take(saw: Saw, event: Event) -> None:
    if event.name == "token":
        saw.text += event.json()["text"]
    elif event.name == "restart":
        saw.text = ""
        saw.restarts += 1
    elif event.name == "thinking":
        saw.thoughts += 1
    elif event.name == "data" and event.json()["name"] == "tool":
        saw.tools.append(event.json()["value"]["state"])
    elif event.name == "done":
        saw.done = event.json()
    elif event.name == "error":
        saw.code = event.json()["code"]


class Asking:
    """A turn under way; its request id is known from the start."""

    def __init__(
        self, client: Client, route: str, question: str, request_id: str, fields: dict[str, Any]
    ) -> None:
        self.request_id = request_id
        self._saw: Saw | None = None
        self._thread = threading.Thread(
            target=self._run, args=(client, route, question, fields), daemon=True
        )
        self._thread.start()

    def _run(self, client: Client, route: str, question: str, fields: dict[str, Any]) -> None:
        self._saw = client.ask(route, question, self.request_id, **fields)

    def saw(self) -> Saw:
        """Waits for its end."""
        self._thread.join(TIMEOUT_SECONDS + 10)
        assert self._saw is not None, f"{self.request_id} has not ended"
        return self._saw
