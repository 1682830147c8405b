"""The chains through OpenAI's own Python client: answers, errors by class, no end that passes for a whole one."""

import json
import threading
from pathlib import Path

import openai
import pytest

from tests.support.model_server import (
    DONE,
    fin,
    frame,
    refuses,
    stream,
    text,
    thinks,
)
from tests.support.service import Service
from tests.support.upstream import cut, gone

CHAINS = (Path(__file__).parents[1] / "chains/chains_under_test.py").read_text()
ROUTE = "/v1/chat/completions"
ASKED = [{"role": "user", "content": "hi"}]


@pytest.fixture(scope="module")
def service(_server):
    settings = {
        "LLM_MODEL": "gpt-4o-mini",
        "OPENAI_API_KEY": "sk-test-0123456789",
        "FIRST_TOKEN_TIMEOUT_SECONDS": 1,
        "IDLE_TIMEOUT_SECONDS": 1,
        "STREAM_HOLD_SECONDS": 3,
        "RETRY_ATTEMPTS": 1,
        "BREAKER_FAILURES": 100_000,
        "CORS_ORIGINS": "https://chat.example.com",
    }
    with Service(_server.base_url, chain=CHAINS, **settings) as running:
        yield running


@pytest.fixture
def client(service):
    with openai.OpenAI(base_url=f"{service.url}/v1", api_key="none", max_retries=0) as found:
        yield found


def asked(client, *, streams, model="plain", **more):
    """The text; what the client raises, it raises here."""
    answer = client.chat.completions.create(model=model, messages=ASKED, stream=streams, **more)
    if not streams:
        return answer.choices[0].message.content
    return "".join(chunk.choices[0].delta.content or "" for chunk in answer if chunk.choices)


BOTH = pytest.mark.parametrize("streams", [False, True])


@BOTH
@pytest.mark.parametrize("model", ["gpt-4o-mini", "plain", "rag", "parsed"])
def test_a_model_and_a_chain_answer(client, server, streams, model):
    assert asked(client, streams=streams, model=model) == "Hello"


def test_the_list_has_models_and_chains_apart(client):
    listed = {model.id: model.owned_by for model in client.models.list()}
    assert listed["gpt-4o-mini"] == "openai"
    assert listed["plain"] == listed["agent"] == "chain"
    assert client.models.retrieve("plain").id == "plain"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("poetry")


def test_a_conversation_becomes_ours(client, server):
    client.chat.completions.create(
        model="plain",
        messages=[
            {"role": "system", "content": "be kind"},
            {"role": "developer", "content": [{"type": "text", "text": "be brief"}]},
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": "two"},
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        ],
        temperature=0.5,
        max_completion_tokens=9,
        stop=["END"],
        user="somebody@example.com",
        seed=1,
        top_p=1,
    )  # fmt: skip
    (body,) = server.bodies
    assert [(m["role"], m["content"]) for m in body["messages"]] == [
        ("system", "be kind\n\nbe brief"),
        ("user", "one"),
        ("assistant", "two"),
        ("user", "a\nb"),
    ]
    assert (body["temperature"], body["stop"]) == (0.5, ["END"])
    assert (body.get("max_tokens") or body.get("max_completion_tokens")) == 9


def test_usage_comes_once_and_only_where_it_is_asked_for(client, server):
    def chunks(**options):
        return list(
            client.chat.completions.create(model="plain", messages=ASKED, stream=True, **options)
        )

    assert all(chunk.choices and chunk.usage is None for chunk in chunks())
    *others, last = chunks(stream_options={"include_usage": True})
    assert (last.choices, last.usage.total_tokens) == ([], 9)
    assert all(chunk.usage is None for chunk in others)


def test_every_chunk_is_of_openais_shape(service, server):
    server.says(stream(thinks("so"), text("a"), text("b"), fin("stop"), DONE))
    frames = raw_frames(service, {"model": "sources", "messages": ASKED, "stream": True})
    assert frames[-1] == "[DONE]"
    chunks = [json.loads(data) for data in frames[:-1]]
    for chunk in chunks:
        assert chunk.keys() == {"id", "object", "created", "model", "choices"}
        assert (chunk["object"], type(chunk["created"])) == ("chat.completion.chunk", int)
        (choice,) = chunk["choices"]
        assert choice.keys() == {"index", "delta", "finish_reason"}
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks][-1] == "stop"
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}


def test_data_comes_where_it_is_asked_for(service, server):
    body = {"model": "sources", "messages": ASKED, "stream": True}
    assert "chat_data" not in "".join(raw_frames(service, body))
    frames = raw_frames(service, body, {"X-Chat-Events": "true"})
    deltas = [json.loads(data)["choices"][0]["delta"] for data in frames[:-1]]
    (data,) = [delta["chat_data"] for delta in deltas if "chat_data" in delta]
    assert data["name"] == "sources"


# what the model server does, the client's class, our code, whether asking again is worth it
BEFORE = {
    "refused": (refuses(400, {"error": {"message": "no"}}), openai.BadRequestError, "upstream_invalid_request"),
    "too long": (
        refuses(400, {"error": {"message": "maximum context length is 10", "code": "context_length_exceeded"}}),
        openai.BadRequestError, "context_length_exceeded",
    ),
    "filtered": (
        refuses(400, {"error": {"message": "policy", "code": "content_filter"}}),
        openai.UnprocessableEntityError, "content_filter",
    ),
    "key refused": (refuses(401, {"error": {"message": "key"}}), openai.InternalServerError, "upstream_rejected"),
    "limited": (
        refuses(429, {"error": {"message": "slow"}}, Retry_After="30"),
        openai.RateLimitError, "rate_limit_exceeded",
    ),
    "down": (refuses(503, {"error": {"message": "no"}}), openai.InternalServerError, "upstream_error"),
    "silent": ([3.0], openai.InternalServerError, "upstream_timeout"),
    "reset": ([cut], openai.InternalServerError, "upstream_error"),
    "cut at once": (stream(cut, end=False), openai.InternalServerError, "upstream_error"),
    "malformed": (stream(b"data: {{{\n\n"), openai.InternalServerError, "upstream_error"),
}  # fmt: skip


@BOTH
@pytest.mark.parametrize("case", BEFORE)
def test_what_fails_before_the_first_content_is_an_error_with_a_status(
    client, server, streams, case
):
    reply, kind, code = BEFORE[case]
    server.says(reply)
    with pytest.raises(kind) as raised:
        asked(client, streams=streams)
    assert (raised.value.code, type(raised.value)) == (code, kind)
    assert raised.value.request_id
    assert isinstance(raised.value.body["message"], str)
    assert raised.value.response.headers["x-should-retry"] == "false"
    if case == "limited":
        assert raised.value.response.headers["retry-after"] == "30"


def test_a_stop_that_the_model_refuses_is_named(client, server):
    message = "Unsupported parameter: 'stop' is not supported with this model."
    server.says(refuses(400, {"error": {"message": message, "code": "unsupported_parameter"}}))
    with pytest.raises(openai.BadRequestError) as raised:
        asked(client, streams=False, stop=["END"])
    assert (raised.value.code, raised.value.param) == ("upstream_invalid_request", "stop")
    assert len(server.bodies) == 1


AFTER = {
    "cut": stream(text("half"), cut, end=False),
    "stalled": stream(text("half"), 3.0, end=False),
    "no end": stream(text("half")),
    "malformed": stream(text("half"), b"data: {{{\n\n"),
    "in-band": stream(text("half"), frame({"error": {"message": "x", "code": 500}})),
    "filtered": stream(text("half"), fin("content_filter"), DONE),
    "refused": stream(text("half"), frame({"error": {"message": "x", "code": 400}})),
}


@pytest.mark.parametrize("case", AFTER)
def test_what_fails_after_the_first_content_never_ends_as_a_success(client, service, server, case):
    server.says(AFTER[case])
    with pytest.raises(openai.APIError):
        asked(client, streams=True)
    server.says(AFTER[case])
    frames = raw_frames(service, {"model": "plain", "messages": ASKED, "stream": True})
    assert frames[-1] == "[DONE]"
    assert "error" in json.loads(frames[-2])
    assert '"finish_reason":"' not in "".join(frames)
    assert len(server.bodies) == 1


@pytest.mark.parametrize("how", ["whole", "held"])
@pytest.mark.parametrize("case", ["cut", "stalled", "no end", "malformed", "in-band"])
def test_an_answer_that_is_given_whole_begins_again_unseen(client, server, how, case):
    again = stream(text("it is"), text(" whole"), fin("stop"), DONE)
    server.says(AFTER[case], again)
    headers = {"X-Hold-Answer": "true"} if how == "held" else {}
    assert asked(client, streams=how == "held", extra_headers=headers) == "it is whole"


def test_an_empty_answer_is_an_error(client, server):
    server.says(stream(fin("stop"), DONE))
    with pytest.raises(openai.InternalServerError) as raised:
        asked(client, streams=False)
    assert raised.value.code == "answer_empty"


def test_a_client_that_hangs_up_ends_the_call(client, service, server):
    closed = threading.Event()

    def hold(connection):
        if gone(connection, timeout=5):
            closed.set()

    server.says(stream(text("a"), hold, end=False))
    answer = client.chat.completions.create(model="plain", messages=ASKED, stream=True)
    next(iter(answer))
    answer.close()
    assert closed.wait(3)
    service.until("chat_turns_in_flight", 0, timeout=3)


def test_a_clients_own_retries_are_spared_what_we_have_tried(service, server):
    server.says(refuses(503, {"error": {"message": "no"}}))
    with (
        openai.OpenAI(base_url=f"{service.url}/v1", api_key="none") as client,
        pytest.raises(openai.InternalServerError),
    ):
        asked(client, streams=False)
    assert len(server.bodies) == 1


BAD = {
    "unknown model": ({"model": "poetry"}, 404, "model", "model_not_found"),
    "no messages": ({"messages": []}, 400, "messages", "invalid_request"),
    "messages missing": ({"messages": None}, 400, "messages", "invalid_request"),
    "no user last": (
        {"messages": [*ASKED, {"role": "assistant", "content": "x"}]}, 400, "messages", "invalid_request",
    ),
    "an image": (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
        400, "messages[0].content[0]", "invalid_request",
    ),
    "a tool's message": (
        {"messages": [{"role": "tool", "content": "x", "tool_call_id": "1"}, *ASKED]},
        400, "messages[0].role", "invalid_request",
    ),
    "no object": ({"messages": ["hi"]}, 400, "messages[0]", "invalid_request"),
    "empty question": ({"messages": [{"role": "user", "content": " "}]}, 400, "messages[0].content", "invalid_request"),
    "tools": ({"tools": [{"type": "function"}]}, 400, "tools", "invalid_request"),
    "n": ({"n": 2}, 400, "n", "invalid_request"),
    "format": ({"response_format": {"type": "json_object"}}, 400, "response_format", "invalid_request"),
    "temperature": ({"temperature": 3}, 400, "temperature", "invalid_request"),
    "max_tokens": ({"max_tokens": 0}, 400, "max_tokens", "invalid_request"),
    "stop": ({"stop": [1]}, 400, "stop", "invalid_request"),
    "stream": ({"stream": "yes"}, 400, "stream", "invalid_request"),
    "huge": ({"messages": [{"role": "user", "content": "x" * 300_000}]}, 413, None, "payload_too_large"),
    "many": ({"messages": [{"role": "user", "content": "x"}] * 200}, 400, "messages", "invalid_request"),
    # refused before it is read
    "very many": ({"messages": [{"role": "user", "content": "x"}] * 5_000}, 400, None, "invalid_request"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bad_request_names_its_parameter_and_reaches_no_model(service, server, case):
    more, status, param, code = BAD[case]
    found, headers, body = service.post(ROUTE, {"model": "plain", "messages": ASKED, **more})
    assert (found, body["error"]["param"], body["error"]["code"]) == (status, param, code)
    assert isinstance(body["error"]["type"], str)
    assert headers["x-should-retry"] == "false"
    assert server.bodies == []


NOTHING = [
    {"n": 1}, {"tools": []}, {"tools": None}, {"tool_choice": "none"}, {"response_format": {"type": "text"}},
    {"stop": None}, {"logprobs": False}, {"modalities": ["text"]}, {"metadata": {}}, {"user": None},
    {"presence_penalty": 0}, {"stream_options": None}, {"temperature": None}, {"max_tokens": None}, {"x": 1},
]  # fmt: skip


@pytest.mark.parametrize("more", NOTHING, ids=json.dumps)
def test_what_changes_nothing_is_taken(service, server, more):
    status, _, _ = service.post(ROUTE, {"model": "plain", "messages": ASKED, **more})
    assert status == 200


def test_other_paths_and_methods_answer_in_openais_shape(service):
    for method, path, status in (("GET", ROUTE, 405), ("POST", "/v1/responses", 404)):
        found, _, body = service.request(method, path)
        assert found == status
        assert json.loads(body)["error"].keys() >= {"message", "type", "param", "code"}


def test_a_browsers_library_may_ask(service):
    headers = "authorization,content-type,x-stainless-os,x-stainless-retry-count,user-agent"
    status, answered, _ = service.request(
        "OPTIONS",
        ROUTE,
        headers={
            "Origin": "https://chat.example.com",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": headers,
        },
    )
    assert status == 200
    allowed = {name.strip().lower() for name in answered["access-control-allow-headers"].split(",")}
    assert allowed == set(headers.split(","))


def raw_frames(service, body, headers=None):
    """The data of each event."""
    sent = {"Content-Type": "application/json", **(headers or {})}
    _, _, told = service.request("POST", ROUTE, json.dumps(body), sent)
    return [line[6:] for line in told.decode().split("\n") if line.startswith("data: ")]
