"""Models of other providers, by LangChain's own classes, in front of servers that speak their wire formats."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.model_server import ModelServer, stream
from tests.support.provider_wire import JSON_HEAD, NDJSON_HEAD, anthropic, google, ollama
from tests.support.service import Service
from tests.support.upstream import STREAM_HEAD, cut, gone

CHAIN = '''
from langchain.agents import create_agent
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.tools import tool
from pydantic import BaseModel

PROMPT = ChatPromptTemplate.from_messages(
    [("system", "{system}"), MessagesPlaceholder("history"), ("human", "{question}")]
)


class City(BaseModel):
    name: str
    people: int


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


CHAINS = {
    "chat": lambda model: PROMPT | model,
    "agent": lambda model: create_agent(model, [add]),
    "bound": lambda model: PROMPT | model.bind_tools([add]),
    "other": lambda model: PROMPT | model.bind(model="other-model"),
    "structured": lambda model: PROMPT | model.with_structured_output(City, method="json_schema"),
}
'''


@dataclass(frozen=True)
class Provider:
    """address: the variable that says where it is. asked: model, temperature and most tokens in a request's body."""

    prefix: str
    model: str
    address: str
    wire: Any
    # US dollars per token, input and output; None: a model without a price
    price: tuple[float, float] | None

    def asked(self, request: Any) -> tuple[str, float, int]:
        body = json.loads(request.body)
        if self.prefix == "anthropic":
            return body["model"], body["temperature"], body["max_tokens"]
        if self.prefix == "ollama":
            options = body["options"]
            return body["model"], options["temperature"], options["num_predict"]
        model = request.path.partition("/models/")[2].partition(":")[0]
        config = body["generationConfig"]
        return model, config["temperature"], config["maxOutputTokens"]

    def begins(self) -> bytes:
        """A part of an answer."""
        if self.prefix == "anthropic":
            return anthropic.start() + anthropic.text("it", " was")
        if self.prefix == "ollama":
            return ollama.line("it") + ollama.line(" was")
        return b"[" + json.dumps(google.chunk("it was")).encode()

    def stream(self, *pieces: Any) -> Any:
        return stream(*pieces, head=self.head, end=False)

    @property
    def head(self) -> bytes:
        heads = {"anthropic": STREAM_HEAD, "ollama": NDJSON_HEAD, "google_genai": JSON_HEAD}
        return heads[self.prefix]

    def calls_a_tool(self) -> Any:
        if self.prefix == "anthropic":
            return stream(
                anthropic.start(),
                anthropic.thinks("Let me add."),
                anthropic.calls("add", {"a": 2, "b": 3}, index=1),
                anthropic.end("tool_use", input_tokens=10),
            )
        if self.prefix == "ollama":
            calls = ollama.calls("add", {"a": 2, "b": 3})
            return stream(calls, ollama.end(), head=NDJSON_HEAD)
        call = {"functionCall": {"name": "add", "args": {"a": 2, "b": 3}}}
        return google.array(google.chunk("", "STOP", (10, 5), **call))


PROVIDERS = {
    provider.prefix: provider
    for provider in (
        Provider("anthropic", "claude-sonnet-4-5", "ANTHROPIC_BASE_URL", anthropic, (3e-6, 15e-6)),
        Provider("ollama", "llama3.2", "OLLAMA_HOST", ollama, None),
        Provider(
            "google_genai", "gemini-2.5-flash", "GOOGLE_GEMINI_BASE_URL", google, (0.3e-6, 2.5e-6)
        ),
    )
}


@pytest.fixture(scope="module", params=PROVIDERS)
def provider(request: pytest.FixtureRequest) -> Provider:
    return PROVIDERS[request.param]


@pytest.fixture(scope="module")
def _server() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture(scope="module")
def service(_server: ModelServer, provider: Provider) -> Iterator[Service]:
    settings = {
        "LLM_MODEL": f"{provider.prefix}:{provider.model}",
        "LLM_MODELS": f"{provider.prefix}:another",
        "ANTHROPIC_API_KEY": "sk-ant-test-0123456789",
        "GOOGLE_API_KEY": "AIza-test-0123456789",
        provider.address: f"http://{_server.address}",
        "FIRST_TOKEN_TIMEOUT_SECONDS": 2,
        "STREAM_HOLD_SECONDS": 1,
        "RETRY_BUDGET": 1,
        "BREAKER_FAILURES": 50,
    }
    with Service("http://127.0.0.1:9/v1", chain=CHAIN, **settings) as running:
        yield running


@pytest.fixture
def server(_server: ModelServer, provider: Provider) -> ModelServer:
    _server.says(provider.wire.answers())
    return _server


def test_an_answer_and_its_bill(service, server, provider):
    status, _, answer = service.chat()
    assert (status, answer["answer"], answer["finish_reason"]) == (200, "Hello world", "stop")
    assert answer["model"] == provider.model
    usage = answer["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["source"]) == (10, 5, "reported")
    if provider.price is None:
        assert answer["cost_usd"] is None
    else:
        asked, answered = provider.price
        assert answer["cost_usd"] == pytest.approx(10 * asked + 5 * answered)
    assert provider.asked(server.requests[0]) == (provider.model, 0.2, 4096)


def test_a_stream(service, server):
    with service.stream() as streamed:
        events = list(streamed.events())
    names = [event.name for event in events]
    assert (names[0], set(names[1:-2]), names[-2]) == ("start", {"token"}, "done")
    assert "".join(e.json()["text"] for e in events if e.name == "token") == "Hello world"


def test_the_requests_options_reach_the_provider_under_its_own_names(service, server, provider):
    status, _, answer = service.chat(model="another", temperature=0.7, max_tokens=99)
    assert (status, answer["model"]) == (200, "another")
    assert provider.asked(server.requests[0]) == ("another", 0.7, 99)


def test_what_the_chain_binds_wins_and_is_what_is_billed(service, server, provider):
    status, _, answer = service.chat(chain="other")
    assert (status, answer["model"]) == (200, "other-model")
    assert provider.asked(server.requests[0])[0] == "other-model"


def test_metrics_name_the_model_without_its_provider_and_the_provider_beside_it(
    service, server, provider
):
    service.chat()
    labels = {
        "gen_ai_provider_name": provider.prefix,
        "gen_ai_request_model": provider.model,
        "gen_ai_token_type": "input",
    }
    assert service.metric("gen_ai_client_token_usage_count", **labels) > 0
    assert not any(f"{provider.prefix}:" in sample for sample in service.metrics())


REASONS = {
    "anthropic": {
        "end_turn": "stop",
        "stop_sequence": "stop",
        "max_tokens": "length",
        "refusal": "refusal",
        "model_context_window_exceeded": "length",
        "pause_turn": "stop",
    },
    "ollama": {"stop": "stop", "length": "length"},
    "google_genai": {"STOP": "stop", "MAX_TOKENS": "length"},
}


def ended(provider: Provider, reason: str) -> Any:
    if provider.prefix == "google_genai":
        return google.array(google.chunk("Hello", reason, (10, 5)))
    return provider.wire.answers("Hello", reason=reason)


def test_reasons_are_ours(service, server, provider):
    for theirs, ours in REASONS[provider.prefix].items():
        server.says(ended(provider, theirs))
        status, _, answer = service.chat()
        assert (status, answer["finish_reason"]) == (200, ours), theirs


def test_a_filtered_answer_is_no_answer(service, server, provider):
    if provider.prefix != "google_genai":
        pytest.skip("it filters nothing")
    blocked = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}
    for reply in (ended(provider, "SAFETY"), google.array(blocked)):
        server.says(reply)
        status, _, error = service.chat()
        assert (status, error["error"]["code"]) == (422, "content_filtered")


REFUSALS = {
    429: ("upstream_rate_limited", {"anthropic": "rate_limit_error", "google_genai": "RESOURCE_EXHAUSTED"}),
    500: ("upstream_error", {"anthropic": "api_error", "google_genai": "INTERNAL"}),
    529: ("upstream_error", {"anthropic": "overloaded_error", "google_genai": "UNAVAILABLE"}),
    401: ("upstream_rejected", {"anthropic": "authentication_error", "google_genai": "UNAUTHENTICATED"}),
    404: ("upstream_rejected", {"anthropic": "not_found_error", "google_genai": "NOT_FOUND"}),
    400: ("upstream_invalid_request", {"anthropic": "invalid_request_error", "google_genai": "INVALID_ARGUMENT"}),
}  # fmt: skip
REPEATED = (429, 500, 529)


@pytest.mark.parametrize("status", REFUSALS)
def test_a_refusal_is_what_it_is_for_openai_and_nothing_is_repeated_in_secret(
    service, server, provider, status
):
    code, words = REFUSALS[status]
    server.says(provider.wire.refuses(status, words.get(provider.prefix, "no")))
    _, headers, answer = service.chat()
    assert answer["error"]["code"] == code
    attempts = service.turn(headers["x-request-id"])["attempts"]
    assert len(server.requests) == len(attempts) == (3 if status in REPEATED else 1)
    assert "no" not in answer["error"]["message"].split()


def test_the_wait_that_it_asks_for_is_passed_on(service, server, provider):
    server.says(provider.wire.refuses(429, "rate_limit_error", retry_after="17"))
    status, headers, _ = service.chat()
    assert (status, headers["retry-after"], len(server.requests)) == (429, "17", 1)


def test_a_failure_before_the_first_word_is_repeated(service, server, provider):
    server.says(provider.wire.refuses(500, "api_error"), provider.wire.answers())
    status, headers, answer = service.chat()
    assert (status, answer["answer"]) == (200, "Hello world")
    results = [one["result"] for one in service.turn(headers["x-request-id"])["attempts"]]
    assert results == ["upstream_error", "ok"]


def test_an_answer_that_is_cut_begins_again(service, server, provider):
    server.says(provider.stream(provider.begins(), 1.5, cut), provider.wire.answers())
    with service.stream() as streamed:
        events = list(streamed.events())
    names = [event.name for event in events]
    assert names.count("restart") == 1
    texts = [
        event.json()["text"] for event in events[names.index("restart") :] if event.name == "token"
    ]
    assert ("".join(texts), names[-2]) == ("Hello world", "done")


def test_an_error_within_the_stream(service, server):
    error = anthropic.event("error", error={"type": "overloaded_error", "message": "Overloaded"})
    if "anthropic" not in str(service.metrics()):
        pytest.skip("Anthropic's alone")
    server.says(stream(anthropic.start(), error))
    status, _, answer = service.chat()
    assert (status, answer["error"]["code"]) == (502, "upstream_error")


def test_silence_ends_at_our_deadline_with_one_request(service, server, provider):
    server.says(provider.stream(30.0))
    status, _, answer = service.chat()
    assert (status, answer["error"]["code"], len(server.requests)) == (504, "upstream_timeout", 1)


def test_garbage_is_a_malformed_answer(service, server, provider):
    server.says(provider.stream(b"event: message_start\ndata: <html>\n\n", cut))
    status, headers, answer = service.chat()
    assert (status, answer["error"]["code"]) == (502, "upstream_error")
    assert len(service.turn(headers["x-request-id"])["attempts"]) == len(server.requests) == 3


def test_who_leaves_ends_the_providers_answer(service, server, provider):
    server.says(provider.stream(provider.begins(), 30.0))
    streamed = service.stream()
    next(event for event in streamed.events() if event.name == "token")
    connection = server.connections[-1]
    streamed.close()
    assert gone(connection, 5)
    service.until("chat_turns_in_flight", 0)


def test_an_agent_gets_its_tools_result_and_the_provider_its_own_message_back(
    service, server, provider
):
    server.says(provider.calls_a_tool(), provider.wire.answers())
    status, _, answer = service.chat("2 + 3?", chain="agent")
    assert (status, answer["answer"]) == (200, "Hello world")
    assert (answer["usage"]["input_tokens"], answer["usage"]["output_tokens"]) == (20, 10)
    second = server.bodies[1]
    assert "5" in json.dumps(second)
    if provider.prefix == "anthropic":
        thought, call = second["messages"][1]["content"]
        assert (thought["thinking"], thought["signature"]) == ("Let me add.", "signed")
        assert (call["name"], call["input"]) == ("add", {"a": 2, "b": 3})


def test_tool_calls_as_the_answer(service, server, provider):
    server.says(provider.calls_a_tool())
    status, _, answer = service.chat(chain="bound")
    assert (status, answer["finish_reason"]) == (200, "tool_calls")
    ((call,),) = answer["data"].values()
    assert (call["name"], call["args"]) == ("add", {"a": 2, "b": 3})


def test_an_object_as_the_answer(service, server, provider):
    written = '{"name": "Seoul", "people": 9}'
    reply = (
        google.array(google.chunk(written, "STOP", (10, 5)))
        if provider.prefix == "google_genai"
        else provider.wire.answers(written)
    )
    server.says(reply)
    status, _, answer = service.chat(chain="structured")
    assert (status, json.loads(answer["answer"])) == (200, {"name": "Seoul", "people": 9})


def test_cached_tokens_are_priced_as_such(service, server):
    if "anthropic" not in str(service.metrics()):
        pytest.skip("Anthropic's alone")
    counts = {"cache_read_input_tokens": 100, "cache_creation_input_tokens": 200}
    end = anthropic.end(input_tokens=10, **counts)
    server.says(stream(anthropic.start(**counts), anthropic.text("Hello"), end))
    _, _, answer = service.chat()
    usage = {"input_tokens": 310, "output_tokens": 5, "cached_input_tokens": 100}
    assert answer["usage"] == usage | {"source": "reported"}
    assert answer["cost_usd"] == pytest.approx(10 * 3e-6 + 100 * 0.3e-6 + 200 * 3.75e-6 + 5 * 15e-6)


def test_thinking_is_a_sign_of_life(service, server, provider):
    if provider.prefix != "anthropic":
        pytest.skip("Anthropic's alone")
    thoughts = [anthropic.thinks("hm"), 1.2, anthropic.thinks("ah", index=1), 1.2]
    said = anthropic.text("Hello", index=2), anthropic.end(input_tokens=10)
    server.says(stream(anthropic.start(), *thoughts, *said))
    with service.stream() as streamed:
        names = [event.name for event in streamed.events()]
    assert "thinking" in names
    assert names[-2] == "done"


def test_no_model_of_the_settings_is_called_unguarded(service):
    warned = [line for line in service.events() if line["event"] == "models_not_guarded"]
    assert warned == []
