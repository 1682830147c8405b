"""Ids, headers, probes and the page: what every response has, whichever client asks the LLM."""

import http.client
import json
import uuid

import pytest

from tests.support.contract import REQUEST_ID

ROUTES = ["/chat", "/chat/stream"]


def ask(service, route, headers):
    """Status, headers and body, whichever route."""
    sent = {"Content-Type": "application/json", **headers}
    return service.request("POST", route, b'{"question": "hi"}', sent)


@pytest.mark.parametrize(
    "given", ["1234567", "a" * 65, "with space", "semi;colon1", "<script>", ""]
)
def test_any_other_id_is_replaced(service, given):
    _, headers, _ = ask(service, "/chat", {"X-Request-ID": given})
    assert headers["x-request-id"] != given
    assert REQUEST_ID.fullmatch(headers["x-request-id"])


@pytest.mark.parametrize("route", ROUTES)
def test_user_and_session_are_in_the_log(service, route):
    ids = {"X-User-ID": "user-0001", "X-Session-ID": "session.0001"}
    _, headers, _ = ask(service, route, ids)
    turn = service.turn(headers["x-request-id"])
    assert (turn["user_id"], turn["session_id"]) == ("user-0001", "session.0001")


@pytest.mark.parametrize("given", ["short", "a" * 65, "jane doe@example.com", ""])
def test_ids_of_another_shape_are_dropped(service, given):
    _, headers, _ = ask(service, "/chat", {"X-User-ID": given, "X-Session-ID": given})
    turn = service.turn(headers["x-request-id"])
    assert (turn["user_id"], turn["session_id"]) == (None, None)


def test_a_connections_next_request_inherits_no_ids(service):
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
    told = []
    for ids in ({"X-Request-ID": f"first-{uuid.uuid4().hex}", "X-User-ID": "user-0001"}, {}):
        connection.request(
            "POST", "/chat", '{"question": "hi"}', {"Content-Type": "application/json", **ids}
        )
        response = connection.getresponse()
        response.read()
        told.append(response.headers["X-Request-ID"])
    connection.close()
    assert told[0] != told[1]
    assert service.turn(told[0])["user_id"] == "user-0001"
    assert service.turn(told[1])["user_id"] is None


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(
            ("GET", path)
            for path in ("/", "/health", "/ready", "/openapi.json", "/static/chat.js", "/no")
        ),
        *(
            ("HEAD", "/health"),
            ("OPTIONS", "/chat"),
            ("POST", "/chat"),
            ("POST", "/chat/stream"),
            ("PUT", "/"),
        ),
    ],
)
def test_every_response_has_an_id_and_keeps_its_type(service, method, path):
    _, headers, _ = service.request(method, path, headers={"X-Request-ID": "my-request-1"})
    assert headers["x-request-id"] == "my-request-1"
    assert headers["x-content-type-options"] == "nosniff"


# what probes see


def test_health_and_readiness_never_ask_the_llm(service, simulator):
    for port in (service.port, service.metrics_port):
        status, _, body = service.get("/health", port=port)
        assert (status, json.loads(body)) == (200, {"status": "ok"})
        status, _, body = service.get("/ready", port=port)
        assert (status, json.loads(body)["status"]) == (200, "ready")
    assert simulator.stats()["connections_accepted"] == 0


def test_the_page_may_load_nothing_from_elsewhere(service):
    status, headers, body = service.get("/")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert b"<script>" not in body
