"""Connections as the world treats them: dead ones, proxies, redirects, and servers that say when to come back."""

import os
import socket
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate

import pytest

from tests.support.model_server import answers, refuses
from tests.support.picky_server import PickyServer
from tests.support.service import Service
from tests.support.upstream import Upstream, cut, whole

DEAD_PROXY = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def picky():
    with PickyServer() as server:
        yield server


@pytest.fixture(scope="module", params=["lean", "stock"])
def asking(request, picky):
    """In a shell that names a proxy which is not there."""
    proxies = dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY"), DEAD_PROXY)
    with Service(
        picky.base_url, LLM_CLIENT=request.param, BREAKER_FAILURES=1_000_000, **proxies
    ) as service:
        yield service


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(connection.detach())


def give_up(connection):
    """As HAProxy and Node do, if the request comes just as they give up waiting for one."""
    connection.sendall(whole(408, b"<h1>408 Request Time-out</h1>", Connection="close"))
    cut(connection)


class Balancer:
    """Keeps connections, and from the moment that it fails over ends each of them at its next request."""

    def __init__(self, end):
        self._end = end
        self._failed_over = 0
        self.gate = threading.Event()
        self.gate.set()

    def fail_over(self, upstream):
        self._failed_over = len(upstream.connections)

    def __call__(self, request, connection):
        if request.method != "POST":
            connection.sendall(whole(404, b"{}"))
        elif request.connection <= self._failed_over:
            self._end(connection)
        else:
            self.gate.wait(20)
            connection.sendall(b"".join(answers()))


def keep(count, service, balancer, upstream):
    """So many connections, each with an answer behind it."""
    balancer.gate.clear()
    with ThreadPoolExecutor(count) as crowd:
        answers = [crowd.submit(service.chat) for _ in range(count)]
        while sum(request.method == "POST" for request in upstream.requests) < count:
            time.sleep(0.01)
        balancer.gate.set()
        assert [each.result()[0] for each in answers] == [200] * count


@pytest.mark.parametrize("client", ["lean", "stock"])
# a farewell counts only if it is read soon, which a crowd would delay
@pytest.mark.parametrize(("end", "count"), [(cut, 30), (reset, 30), (give_up, 3)])
def test_kept_connections_that_are_all_dead_cost_nobody_an_answer(end, count, client):
    balancer = Balancer(end)
    with (
        Upstream(balancer) as upstream,
        Service(f"http://{upstream.address}/v1", LLM_CLIENT=client) as service,
    ):
        keep(count, service, balancer, upstream)
        balancer.fail_over(upstream)
        with ThreadPoolExecutor(count) as crowd:
            statuses = [each[0] for each in crowd.map(lambda _: service.chat(), range(count))]
        assert statuses == [200] * count
        assert service.metric("chat_llm_attempts_total", result="ok") == 2 * count
        assert service.metric("chat_llm_attempts_total") == 2 * count
        assert service.metric("chat_llm_retries_total") == 0
        assert service.metric("chat_breaker_state") == 0


@pytest.mark.parametrize("client", ["lean", "stock"])
def test_a_server_that_closes_idle_connections_is_asked_again_at_once(client):
    """As uvicorn does after five seconds: some are closed already, the others at the next request."""
    balancer = Balancer(cut)
    with (
        Upstream(balancer) as upstream,
        Service(f"http://{upstream.address}/v1", LLM_CLIENT=client) as service,
    ):
        keep(6, service, balancer, upstream)
        balancer.fail_over(upstream)
        kept = [connection for connection in upstream.connections if connection.fileno() >= 0]
        for connection in kept[-3:]:
            cut(connection)
        assert service.chat()[0] == 200
        assert service.metric("chat_llm_attempts_total") == 7
        assert service.metric("chat_llm_retries_total") == 0


def test_what_is_local_is_asked_without_a_proxy(asking, picky):
    picky.begin()
    assert asking.chat()[0] == 200


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("place", ["/elsewhere?a=b", "{origin}/v1/chat/completions/"])
def test_a_redirect_on_the_same_server_is_followed_once(asking, picky, status, place):
    location = place.format(origin=f"http://{picky.address}")
    moved = refuses(status, b"", Location=location)
    picky.begin(lambda _: moved if len(picky.requests) % 2 else None)
    assert asking.chat()[0] == 200
    first, second = picky.questions
    assert second.path == location.removeprefix(f"http://{picky.address}")
    assert second.body == first.body
    assert second.headers["x-request-id"] != first.headers["x-request-id"]
    picky.begin(lambda _: moved)
    status, _, answer = asking.chat()
    assert (status, answer["error"]["code"]) == (502, "upstream_rejected")
    assert len(picky.questions) == 2


@pytest.mark.parametrize("client", ["lean", "stock"])
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_nobody_is_followed_to_another_server(picky, client, status):
    with (
        PickyServer() as elsewhere,
        Service(
            picky.base_url, LLM_CLIENT=client, OPENAI_API_KEY="sk-canary-0123456789"
        ) as service,
    ):
        location = f"{elsewhere.base_url}/chat/completions?token=canary"
        picky.begin(lambda _: refuses(status, b"", Location=location))
        found, _, answer = service.chat()
        assert (found, answer["error"]["code"]) == (502, "upstream_rejected")
        (turn,) = service.turns(1)
        (attempt,) = turn["attempts"]
        assert attempt["cause"] == (
            f"HTTP {status} to {elsewhere.base_url}/chat/completions, at {picky.base_url}/chat/completions"
        )
        assert elsewhere.requests == []
        assert "canary" not in "\n".join(service.lines)


def limited(**headers):
    return refuses(
        429, {"error": {"message": "Rate limit reached", "code": "rate_limit_exceeded"}}, **headers
    )


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({"Retry_After": "1"}, 1, 3),
        ({"x_ratelimit_reset_requests": "1s"}, 1, 3),
        ({"retry_after_ms": "1200"}, 1.2, 3),
        ({"retry_after_ms": "50", "Retry_After": "60"}, 0.2, 2),
    ],
)
def test_a_wait_that_a_server_names_is_kept(asking, picky, headers, least, most):
    times = []

    def rule(_):
        times.append(time.monotonic())
        return limited(**headers) if len(times) == 1 else None

    picky.begin(rule)
    assert asking.chat()[0] == 200
    assert len(times) == 2
    assert least <= times[1] - times[0] < most + 3


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"Retry_After": "7"}, {7}),
        ({"Retry_After": lambda: formatdate(time.time() + 30, usegmt=True)}, set(range(25, 32))),
        ({"x_ratelimit_reset_tokens": "6m0s"}, {360}),
        ({"retry_after_ms": "2500"}, {3}),
    ],
)
def test_who_has_to_wait_for_long_is_told_so_at_once(asking, picky, headers, said):
    told = {name: value() if callable(value) else value for name, value in headers.items()}
    picky.begin(lambda _: limited(**told))
    status, answered, _ = asking.chat()
    assert status == 429
    assert int(answered["retry-after"]) in said
    assert len(picky.questions) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_may_forbid_another_attempt(asking, picky, status):
    picky.begin(lambda _: refuses(status, {}, x_should_retry="false"))
    assert asking.chat()[0] in (429, 502)
    assert len(picky.questions) == 1
