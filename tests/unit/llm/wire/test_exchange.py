"""Kept connections that are dead are replaced without a trace; what is cancelled leaves nothing open."""

import os
import socket
import struct
import threading

import gevent
import pytest

from service.llm.wire import exchange as exchange_module
from service.llm.wire.address import parse
from service.llm.wire.connections import server_at
from service.llm.wire.exchange import Exchange
from tests.support.tls import self_signed, server_context
from tests.support.upstream import Upstream, cut, gone, whole

TICK_SECONDS = 0.05
ANSWER = whole(200, b"hi")


def reset(connection):
    """As a balancer does that has forgotten the connection."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(connection.detach())


@pytest.fixture
def reach():
    """What a worker has of an upstream: its connections, and a request over them."""
    made = []

    def at(address, scheme="http"):
        server = server_at(parse(f"{scheme}://{address}/v1"), {}, 3, 10)
        made.append(server)

        def begin():
            def request(sent_before):
                headers = {"X-Request-ID": f"id-{sent_before}"}
                return server.request("POST", "/v1/chat/completions", b"{}", headers)

            return Exchange(server.connections, request, TICK_SECONDS)

        return begin

    yield at
    for each in made:
        each.connections.close()


def told(exchange, *, keep=True):
    """The answer's bytes, its connection kept for the next; empty: closed without one."""
    try:
        while (data := exchange.receive()) is None:
            pass
    finally:
        exchange.end(reusable=keep)
    return data


class Deadly:
    """Answers the first request of a connection, and does with its second what the test says."""

    def __init__(self, kill):
        self.kill = kill
        self.first = set()

    def __call__(self, request, connection):
        if request.connection in self.first:
            self.kill(connection)
            return
        self.first.add(request.connection)
        connection.sendall(ANSWER)


def farewell(connection):
    """As HAProxy and Node do, if the request comes just as they give up waiting for one."""
    connection.sendall(whole(408, b"<h1>408 Request Time-out</h1>", Connection="Close"))
    cut(connection)


@pytest.fixture
def clock(monkeypatch):
    """The time in seconds, which stands still unless a test moves it."""
    now = [0.0]
    monkeypatch.setattr(exchange_module, "monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize("kill", [cut, reset, farewell])
@pytest.mark.usefixtures("clock")
def test_a_kept_connection_that_ends_under_a_request_is_replaced(reach, kill):
    with Upstream(Deadly(kill)) as upstream:
        begin = reach(upstream.address)
        assert told(begin()) == ANSWER
        assert told(begin()) == ANSWER
        assert [request.connection for request in upstream.requests] == [1, 1, 2]
        ids = [request.headers["x-request-id"] for request in upstream.requests]
        assert ids == ["id-0", "id-0", "id-1"]


def test_thirty_dead_connections_cost_nobody_an_answer(reach):
    with Upstream(Deadly(reset)) as upstream:
        begin = reach(upstream.address)
        held = [begin() for _ in range(10)]
        assert [told_first(each) for each in held] == [ANSWER] * 10
        for each in held:
            each.end(reusable=True)
        callers = [gevent.spawn(told, begin()) for _ in range(30)]
        gevent.joinall(callers, raise_error=True)
        assert [caller.value for caller in callers] == [ANSWER] * 30


def told_first(exchange):
    while (data := exchange.receive()) is None:
        pass
    return data


def test_connections_that_the_server_closed_meanwhile_are_not_used(reach):
    with Upstream(lambda _, connection: connection.sendall(ANSWER)) as upstream:
        begin = reach(upstream.address)
        held = [begin() for _ in range(3)]
        assert [told_first(each) for each in held] == [ANSWER] * 3
        for each in held:
            each.end(reusable=True)
        for connection in upstream.connections:
            cut(connection)
        assert told(begin()) == ANSWER
        assert len(upstream.requests) == 4


@pytest.mark.parametrize("headers", [{}, {"Connection": "close"}])
def test_a_408_is_an_answer_on_a_fresh_connection_and_where_the_connection_stays(reach, headers):
    said = whole(408, b"", **headers)

    def answer(request, connection):
        fresh = len(upstream.requests) == 1
        connection.sendall(said if headers or not fresh else ANSWER)

    with Upstream(answer) as upstream:
        begin = reach(upstream.address)
        if not headers:
            assert told(begin()) == ANSWER
        assert told(begin(), keep=False) == said
        assert len({request.connection for request in upstream.requests}) == 1


def test_a_408_that_comes_late_is_an_answer(reach, clock):
    def late(connection):
        clock[0] += 3
        farewell(connection)

    with Upstream(Deadly(late)) as upstream:
        begin = reach(upstream.address)
        assert told(begin()) == ANSWER
        assert told(begin(), keep=False).startswith(b"HTTP/1.1 408")
        assert len(upstream.requests) == 2


def test_a_fresh_connection_that_ends_is_a_failure(reach):
    with Upstream(lambda _, connection: cut(connection)) as upstream:
        assert told(reach(upstream.address)(), keep=False) == b""
        assert len(upstream.requests) == 1


def test_the_replacement_is_made_once(reach):
    def kill(connection):
        server.first.clear()
        server.first.update(range(100))
        cut(connection)

    server = Deadly(kill)
    with Upstream(server) as upstream:
        begin = reach(upstream.address)
        assert told(begin()) == ANSWER
        assert told(begin(), keep=False) == b""
        assert len(upstream.requests) == 3


def test_a_connection_that_ends_in_mid_answer_is_not_replaced(reach):
    def answer(request, connection):
        connection.sendall(ANSWER if len(upstream.requests) == 1 else ANSWER[:20])
        if len(upstream.requests) > 1:
            cut(connection)

    with Upstream(answer) as upstream:
        begin = reach(upstream.address)
        assert told(begin()) == ANSWER
        second = begin()
        assert told_first(second) == ANSWER[:20]
        assert told(second, keep=False) == b""
        assert len(upstream.requests) == 2


def test_a_server_that_is_gone_for_good_is_a_failure_of_the_connection(reach):
    with Upstream(lambda _, connection: connection.sendall(ANSWER)) as upstream:
        begin = reach(upstream.address)
        assert told(begin()) == ANSWER
    with pytest.raises(OSError, match="refused"):
        told(begin(), keep=False)


def test_a_request_that_is_cancelled_in_the_tls_handshake_closes_its_connection(reach):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        exchange = reach(f"127.0.0.1:{silent.getsockname()[1]}", "https")()
        assert exchange.receive() is None
        connection, _ = silent.accept()
        with connection:
            assert connection.recv(1)
            exchange.end(reusable=False)
            gevent.sleep(0.01)
            connection.settimeout(5)
            while connection.recv(65536):
                pass


def test_a_request_that_is_cancelled_at_any_moment_leaves_no_connection(reach):
    with Upstream(lambda *_: threading.Event().wait(0.2)) as upstream:
        for ticks in range(3):
            exchange = reach(upstream.address)()
            for _ in range(ticks):
                assert exchange.receive() is None
            exchange.end(reusable=False)
            gevent.sleep(0.01)
        assert all(map(gone, upstream.connections))


def test_tls_serves_several_requests_on_one_connection(reach, tmp_path, monkeypatch):
    certificate, key = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", certificate)
    with Upstream(
        lambda _, connection: connection.sendall(ANSWER), tls=server_context(certificate, key)
    ) as upstream:
        begin = reach(upstream.address, "https")
        assert [told(begin()) for _ in range(3)] == [ANSWER] * 3
        assert [request.connection for request in upstream.requests] == [1, 1, 1]
