"""What never becomes a turn: addresses and methods that are not there, and bytes that are no HTTP.

Refused in the contract's words too, and nothing of what was sent is repeated.
"""

import contextlib
import select
import socket
import time

import pytest

from tests.support.contract import check_problem
from tests.support.simulator import directive

JSON = "Content-Type: application/json\r\n"
CANARY = "canary"
OK = '{"question": "hi"}'
BROKEN = {
    "no-http": (f"{CANARY} hello\r\n\r\n", "invalid_request"),
    "no-method": ("/chat HTTP/1.1\r\nHost: x\r\n\r\n", "invalid_request"),
    "lower-case-method": (f"post /{CANARY} HTTP/1.1\r\nHost: x\r\n\r\n", "invalid_request"),
    "http-9": (f"GET /{CANARY} HTTP/9.0\r\nHost: x\r\n\r\n", "invalid_request"),
    "address-not-ascii": (f"GET /{CANARY}한글 HTTP/1.1\r\nHost: x\r\n\r\n", "invalid_request"),
    "two-hosts": ("GET /health HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "invalid_request"),
    "two-types": (f"POST /chat HTTP/1.1\r\nHost: x\r\n{JSON}{JSON}\r\n", "invalid_request"),
    "header-with-nul": (
        f"GET / HTTP/1.1\r\nHost: x\r\nX-User-ID: {CANARY}\0\r\n\r\n",
        "invalid_request",
    ),
    "header-with-a-space": (
        f"GET / HTTP/1.1\r\nHost: x\r\nX {CANARY}: y\r\n\r\n",
        "invalid_request",
    ),
    "folded-header": (
        f"GET / HTTP/1.1\r\nHost: x\r\nX-A: a\r\n {CANARY}\r\n\r\n",
        "invalid_request",
    ),
    "length-and-chunked": (
        "POST /chat HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "invalid_request",
    ),
    "coded-and-chunked": (
        f"POST /chat HTTP/1.1\r\nHost: x\r\n{JSON}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "invalid_request",
    ),
    "coded-and-chunked-apart": (
        (
            f"POST /chat HTTP/1.1\r\nHost: x\r\n{JSON}Transfer-Encoding: gzip\r\n"
            "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        ),
        "invalid_request",
    ),
    "negative-length": (
        "POST /chat HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        "invalid_request",
    ),
    "expectation": (
        f"POST /chat HTTP/1.1\r\nHost: x\r\nExpect: {CANARY}\r\n\r\n",
        "invalid_request",
    ),
    "long-header": (
        f"GET / HTTP/1.1\r\nHost: x\r\nX-A: {CANARY * 4000}\r\n\r\n",
        "headers_too_large",
    ),
    "long-cookie": (
        f"GET / HTTP/1.1\r\nHost: x\r\nCookie: {CANARY * 50_000}\r\n\r\n",
        "headers_too_large",
    ),
    "many-headers": (
        "GET / HTTP/1.1\r\nHost: x\r\n"
        + "".join(f"X-{n}: {CANARY}\r\n" for n in range(200))
        + "\r\n",
        "headers_too_large",
    ),
    "long-address": (f"GET /{CANARY * 2000} HTTP/1.1\r\nHost: x\r\n\r\n", "uri_too_long"),
}
CHUNKED = f"POST /chat HTTP/1.1\r\nHost: x\r\n{JSON}Transfer-Encoding: chunked\r\n\r\n"
SHORT = f"POST /chat HTTP/1.1\r\nHost: x\r\n{JSON}Content-Length: 500\r\n\r\n{OK}"
BAD_BODIES = {
    "chunk-size": f"{CHUNKED}ZZ\r\n{OK}\r\n0\r\n\r\n",
    "chunk-end": f"{CHUNKED}12\r\n{OK}XX0\r\n\r\n",
    "chunk-extension": f"{CHUNKED}12;\x01\r\n{OK}\r\n0\r\n\r\n",
    "cut-chunk": f"{CHUNKED}50\r\n{OK}",
    "cut-between-chunks": f"{CHUNKED}12\r\n{OK}\r\n",
    "cut-length": SHORT,
}


def send(service, text):
    """Status, headers and body of the answer to these bytes, after which nothing more is sent."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as caller:
        caller.sendall(text.encode())
        caller.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := caller.recv(65536):
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    fields = (line.partition(": ") for line in lines)
    return int(status.split()[1]), {name.lower(): value for name, _, value in fields}, body


@pytest.fixture
def turns_begun(service):
    return lambda: service.metric("chat_turns_started_total")


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_http_is_refused_in_the_contracts_words(service, turns_begun, name):
    text, code = BROKEN[name]
    before = turns_begun()
    status, headers, body = send(service, text)
    error = check_problem(code, status, headers, body)
    assert headers["connection"] == "close"
    assert CANARY.encode() not in body
    assert turns_begun() == before
    # the operator finds it by its id, and learns why, but not what
    assert '"level":"warning"' in service.line(error["request_id"])
    assert len([line for line in service.lines if error["request_id"] in line]) == 1
    assert not any(CANARY in line for line in service.lines)


@pytest.mark.parametrize("name", BAD_BODIES)
def test_a_body_that_breaks_off_is_the_callers_fault(service, simulator, name):
    status, headers, body = send(service, BAD_BODIES[name])
    error = check_problem("invalid_request", status, headers, body)
    assert headers["connection"] == "close"
    turn = service.turn(error["request_id"])
    assert (turn["ending"], turn["cause"]) == ("invalid", "body cut")
    assert simulator.stats()["requests"] == 0
    assert not [event for event in service.events() if event["event"] == "bug"]


def test_a_body_that_does_not_come_is_not_waited_for(serve, simulator):
    service = serve(SEND_TIMEOUT_SECONDS=1)
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as caller:
        caller.sendall(SHORT.encode())
        answer = caller.makefile("rb").read()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert b"Connection: close\r\n" in head
    assert b'"request_timeout"' in body
    assert service.turns(1)[0]["ending"] == "invalid"
    assert simulator.stats()["requests"] == 0


def test_a_body_that_drips_is_not_waited_for(service, simulator):
    """Each byte comes in time, all of them together do not."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=5) as caller:
        caller.sendall(SHORT.encode())
        began, answer = time.monotonic(), b""
        while not answer and time.monotonic() < began + 40:
            ready, _, _ = select.select([caller], [], [], 0.7)
            if ready:
                answer = caller.recv(65536)
            else:
                caller.sendall(b" ")
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_request_cannot_say_where_the_service_is_mounted(service):
    for name in ("SCRIPT_NAME", "PATH_INFO", "Script-Name"):
        assert service.request("GET", "/health", headers={name: "/elsewhere"})[0] == 200
        assert service.request("GET", "/nope", headers={name: "/health"})[0] == 404


def test_connections_that_say_nothing_keep_nobody_out(serve):
    service = serve(MAX_CONCURRENT_TURNS=4)
    most = 2 * 4 + 200
    with contextlib.ExitStack() as held:
        for _ in range(most + 100):
            held.enter_context(socket.create_connection(("127.0.0.1", service.port), timeout=30))
        began = time.monotonic()
        assert service.get("/health")[0] == 200
        assert service.chat()[0] == 200
        # a connection that says nothing is ended after 15 s by itself
        assert time.monotonic() - began < 10


def test_an_answer_goes_on_while_connections_are_ended_to_make_room(serve):
    service = serve(MAX_CONCURRENT_TURNS=4)
    with contextlib.ExitStack() as held:
        streams = [
            held.enter_context(service.stream(directive(tokens=20, gap=0.1))) for _ in range(4)
        ]
        for _ in range(400):
            held.enter_context(socket.create_connection(("127.0.0.1", service.port), timeout=30))
        assert [stream.events()[-2].name for stream in streams] == ["done"] * 4


def test_a_sender_of_somewhat_too_much_gets_the_answer_whole(service):
    """Closed with bytes unread, the connection would be reset, and an answer on its way with it."""
    head = f"POST /chat HTTP/1.1\r\nHost: x\r\n{JSON}Content-Length: 3000000\r\n\r\n"
    status, headers, body = send(service, head + "x" * 3_000_000)
    check_problem("payload_too_large", status, headers, body)
    assert headers["connection"] == "close"


def test_a_body_without_end_is_not_read_to_its_end(service, simulator):
    """Some of what is over the limit is read and thrown away, so that its sender sees the answer."""
    megabyte, sent = b"x" * 1_000_000, 0
    head = f"POST /chat HTTP/1.1\r\nHost: x\r\n{JSON}Content-Length: 500000000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as caller:
        caller.sendall(head.encode())
        with contextlib.suppress(ConnectionError):
            while sent < 200:
                caller.sendall(megabyte)
                sent += 1
        answer = caller.recv(65536)
    # the limit is a quarter of one, and the kernel's buffers hold some
    assert sent < 100
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"Connection: close\r\n" in answer
    assert simulator.stats()["requests"] == 0


MISSING = [
    *(
        "/nope",
        "/chat/",
        "/CHAT",
        "/chat/streams",
        "/chat/stream/",
        "/health/",
        "/metrics",
        "/.env",
    ),
    *("//evil.example", "/%ff%fe", "/openapi.yaml", "/static"),
]
MISSING_FILES = [
    *("/static/", "/static/nope.js", "/static/../settings.py", "/static/%2e%2e/settings.py"),
    *("/static/..%2fsettings.py", "/static//etc/passwd", "/static//chat.js"),
]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("POST", path) for path in MISSING),
        *(("GET", path) for path in MISSING + MISSING_FILES),
    ],
)
def test_an_address_where_nothing_is(service, turns_begun, method, path):
    before = turns_begun()
    body = OK if method == "POST" else None
    check_problem("not_found", *service.request(method, path, body, {"Host": "evil"}))
    assert turns_begun() == before


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        *(
            (method, path, "OPTIONS, POST")
            for path in ("/chat", "/chat/stream")
            for method in ("GET", "PUT", "PATCH", "DELETE", "BREW")
        ),
        *(
            (method, path, "GET, HEAD, OPTIONS")
            for path in ("/", "/health", "/ready", "/openapi.json")
            for method in ("POST", "PUT", "DELETE")
        ),
    ],
)
def test_a_method_that_an_address_does_not_take(service, turns_begun, method, path, allowed):
    before = turns_begun()
    answer = service.request(method, path, OK, {"Content-Type": "application/json"})
    check_problem("method_not_allowed", *answer)
    assert answer[1]["allow"] == allowed
    assert turns_begun() == before


@pytest.mark.parametrize("path", ["/", "/static/chat.js"])
def test_a_range_that_is_not_there_is_no_bug_of_ours(service, path):
    answer = service.request("GET", path, headers={"Range": "bytes=99999999-"})
    check_problem("invalid_request", *answer)
