"""What nginx itself refuses: the contract's JSON, the limits per address, and callers who do not get on."""

import json
import socket
import time
from contextlib import ExitStack

import pytest

from service import errors
from tests.support.nginx import Nginx
from tests.support.service import free_port
from tests.support.sse import Stream
from tests.support.upstream import STREAM_HEAD, Upstream, chunk, gone, problem, whole

FRAME = b'event: token\ndata: {"text": "a"}\n\n'


def hello(request, connection):
    connection.sendall(whole(200, b"{}"))


@pytest.fixture(scope="module")
def nginx():
    with (
        Upstream(hello) as upstream,
        Nginx(upstream.address, MAX_BODY_BYTES=1000, CLIENT_REQUESTS_PER_SECOND=1000) as running,
    ):
        yield running


def say(port, data, timeout=30):
    """Sends bytes as they are; status, headers by lower-case name, parsed body."""
    with socket.create_connection(("127.0.0.1", port), timeout) as connection:
        connection.sendall(data)
        with connection.makefile("rb") as reader:
            return read(reader)


def read(reader):
    status = int(reader.readline().split()[1])
    headers = {}
    while (line := reader.readline().strip()) != b"":
        name, _, value = line.decode().partition(":")
        headers[name.lower()] = value.strip()
    body = reader.read(int(headers.get("content-length", 0)))
    return status, headers, json.loads(body) if body else None


def request(line, *headers, body=b""):
    head = "\r\n".join((f"{line} HTTP/1.1", "Host: localhost", *headers))
    return head.encode() + b"\r\n\r\n" + body


REFUSALS = {
    "no proper request": (request("GET /a b"), 400, "invalid_request", False),
    "two hosts": (request("GET /health", "Host: b"), 400, "invalid_request", False),
    "unknown address": (request("GET /nothing"), 404, "not_found", False),
    "metrics": (request("GET /metrics"), 404, "not_found", False),
    "nginx's own status": (request("GET /stub_status"), 404, "not_found", False),
    "method": (request("TRACE /chat"), 405, "method_not_allowed", False),
    "body": (
        request("POST /chat", "Content-Length: 1001", body=b"x" * 1001),
        413,
        "payload_too_large",
        False,
    ),
    "chunked body": (
        request("POST /chat", "Transfer-Encoding: chunked", body=chunk(b"x" * 1001) + chunk(b"")),
        413,
        "payload_too_large",
        False,
    ),
    "address too long": (request("GET /" + "a" * 40000), 414, "uri_too_long", False),
    "headers too large": (
        request("GET /health", "X-A: " + "a" * 40000),
        431,
        "headers_too_large",
        False,
    ),
    "another host's name": (
        b"GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n",
        421,
        "misdirected_request",
        False,
    ),
    "a version to come": (
        b"GET /health HTTP/3.0\r\nHost: localhost\r\n\r\n",
        400,
        "invalid_request",
        False,
    ),
    "unknown transfer coding": (
        request("POST /chat", "Transfer-Encoding: gzip"),
        400,
        "invalid_request",
        False,
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_refusal_has_the_contracts_shape(nginx, case):
    sent, status, code, retryable = REFUSALS[case]
    told_status, headers, body = say(nginx.port, sent)
    error = body["error"]
    assert (told_status, error["code"], error["retryable"]) == (status, code, retryable)
    assert error["message"].endswith(".")
    assert error["request_id"] == headers["x-request-id"]
    assert headers["content-type"] == "application/json"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["server"] == "nginx"
    assert nginx.line(error["request_id"])["status"] == status


OPENAI_REFUSALS = {
    "body": (
        request("POST /v1/chat/completions", "Content-Length: 1001", body=b"x" * 1001),
        (413, "invalid_request_error", "payload_too_large", "false"),
    ),
    "unknown address": (
        request("GET /v1/nothing"),
        (404, "invalid_request_error", "not_found", "false"),
    ),
}


@pytest.mark.parametrize("case", OPENAI_REFUSALS)
def test_a_refusal_has_the_shape_of_openai_where_its_clients_ask(nginx, case):
    sent, expected = OPENAI_REFUSALS[case]
    status, headers, body = say(nginx.port, sent)
    error = body["error"]
    assert (status, error["type"], error["code"], headers["x-should-retry"]) == expected
    assert error["message"].endswith(".")
    assert error["param"] is None
    assert error["request_id"] == headers["x-request-id"]


def test_an_openai_client_is_told_when_to_come_back():
    sent = request("POST /v1/chat/completions", "Content-Length: 2", body=b"{}")
    with Upstream(hello) as upstream, Nginx(upstream.address, CLIENT_REQUESTS_PER_SECOND=1) as one:
        answers = [say(one.port, sent) for _ in range(5)]
    status, headers, body = answers[-1]
    assert (status, body["error"]["code"]) == (429, "rate_limit_exceeded")
    assert (headers["retry-after"], headers["x-should-retry"]) == ("1", "true")


def test_a_service_that_is_not_there_is_unavailable():
    with Nginx(f"127.0.0.1:{free_port()}") as nginx:
        status, _, body = say(nginx.port, request("GET /health"))
    assert (status, body["error"]["code"], body["error"]["retryable"]) == (502, "unavailable", True)


@pytest.mark.parametrize("status", [400, 404, 413, 422, 429, 500, 502, 503, 504])
def test_the_services_own_errors_pass_as_they_are(status):
    def answer(request, connection):
        connection.sendall(problem(status, "of_the_service"))

    with Upstream(answer) as upstream, Nginx(upstream.address) as nginx:
        told, _, body = say(nginx.port, request("GET /health"))
    assert (told, body) == (status, {"error": {"code": "of_the_service"}})


def test_the_sentences_are_the_services_own():
    """A caller cannot tell, and need not know, who of the two refused."""
    sentences = {
        kind.code: kind.message
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.ChatError) and "code" in vars(kind)
    }
    with Upstream(hello) as upstream, Nginx(upstream.address, MAX_BODY_BYTES=1000) as nginx:
        for sent, _, code, _ in REFUSALS.values():
            _, _, body = say(nginx.port, sent)
            message = body["error"]["message"]
            assert message == sentences.get(code, message), code


def endless(request, connection):
    connection.sendall(STREAM_HEAD + chunk(FRAME))
    gone(connection, 60)


class Streams:
    """An upstream whose answers never end by themselves, and nginx before it."""

    def __init__(self, **settings):
        self._stack = ExitStack()
        upstream = self._stack.enter_context(Upstream(endless))
        self.nginx = self._stack.enter_context(Nginx(upstream.address, **settings))
        self.open = []

    def add(self):
        """The status of one more stream, which stays open."""
        stream = Stream("127.0.0.1", self.nginx.port, {}).open()
        self.open.append(stream)
        return stream.status

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for stream in self.open:
            stream.close()
        self._stack.close()


@pytest.mark.parametrize(("settings", "limit"), [({"CLIENT_MAX_STREAMS": 3}, 3), ({}, 20)])
def test_an_address_has_so_many_answers_at_once(settings, limit):
    with Streams(CLIENT_REQUESTS_PER_SECOND=100, **settings) as streams:
        assert [streams.add() for _ in range(limit)] == [200] * limit
        assert streams.add() == 429
        refused = streams.open[-1]
        assert json.loads(refused.body)["error"]["code"] == "rate_limited"
        assert refused.headers["retry-after"] == "1"
        assert say(streams.nginx.port, request("GET /health", "X-Any: 1"), 1)[0] == 200
        streams.open[0].close()
        until = time.monotonic() + 10
        while streams.add() != 200:
            assert time.monotonic() < until
            time.sleep(0.05)


@pytest.mark.parametrize(("settings", "rate"), [({"CLIENT_REQUESTS_PER_SECOND": 5}, 5), ({}, 20)])
def test_an_address_has_so_many_requests_a_second(settings, rate):
    with Upstream(hello) as upstream, Nginx(upstream.address, **settings) as nginx:
        sent = request("POST /chat", "Content-Length: 2", body=b"{}")
        began = time.monotonic()
        statuses = [say(nginx.port, sent)[0] for _ in range(4 * rate)]
        seconds = time.monotonic() - began
        assert set(statuses) == {200, 429}
        # what is allowed at once, and what the seconds have brought since
        assert rate <= statuses.count(200) <= rate + 1 + seconds * rate + 1
        assert say(nginx.port, request("GET /ready"))[0] == 200


@pytest.mark.slow
def test_callers_who_send_nothing_or_too_slowly_are_let_go(nginx):
    """The header and the body are waited for 10 s."""
    stuck = {
        "nothing": b"",
        "half a header": b"GET /health HTTP/1.1\r\nHost: a\r\n",
        "half a body": request("POST /chat", "Content-Length: 500", body=b"x"),
    }
    with ExitStack() as stack:
        began = time.monotonic()
        connections = []
        for sent in stuck.values():
            connection = socket.create_connection(("127.0.0.1", nginx.port), 30)
            connection.sendall(sent)
            connections.append(stack.enter_context(connection))
        for connection in connections:
            assert gone(connection, 30)
        assert 9 < time.monotonic() - began < 25


def test_a_query_is_in_no_log_and_the_method_is_the_callers():
    """nginx's own error lines would repeat both, and are no JSON."""
    secret = "sk-in-the-query-0123456789"
    with Nginx(f"127.0.0.1:{free_port()}") as nginx:
        line = request(
            f"POST /chat?api_key={secret}",
            "X-Request-ID: query-0001",
            "Content-Type: application/json",
            "Content-Length: 2",
            body=b"{}",
        )
        assert say(nginx.port, line)[0] == 502
        logged = nginx.line("query-0001")
    assert (logged["method"], logged["path"]) == ("POST", "/chat")
    assert secret not in json.dumps(nginx.lines)
    assert nginx.errors == []
