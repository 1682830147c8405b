"""What strangers' clients send and ask for besides, over nginx: taken, or refused in OpenAI's shape by name."""

import json
import uuid

import pytest

from tests.support.nginx import Nginx
from tests.support.service import Service
from tests.support.simulator import SimulatorProcess, directive

ROUTE = "/v1/chat/completions"
ORIGIN = "https://chat.example.com"
MAX_BODY_BYTES = 1_000_000
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
SOUND = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
FILE = {"type": "file", "file": {"file_id": "file-1"}}


@pytest.fixture(scope="module")
def simulator():
    with SimulatorProcess() as running:
        yield running


@pytest.fixture(scope="module")
def service(simulator):
    settings = {"CORS_ORIGINS": ORIGIN, "LLM_MODELS": "other", "MAX_OUTPUT_TOKENS": 500}
    with Service(simulator.base_url, **settings, MAX_BODY_BYTES=MAX_BODY_BYTES) as running:
        yield running


@pytest.fixture(scope="module")
def nginx(service):
    limits = {"CLIENT_REQUESTS_PER_SECOND": 5000, "MAX_BODY_BYTES": MAX_BODY_BYTES}
    with Nginx(f"127.0.0.1:{service.port}", CORS_ORIGINS=ORIGIN, **limits) as running:
        yield running


@pytest.fixture
def ask(service, nginx):
    """Status, headers, body."""

    def ask(method, path, body=None, **headers):
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
            body = body if isinstance(body, bytes) else json.dumps(body)
        return service.request(method, path, body, sent, nginx.port)

    return ask


def user(content="hi", **more):
    return {"role": "user", "content": content, **more}


def assistant(content="yes", **more):
    return {"role": "assistant", "content": content, **more}


TEXT = {"type": "text", "text": "hi"}
CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}
TAKEN = {
    "nothing but messages": {"model": ...},
    "the model's name": {"model": "sim"},
    "another model": {"model": "other"},
    "a chain's name": {"model": "chat"},
    "no model": {"model": None},
    "unknown fields": {"x": 1, "store": True, "metadata": {"a": "b"}, "service_tier": "auto"},
    "sampling": {"top_p": 0.9, "seed": 1, "presence_penalty": 1, "frequency_penalty": -1, "logit_bias": {}},
    "reasoning": {"reasoning_effort": "low", "verbosity": "low", "prediction": None},
    "n": {"n": 1},
    "stop": {"stop": "END"},
    "stops": {"stop": ["a", "b", "c", "d"]},
    "no stops": {"stop": []},
    "no tools": {"tools": [], "tool_choice": "auto", "parallel_tool_calls": True, "functions": None},
    "text": {"response_format": {"type": "text"}, "modalities": ["text"], "audio": None},
    "no logprobs": {"logprobs": False, "top_logprobs": None},
    "limits of tokens": {"max_tokens": 1, "max_completion_tokens": 7},
    "more tokens than there are": {"max_tokens": 1_000_000},
    "a whole number": {"max_tokens": 5.0},
    "the coldest": {"temperature": 0},
    "the hottest": {"temperature": 2},
    "a user": {"user": "김 <kim@example.com>"},
    "an empty user": {"user": ""},
    "parts": {"messages": [user([TEXT, TEXT])]},
    "cached parts": {"messages": [user([{**TEXT, "cache_control": {"type": "ephemeral"}}])]},
    "named": {"messages": [user(name="kim")]},
    "roles": {"messages": [{"role": "developer", "content": "a"}, {"role": "system", "content": [TEXT]}, user()]},
    "an instruction last": {"messages": [user(), {"role": "system", "content": "be brief"}]},
    "an empty instruction": {"messages": [{"role": "system", "content": ""}, user()]},
    "history": {"messages": [user(), assistant(), user()]},
    "an answer of null": {"messages": [user(), assistant(None), user()]},
    "a refusal": {"messages": [user(), assistant([{"type": "refusal", "refusal": "no"}]), user()]},
    "no calls": {"messages": [user(), assistant(tool_calls=None, refusal=None, audio=None), user()]},
    "two questions": {"messages": [user(), user()]},
    "usage": {"stream": True, "stream_options": {"include_usage": True}},
    "no usage": {"stream": True, "stream_options": {"include_usage": False, "include_obfuscation": False}},
    "no options": {"stream": True, "stream_options": None},
    "options without a stream": {"stream_options": {"include_usage": True}},
}  # fmt: skip


@pytest.mark.parametrize("case", TAKEN)
def test_what_can_be_honoured_or_changes_nothing_is_taken(ask, case):
    body = {"model": "sim", "messages": [user()]} | TAKEN[case]
    body = {name: value for name, value in body.items() if value is not ...}
    status, headers, told = ask("POST", ROUTE, body)
    assert status == 200, told
    assert headers["x-request-id"]
    wanted = (body.get("stream_options") or {}).get("include_usage") or not body.get("stream")
    assert (b'"usage"' in told) == wanted


REFUSED = {
    "messages": ({"messages": ...}, 400, "messages"),
    "no messages": ({"messages": []}, 400, "messages"),
    "messages as a text": ({"messages": "hi"}, 400, "messages"),
    "a null": ({"messages": [None]}, 400, "messages[0]"),
    "no role": ({"messages": [{"content": "hi"}]}, 400, "messages[0].role"),
    "no such role": ({"messages": [{"role": "robot", "content": "hi"}]}, 400, "messages[0].role"),
    "no content": ({"messages": [{"role": "user"}]}, 400, "messages[0].content"),
    "null": ({"messages": [user(None)]}, 400, "messages[0].content"),
    "a number": ({"messages": [user(1)]}, 400, "messages[0].content"),
    "an object": ({"messages": [user({"text": "hi"})]}, 400, "messages[0].content"),
    "no parts": ({"messages": [user([])]}, 400, "messages[0].content"),
    "blank": ({"messages": [user(" \n")]}, 400, "messages[0].content"),
    "an image": ({"messages": [user([TEXT, IMAGE])]}, 400, "messages[0].content[1]"),
    "a sound": ({"messages": [user([SOUND])]}, 400, "messages[0].content[0]"),
    "a file": ({"messages": [user([FILE])]}, 400, "messages[0].content[0]"),
    "a part of nothing": ({"messages": [user([{}])]}, 400, "messages[0].content[0]"),
    "a tool's call": ({"messages": [user(), assistant(tool_calls=[CALL]), user()]}, 400, "messages[1].tool_calls"),
    "a tool's message": ({"messages": [{"role": "tool", "content": "x"}, user()]}, 400, "messages[0].role"),
    "instructions alone": ({"messages": [{"role": "system", "content": "hi"}]}, 400, "messages"),
    "an answer last": ({"messages": [user(), assistant()]}, 400, "messages"),
    "too long": ({"messages": [user("x" * 300_000)]}, 413, "messages"),
    "too long a history": ({"messages": [assistant("x" * 300_000), user()]}, 413, "messages"),
    "too long an instruction": ({"messages": [{"role": "system", "content": "x" * 9_000}, user()]}, 413, "messages"),
    "model": ({"model": "gpt-5"}, 404, "model"),
    "an empty model": ({"model": ""}, 404, "model"),
    "a model as a number": ({"model": 5}, 404, "model"),
    "n": ({"n": 2}, 400, "n"),
    "n zero": ({"n": 0}, 400, "n"),
    "n true": ({"n": True}, 400, "n"),
    "tools": ({"tools": [TOOL]}, 400, "tools"),
    "functions": ({"functions": [{"name": "f"}]}, 400, "functions"),
    "tool_choice": ({"tool_choice": "required"}, 400, "tool_choice"),
    "json": ({"response_format": {"type": "json_object"}}, 400, "response_format"),
    "a schema": ({"response_format": {"type": "json_schema", "json_schema": {}}}, 400, "response_format"),
    "logprobs": ({"logprobs": True}, 400, "logprobs"),
    "top_logprobs": ({"top_logprobs": 3}, 400, "top_logprobs"),
    "audio": ({"modalities": ["text", "audio"]}, 400, "modalities"),
    "web search": ({"web_search_options": {"search_context_size": "low"}}, 400, "web_search_options"),
    "any web search": ({"web_search_options": {}}, 400, "web_search_options"),
    "too hot": ({"temperature": 2.1}, 400, "temperature"),
    "too cold": ({"temperature": -0.1}, 400, "temperature"),
    "warm": ({"temperature": "1"}, 400, "temperature"),
    "temperature true": ({"temperature": True}, 400, "temperature"),
    "no tokens": ({"max_tokens": 0}, 400, "max_tokens"),
    "negative": ({"max_completion_tokens": -1}, 400, "max_completion_tokens"),
    "half a token": ({"max_tokens": 1.5}, 400, "max_tokens"),
    "tokens in words": ({"max_tokens": "ten"}, 400, "max_tokens"),
    "five stops": ({"stop": list("abcde")}, 400, "stop"),
    "an empty stop": ({"stop": [""]}, 400, "stop"),
    "a stop as a number": ({"stop": 1}, 400, "stop"),
    "stream": ({"stream": "true"}, 400, "stream"),
    "stream as a number": ({"stream": 1}, 400, "stream"),
    "stream_options": ({"stream": True, "stream_options": []}, 400, "stream_options"),
    "include_usage": ({"stream": True, "stream_options": {"include_usage": "no"}}, 400, "stream_options.include_usage"),
    "user": ({"user": 5}, 400, "user"),
    "safety_identifier": ({"safety_identifier": 5}, 400, "safety_identifier"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_honoured_is_refused_by_name(ask, simulator, case):
    more, status, param = REFUSED[case]
    body = {"model": "sim", "messages": [user()]} | more
    body = {name: value for name, value in body.items() if value is not ...}
    simulator.reset()
    error = refused(ask("POST", ROUTE, body), status)
    assert error["param"] == param
    assert simulator.stats()["requests"] == 0


MALFORMED = {
    "nothing": (b"", 400),
    "no JSON": (b"{", 400),
    "a list": (b"[]", 400),
    "a null": (b"null", 400),
    "NaN": (b'{"temperature": NaN}', 400),
    "beyond numbers": (b'{"messages": [{"role": "user", "content": "hi"}], "max_tokens": 1e400}', 400),
    "half a character": (b'{"messages": [{"role": "user", "content": "\\ud800"}]}', 400),
    "no UTF-8": (b'{"messages": [{"role": "user", "content": "\xff"}]}', 400),
    "deep": (b"[" * 100_000, 400),
    "deep content": (b'{"messages": [{"role": "user", "content": ' + b"[" * 5000 + b"]" * 5000 + b"}]}", 400),
    "many messages": (json.dumps({"messages": [user()] * 10_000}).encode(), 400),
    "over the limit": (b'{"x": "' + b"x" * MAX_BODY_BYTES + b'"}', 413),
}  # fmt: skip


@pytest.mark.parametrize("case", MALFORMED)
def test_what_makes_no_sense_is_no_failure_of_ours(ask, service, case):
    body, status = MALFORMED[case]
    refused(ask("POST", ROUTE, body), status)
    assert not [event for event in service.events() if event["event"] == "bug"]


def test_ten_megabytes_are_refused_without_the_service(ask):
    refused(ask("POST", ROUTE, b"x" * 10_000_000), 413)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "text/json"])
def test_another_content_type_is_refused(ask, kind):
    refused(ask("POST", ROUTE, b"{}", Content_Type=kind), 415)


ELSEWHERE = [
    ("GET", ROUTE, 405),
    ("PUT", ROUTE, 405),
    ("DELETE", "/v1/models/sim", 405),
    ("POST", "/v1/models", 405),
    ("POST", f"{ROUTE}/", 404),
    ("GET", "/v1/models/", 404),
    ("GET", "/v1/models/none", 404),
    ("POST", "/v1/completions", 404),
    ("POST", "/v1/embeddings", 404),
    ("POST", "/v1/responses", 404),
    ("POST", "/v1/audio/speech", 404),
    ("GET", "/v1/", 404),
]


@pytest.mark.parametrize(("method", "path", "status"), ELSEWHERE)
def test_what_is_not_there_says_so_in_openais_shape(ask, method, path, status):
    refused(ask(method, path, {} if method in ("POST", "PUT") else None), status)


def test_the_list_and_each_of_it_are_alike(ask):
    listed = json.loads(ask("GET", "/v1/models")[2])
    assert listed["object"] == "list"
    assert [each["id"] for each in listed["data"]] == ["sim", "other", "chat"]
    for each in listed["data"]:
        assert each.keys() == {"id", "object", "created", "owned_by"}
        assert json.loads(ask("GET", f"/v1/models/{each['id']}")[2]) == each


@pytest.mark.parametrize("path", [ROUTE, "/v1/models", "/v1/completions"])
def test_a_listed_origin_may_ask_and_read_what_is_refused(ask, path):
    status, headers, _ = ask(
        "OPTIONS",
        path,
        Origin=ORIGIN,
        Access_Control_Request_Method="POST",
        Access_Control_Request_Headers="authorization,content-type,x-stainless-os,x-hold-answer",
    )
    assert status == 204
    assert headers["access-control-allow-origin"] == ORIGIN
    assert "x-stainless-os" in headers["access-control-allow-headers"]
    _, headers, _ = ask("POST", path, {"messages": []}, Origin=ORIGIN)
    assert headers["access-control-allow-origin"] == ORIGIN
    assert "x-should-retry" in headers["access-control-expose-headers"]
    assert "access-control-allow-origin" not in ask("GET", path, Origin="https://evil.example")[1]


@pytest.mark.parametrize("value", ["true", "True", "1", "false", ""])
def test_an_answer_is_held_until_it_is_whole_where_that_is_said(ask, value):
    body = {"messages": [user(directive(tokens=9))], "stream": True}
    _, _, told = ask("POST", ROUTE, body, X_Hold_Answer=value)
    assert told.endswith(b"data: [DONE]\n\n")
    texts = [
        line
        for line in told.split(b"\n\n")
        if b'"content":"' in line and b'"content":""' not in line
    ]
    held = value.lower() == "true"
    assert (len(texts) == 1) >= held


@pytest.mark.parametrize(
    "named",
    [
        {"user": "user-from-body"},
        {"safety_identifier": "user-from-body"},
        {"user": "user-from-body", "safety_identifier": "somebody-else"},
    ],
    ids=["user", "safety_identifier", "both"],
)
def test_the_callers_ids_are_kept(ask, service, named):
    body = {"messages": [user()], **named}
    request_id = uuid.uuid4().hex
    _, headers, _ = ask("POST", ROUTE, body, X_Request_ID=request_id)
    assert headers["x-request-id"] == request_id
    turn = service.turn(request_id)
    assert (turn["route"], turn["user_id"]) == (ROUTE, "user-from-body")


def refused(answer, status):
    """The error, once it has OpenAI's shape."""
    found, headers, body = answer
    assert found == status, body
    assert headers["content-type"] == "application/json"
    assert headers["x-should-retry"] in ("true", "false")
    assert headers["x-request-id"]
    error = json.loads(body)["error"]
    assert error.keys() == {"message", "type", "param", "code", "request_id"}
    assert all(isinstance(error[name], str) for name in ("message", "type", "code"))
    return error
