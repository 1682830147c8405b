"""The shipped nginx files under a real nginx: what goes through, and how."""

import http.client
import socket
import threading
import time

import pytest

from tests.support.dns import Dns
from tests.support.nginx import Nginx
from tests.support.sse import Stream
from tests.support.upstream import STREAM_HEAD, Upstream, chunk, cut, gone, whole

FRAME = b'event: token\ndata: {"text": "a"}\n\n'


def echo(request, connection):
    connection.sendall(whole(200, request.body or b"{}"))


@pytest.fixture
def front():
    """front(answer, **settings): an upstream with this answer, and nginx before it."""
    started = []

    def start(answer=echo, **settings):
        upstream = Upstream(answer)
        started.append(upstream)
        nginx = Nginx(upstream.address, **settings)
        started.append(nginx)
        nginx.wait_ready()
        return nginx, upstream

    yield start
    for each in reversed(started):
        each.stop()


def ask(nginx, method="GET", path="/health", body=None, **headers):
    """Status, headers as a list of pairs, body."""
    connection = http.client.HTTPConnection("127.0.0.1", nginx.port, timeout=30)
    try:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, names)
        response = connection.getresponse()
        return response.status, response.getheaders(), response.read()
    finally:
        connection.close()


def test_nginx_finds_nothing_to_warn_of(front):
    nginx, _ = front()
    said = nginx.check()
    assert "test is successful" in said
    assert "[warn]" not in said


def test_each_piece_of_a_stream_is_passed_on_before_the_next_one_is_sent(front):
    seen = threading.Semaphore(0)
    held = []

    def answer(request, connection):
        # one chunk for all of them: what nginx could wait for
        connection.sendall(STREAM_HEAD + b"%x\r\n" % (3 * len(FRAME)))
        for _ in range(3):
            connection.sendall(FRAME)
            held.append(not seen.acquire(timeout=5))
        connection.sendall(b"\r\n" + chunk(b""))

    nginx, _ = front(answer)
    with Stream("127.0.0.1", nginx.port, {}, {"Accept-Encoding": "gzip"}) as stream:
        for event in stream:
            assert event.name == "token"
            seen.release()
    assert held == [False, False, False]
    assert stream.whole
    assert "content-encoding" not in stream.headers


def test_a_crash_in_mid_answer_is_no_clean_end(front):
    def answer(request, connection):
        if request.version == "HTTP/1.1":
            connection.sendall(STREAM_HEAD + chunk(FRAME))
        else:
            connection.sendall(
                b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + FRAME
            )
        cut(connection)

    nginx, _ = front(answer)
    with Stream("127.0.0.1", nginx.port, {}) as stream:
        assert len(stream.events()) == 1
    assert not stream.whole


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("abc.DEF_1-2", True),
        ("x" * 64, True),
        ("short", False),
        ("x" * 65, False),
        ('a" ,"x":"1', False),
        ("id12345678, id12345678", False),
        (None, False),
    ],
)
def test_one_id_names_a_request_everywhere(front, sent, kept):
    nginx, upstream = front(
        lambda _, connection: connection.sendall(whole(200, b"{}", X_Request_ID="of-the-app"))
    )
    given = {} if sent is None else {"X_Request_ID": sent}
    _, headers, _ = ask(nginx, "POST", "/chat?key=secret", b"{}", **given)
    ids = [value for name, value in headers if name == "X-Request-ID"]
    assert len(ids) == 1
    assert (ids[0] == sent) is kept
    assert upstream.requests[0].headers["x-request-id"] == ids[0]
    line = nginx.line(ids[0])
    assert (line["path"], line["status"], line["upstream_status"]) == ("/chat", 200, "200")
    assert line["upstream"] == upstream.address
    assert line["completed"] == "OK"


def test_the_log_has_the_services_time_format_and_survives_any_path(front):
    nginx, _ = front()
    ask(nginx, path='/a"b\\%0a', X_Request_ID="odd-path-1")
    line = nginx.line("odd-path-1")
    assert line["path"] == '/a"b\\%0a'
    assert len(line["time"]) == len("2026-11-22T19:34:17.818+00:00")
    assert line["event"] == "request"


@pytest.mark.slow
def test_connections_to_the_service_are_used_again_and_ended_before_it_would(front):
    nginx, upstream = front()
    for _ in range(20):
        ask(nginx, "POST", "/chat", b"{}")
    # each of its workers keeps its own
    assert len({request.connection for request in upstream.requests}) <= len(nginx.workers())
    for _ in upstream.connections:
        # gunicorn's keepalive is 15 s
        assert upstream.closed.acquire(timeout=14)


def test_a_body_is_carried_whole_up_to_the_services_own_limit(front):
    nginx, _ = front(MAX_BODY_BYTES=262144)
    body = b"x" * 262144
    assert ask(nginx, "POST", "/chat", body)[2] == body


def test_a_caller_who_leaves_takes_the_upstream_along(front):
    left = threading.Event()

    def answer(request, connection):
        connection.sendall(STREAM_HEAD + chunk(FRAME))
        if gone(connection):
            left.set()

    nginx, _ = front(answer)
    stream = Stream("127.0.0.1", nginx.port, {})
    next(iter(stream))
    stream.close()
    assert left.wait(10)


def test_failures_do_not_take_the_service_out_for_others(front):
    def answer(request, connection):
        if request.path == "/chat":
            cut(connection)
        else:
            echo(request, connection)

    with Replicas(answer) as (_, nginx):
        for _ in range(6):
            assert ask(nginx, "POST", "/chat", b"{}")[0] == 502
            assert ask(nginx, "POST", "/chat/stream", b"{}")[0] == 200


class Replicas:
    """Upstreams at addresses of their own with one port, found by name."""

    def __init__(self, answer=echo):
        first = Upstream(answer, ("127.0.0.2", 0))
        self.upstreams = [first, Upstream(answer, ("127.0.0.3", first.port))]
        self.dns = Dns("127.0.0.2", "127.0.0.3")
        self.nginx = Nginx(
            f"service:{first.port}", RESOLVER=self.dns.address, CLIENT_REQUESTS_PER_SECOND=1000
        )

    def __enter__(self):
        self.dns.__enter__()
        self.nginx.wait_ready()
        until_found(self.nginx)
        return self, self.nginx

    def __exit__(self, *_):
        self.nginx.stop()
        self.dns.__exit__(None, None, None)
        for upstream in self.upstreams:
            upstream.stop()


def until_found(nginx):
    """The name is asked for once nginx runs."""
    until = time.monotonic() + 10
    while ask(nginx)[0] != 200:
        assert time.monotonic() < until
        time.sleep(0.1)


def test_a_replica_that_cannot_be_reached_is_passed_over():
    with Replicas() as (replicas, nginx):
        replicas.upstreams[0].stop()
        assert {ask(nginx, "POST", "/chat", b"{}")[0] for _ in range(10)} == {200}


def test_a_post_that_was_sent_is_not_sent_again():
    def answer(request, connection):
        if request.method == "POST":
            cut(connection)
        else:
            echo(request, connection)

    with Replicas(answer) as (replicas, nginx):
        assert ask(nginx, "POST", "/chat", b"{}")[0] == 502
        asked = [r for upstream in replicas.upstreams for r in upstream.requests]
        assert [r.method for r in asked].count("POST") == 1


@pytest.mark.slow
def test_replicas_come_and_go_by_their_name():
    with Replicas() as (replicas, nginx):
        old, new = replicas.upstreams
        replicas.dns.addresses = ("127.0.0.3",)
        until = time.monotonic() + 15
        # valid for 5 s, whatever the answer says
        while asked_by(old, nginx):
            assert time.monotonic() < until
        assert new.requests
        replicas.dns.addresses = ("127.0.0.2", "127.0.0.3")
        while not asked_by(old, nginx):
            assert time.monotonic() < until + 15


def asked_by(upstream, nginx):
    """Whether this upstream gets one of ten requests."""
    before = len(upstream.requests)
    for _ in range(10):
        assert ask(nginx, "POST", "/chat", b"{}")[0] == 200
    time.sleep(0.2)
    return len(upstream.requests) > before


def test_nginx_starts_before_the_service_has_a_name():
    with (
        Dns() as dns,
        Upstream(echo) as upstream,
        Nginx(f"service:{upstream.port}", RESOLVER=dns.address) as nginx,
    ):
        assert ask(nginx)[0] == 502
        dns.addresses = ("127.0.0.1",)
        until_found(nginx)


@pytest.mark.parametrize("end", ["reload", "quit"])
def test_open_answers_outlive_a_reload_and_a_stop(front, end):
    finish = threading.Event()

    def answer(request, connection):
        connection.sendall(STREAM_HEAD + chunk(FRAME))
        finish.wait(20)
        connection.sendall(chunk(FRAME) + chunk(b""))

    nginx, _ = front(answer)
    with Stream("127.0.0.1", nginx.port, {}) as stream:
        events = iter(stream)
        next(events)
        if end == "reload":
            nginx.reload()
        else:
            stopping = threading.Thread(target=nginx.quit)
            stopping.start()
            until_refused(nginx.port)
        finish.set()
        assert len(list(events)) == 1
        assert stream.whole
    if end == "quit":
        stopping.join(10)
        assert not stopping.is_alive()


def until_refused(port):
    until = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            return
        assert time.monotonic() < until
        time.sleep(0.05)
