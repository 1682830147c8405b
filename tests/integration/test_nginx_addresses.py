"""Replicas whose address goes dark: nothing refuses, nothing answers, as where a container was until just now."""

import http.client
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.dns import Dns
from tests.support.nginx import Nginx
from tests.support.upstream import Upstream, whole


class Dark:
    """Its kernel drops who wants to connect, for its queue is full."""

    def __init__(self, host, port):
        self._listener = socket.create_server((host, port), backlog=0)
        self._waiting = [socket.socket() for _ in range(4)]
        for client in self._waiting:
            client.settimeout(0)
            client.connect_ex((host, port))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for each in (*self._waiting, self._listener):
            each.close()


def post(nginx):
    connection = http.client.HTTPConnection("127.0.0.1", nginx.port, timeout=30)
    try:
        connection.request("POST", "/chat", b"{}")
        return connection.getresponse().status
    finally:
        connection.close()


def given_up(line):
    """nginx asked the dark one, and then did not ask the other."""
    first = line["upstream"].split(" : ")[0]
    return "127.0.0.2" in first and "127.0.0.3" not in first


@pytest.mark.slow
def test_a_request_that_reached_nobody_is_asked_anew_where_the_addresses_changed_meanwhile():
    def answer(request, connection):
        connection.sendall(whole(200, request.body))

    with (
        Upstream(answer, ("127.0.0.3", 0)) as live,
        Dark("127.0.0.2", live.port),
        Dns("127.0.0.2", "127.0.0.3") as dns,
        Nginx(
            f"service:{live.port}", RESOLVER=dns.address, CLIENT_REQUESTS_PER_SECOND=1000
        ) as nginx,
        ThreadPoolExecutor(100) as callers,
    ):
        while post(nginx) != 200:
            time.sleep(0.1)
        dns.addresses = ("127.0.0.3",)
        until = time.monotonic() + 20
        answers = []
        # a name's answer is valid for 5 s: some of these wait for the dark one when it is forgotten
        while not any(given_up(line) for line in nginx.lines):
            assert time.monotonic() < until
            answers.append(callers.submit(post, nginx))
            threading.Event().wait(0.1)
        assert {each.result() for each in answers} == {200}
