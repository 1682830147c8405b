"""One service with all the chains that teams bring, in front of a model server whose every answer a test decides."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.model_server import DONE, ModelServer, choice, fin, stream, text, usage
from tests.support.service import Service

CHAINS = Path(__file__).with_name("chains_under_test.py").read_text()
# gpt-4o-mini, US dollars per token
ASKED, ANSWERED = 0.15e-6, 0.6e-6
SETTINGS: dict[str, object] = {
    "LLM_MODEL": "gpt-4o-mini",
    "LLM_MODELS": "gpt-4.1-mini",
    "OPENAI_API_KEY": "sk-test-0123456789",
    "FIRST_TOKEN_TIMEOUT_SECONDS": 2,
    "STREAM_HOLD_SECONDS": 1,
    "RETRY_BUDGET": 1,
}
BOTH = ("/chat", "/chat/stream")


def says(words: str, asked: int = 7, answered: int = 2) -> list[Any]:
    """An answer, its pieces divided by |."""
    counts = usage(prompt_tokens=asked, completion_tokens=answered)
    return stream(*map(text, words.split("|")), fin("stop"), counts, DONE)


def calls(name: str, arguments: Any, asked: int = 10, answered: int = 5) -> list[Any]:
    """A call of a tool."""
    function = {"name": name, "arguments": json.dumps(arguments)}
    delta = {"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": function}]}
    counts = usage(prompt_tokens=asked, completion_tokens=answered)
    return stream(choice(delta), fin("tool_calls"), counts, DONE)


@dataclass
class Answer:
    """What a caller got, alike for both routes."""

    status: int
    text: str = ""
    code: str | None = None
    names: list[str] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    tools: list[str] = field(default_factory=list)
    end: dict[str, Any] = field(default_factory=dict)
    details: Any = None
    request_id: str = ""

    @property
    def usage(self) -> tuple[int, int, str]:
        counted = self.end["usage"]
        return counted["input_tokens"], counted["output_tokens"], counted["source"]


def ask(
    service: Service, route: str, chain: str, question: str = "hi", session: str = "", **more: Any
) -> Answer:
    headers = {"X-Session-ID": session} if session else {}
    if route == "/chat":
        status, heads, body = service.post(
            route, {"question": question, "chain": chain, **more}, headers
        )
        if status != 200:
            error = body["error"]
            return Answer(
                status,
                code=error["code"],
                details=error.get("details"),
                request_id=heads["x-request-id"],
            )
        data = body.get("data", {})
        return Answer(200, body["answer"], data=data, end=body, request_id=heads["x-request-id"])
    with service.stream(question, chain=chain, headers=headers, **more) as streamed:
        return _streamed(streamed)


def _streamed(streamed: Any) -> Answer:
    request_id = streamed.headers["x-request-id"]
    if streamed.status != 200:
        error = json.loads(streamed.body)["error"]
        return Answer(
            streamed.status,
            code=error["code"],
            details=error.get("details"),
            request_id=request_id,
        )
    answer = Answer(200, request_id=request_id)
    for event in streamed.events():
        answer.names.append(event.name)
        _add(answer, event)
    return answer


def _add(answer: Answer, event: Any) -> None:
    if event.name == "token":
        answer.text += event.json()["text"]
    elif event.name == "restart":
        answer.text = ""
    elif event.name == "data":
        name, value = event.json()["name"], event.json()["value"]
        if name == "tool":
            answer.tools.append(f"{value['tool']} {value['state']}")
        else:
            answer.data[name] = value
    elif event.name == "done":
        answer.end = event.json()
    elif event.name == "error":
        answer.code = event.json()["code"]


@pytest.fixture(scope="session")
def _server() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture
def server(_server: ModelServer) -> ModelServer:
    _server.says()
    return _server


@pytest.fixture(scope="session")
def service(_server: ModelServer) -> Iterator[Service]:
    with Service(_server.base_url, chain=CHAINS, **SETTINGS) as running:
        yield running


@pytest.fixture(params=BOTH)
def route(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def _nobody_else_pays(service: Service) -> Iterator[None]:
    """After each test: no breaker has opened, nothing is in flight."""
    yield
    assert service.metric("chat_breaker_state") == 0
    service.until("chat_turns_in_flight", 0)
