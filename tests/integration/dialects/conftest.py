"""A service with each of the two clients, in front of a model server whose every byte a test decides."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import NamedTuple

import pytest

from tests.support.model_server import ModelServer
from tests.support.service import Service

BREAKER_FAILURES = 5


class Told(NamedTuple):
    """What a caller was told of a turn, and what its log line says. attempts: their results."""

    status: int
    text: str
    code: str | None
    finish_reason: str | None
    usage: dict | None
    restarts: int
    thoughts: int
    attempts: list
    turn: dict

    @property
    def answer(self):
        return self.text, self.finish_reason, self.code


def whole(service, question="hi", headers=None, **fields):
    """POST /chat."""
    request_id = uuid.uuid4().hex
    sent = {"X-Request-ID": request_id, **(headers or {})}
    status, _, body = service.post("/chat", {"question": question, **fields}, sent)
    turn = service.turn(request_id)
    attempts = [attempt["result"] for attempt in turn["attempts"]]
    code = body["error"]["code"] if "error" in body else None
    said = body.get("answer", ""), code, body.get("finish_reason"), body.get("usage")
    return Told(status, *said, 0, 0, attempts, turn)


def streamed(service, question="hi", headers=None, **fields):
    """POST /chat/stream."""
    request_id = uuid.uuid4().hex
    sent = {"X-Request-ID": request_id, **(headers or {})}
    with service.stream(question, headers=sent, **fields) as stream:
        events = stream.events()
        status = stream.status
    turn = service.turn(request_id)
    attempts = [attempt["result"] for attempt in turn["attempts"]]
    text, restarts, thoughts, last = "", 0, 0, {}
    for event in events:
        if event.name == "token":
            text += event.json()["text"]
        elif event.name == "restart":
            text, restarts = "", restarts + 1
        elif event.name == "thinking":
            thoughts += 1
        elif event.name in ("done", "error"):
            last = event.json()
    code = last.get("code") or (turn["code"] if status != 200 else None)
    said = text, code, last.get("finish_reason"), last.get("usage")
    return Told(status, *said, restarts, thoughts, attempts, turn)


@pytest.fixture(params=[whole, streamed], ids=["chat", "stream"])
def ask(request: pytest.FixtureRequest) -> Callable[..., Told]:
    return request.param


@pytest.fixture(scope="session")
def _server() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture
def server(_server: ModelServer) -> ModelServer:
    """The model server; server.says(...) decides."""
    _server.says()
    return _server


@pytest.fixture(scope="session", params=["lean", "stock"])
def service(request: pytest.FixtureRequest, _server: ModelServer) -> Iterator[Service]:
    """Default settings but for a breaker that stays closed and retries without a budget, so that tests can share it."""
    settings = {
        "BREAKER_FAILURES": 1_000_000,
        "RETRY_BUDGET": 1,
        "LLM_CLIENT": request.param,
    }
    with Service(_server.base_url, **settings) as running:
        yield running


@pytest.fixture
def serve(server: ModelServer) -> Iterator[Callable[..., Service]]:
    """Starts a service with settings of its own."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(Service(server.base_url, **settings))
