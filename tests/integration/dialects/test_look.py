"""What is set up wrong is said before the service is ready, and with each turn that meets it."""

import json
import socket
from contextlib import ExitStack

import pytest

from tests.support.model_server import answers
from tests.support.service import Service, free_port
from tests.support.upstream import Upstream, whole

OPENAI_401 = {
    "error": {
        "message": "Incorrect API key provided: sk-canary.",
        "type": "invalid_request_error",
        "code": "invalid_api_key",
    }
}
GEMINI_400 = [
    {
        "error": {
            "code": 400,
            "message": "API key not valid. Please pass a valid API key.",
            "status": "INVALID_ARGUMENT",
        }
    }
]
EMPTY = {"error": {"message": "You exceeded your current quota.", "code": "insufficient_quota"}}


def listed(*names):
    return 200, {"object": "list", "data": [{"id": name, "object": "model"} for name in names]}


# status and body of the list of models; the problem, and the setting to change
FOUND = {
    "a wrong key": ((401, OPENAI_401), "key", "OPENAI_API_KEY"),
    "a wrong key at Gemini": ((400, GEMINI_400), "key", "OPENAI_API_KEY"),
    "a key without access": ((403, {}), "access", "OPENAI_API_KEY"),
    "an empty account": ((429, EMPTY), "account", "OPENAI_API_KEY"),
    "a payment that is due": ((402, {}), "account", "OPENAI_API_KEY"),
    "no such address": ((404, {"detail": "Not Found"}), "address", "OPENAI_BASE_URL"),
    "a web page": ((200, "<html>"), "address", "OPENAI_BASE_URL"),
    "JSON of another kind": ((200, {"ok": True}), "address", "OPENAI_BASE_URL"),
    "no such model": (listed("gpt-4o", "similar"), "model", "LLM_MODEL"),
    "a failure": ((503, {}), "unclear", "OPENAI_BASE_URL"),
}
WELL = {
    "the model": listed("gpt-4o", "sim"),
    "no models at all": listed(),
    "Gemini's names": listed("models/sim"),
    "Ollama's names": listed("sim:latest"),
    "other letters": listed("SIM"),
    "a bare list": (200, [{"id": "sim"}]),
    "Ollama's own list": (200, {"models": [{"name": "sim:latest", "model": "sim:latest"}]}),
}


def server(status, body):
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode()

    def answer(request, connection):
        reply = whole(status, data) if request.method == "GET" else b"".join(answers())
        connection.sendall(reply)

    return Upstream(answer)


def findings(service):
    return [event for event in service.events() if event["event"] == "model_server"]


@pytest.mark.parametrize(("models", "problem", "setting"), FOUND.values(), ids=FOUND)
def test_what_is_wrong_is_said_before_ready_and_nothing_is_refused(models, problem, setting):
    with (
        server(*models) as upstream,
        Service(
            f"http://user:canary@{upstream.address}/v1?key=canary", OPENAI_API_KEY="sk-canary-1"
        ) as service,
    ):
        found = service.event("model_server")
        assert findings(service) == [found]
        assert (found["level"], found["problem"], found["setting"]) == ("warning", problem, setting)
        assert f"http://{upstream.address}/v1/models" in found["says"]
        assert service.chat()[0] == 200
        assert "canary" not in "\n".join(service.lines)
        assert [request.method for request in upstream.requests] == ["GET", "POST"]


@pytest.mark.parametrize("models", WELL.values(), ids=WELL)
def test_where_all_is_well_nothing_is_said(models):
    with server(*models) as upstream, Service(f"http://{upstream.address}/v1") as service:
        assert findings(service) == []


def test_each_server_is_asked_once_by_all_workers_together():
    with ExitStack() as stack:
        primary = stack.enter_context(server(*listed("sim")))
        spare = stack.enter_context(server(401, OPENAI_401))
        settings = {"FALLBACK_MODEL": "spare", "FALLBACK_BASE_URL": f"http://{spare.address}/v1"}
        service = stack.enter_context(
            Service(f"http://{primary.address}/v1", WEB_CONCURRENCY=2, **settings)
        )
        service.until("chat_workers", 2)
        service.event("model_server")
        (found,) = findings(service)
        assert (found["problem"], found["setting"]) == ("key", "FALLBACK_API_KEY")
        assert (len(primary.requests), len(spare.requests)) == (1, 1)


def test_a_server_that_is_not_there_is_said():
    with Service(f"http://127.0.0.1:{free_port()}/v1") as service:
        (found,) = findings(service)
        assert (found["problem"], found["setting"]) == ("unreachable", "OPENAI_BASE_URL")
        assert "Connection refused" in found["says"]


def test_a_server_that_does_not_answer_holds_the_start_up_for_seconds_alone():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        with Service(address) as service:
            assert [found["problem"] for found in findings(service)] == ["unreachable"]


@pytest.mark.parametrize("client", ["lean", "stock"])
@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (401, OPENAI_401, "key"),
        (400, GEMINI_400, "key"),
        (403, {}, "access"),
        (
            404,
            {"error": {"message": "The model `sim` does not exist", "code": "model_not_found"}},
            "model",
        ),
        (404, {"detail": "Not Found"}, "address"),
        (405, {}, "address"),
    ],
)
def test_a_refusal_of_our_set_up_is_counted_by_its_reason_and_says_where(
    client, status, body, reason
):
    def answer(_, connection):
        connection.sendall(whole(status, json.dumps(body).encode()))

    with (
        Upstream(answer) as upstream,
        Service(f"http://{upstream.address}/v1", LLM_CLIENT=client) as service,
    ):
        found, _, answer = service.chat()
        assert (found, answer["error"]["code"]) == (502, "upstream_rejected")
        assert service.metric("chat_llm_refusals_total", model="sim", reason=reason) == 1
        assert service.metric("chat_llm_refusals_total") == 1
        (turn,) = service.turns(1)
        assert turn["cause"].endswith(f", at http://{upstream.address}/v1/chat/completions")
