"""What the lean client owes to the stock one beside the contract: reuse, TLS, proxies, the way back."""

import re
import socket
import ssl
import threading
from contextlib import closing, suppress

import pytest

from tests.support.service import Service
from tests.support.simulator import SimulatorProcess, directive
from tests.support.tls import self_signed


def test_connections_are_reused(serve, simulator):
    service = serve()
    for _ in range(20):
        assert service.chat(directive(tokens=3))[0] == 200
    assert simulator.stats()["requests"] == 20
    assert simulator.stats()["connections_accepted"] <= 3


def test_a_connection_that_the_server_closed_is_not_used_again(serve, simulator):
    service = serve()
    assert service.chat(directive(tokens=3))[0] == 200
    assert service.chat(directive(fault="cut", after=1, times=1))[0] == 200
    assert service.chat(directive(tokens=3))[0] == 200


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1, its own authority."""
    paths = self_signed(tmp_path_factory.mktemp("tls"))
    assert ssl.create_default_context(cafile=paths[0])
    return paths


@pytest.mark.parametrize("client", ["lean", "stock"])
def test_tls_trusts_what_ssl_cert_file_names_and_nothing_else(certificate, client):
    cert, key = certificate
    with SimulatorProcess(tls_certificate=cert, tls_key=key) as simulator:
        with Service(simulator.base_url, LLM_CLIENT=client, SSL_CERT_FILE=cert) as service:
            assert service.chat(directive(tokens=3))[0] == 200
        with Service(simulator.base_url, LLM_CLIENT=client) as service:
            status, _, answer = service.chat()
            assert (status, answer["error"]["code"]) == (502, "upstream_error")
            assert service.metric("chat_llm_attempts_total") == 1


@pytest.mark.parametrize("client", ["lean", "stock"])
def test_an_llm_behind_tls_may_think(certificate, client):
    cert, key = certificate
    with (
        SimulatorProcess(tls_certificate=cert, tls_key=key) as simulator,
        Service(simulator.base_url, LLM_CLIENT=client, SSL_CERT_FILE=cert) as service,
    ):
        question = directive(tokens=3, first=0.8, gap=0.6)
        assert service.chat(question)[0] == 200
        with service.stream(question) as stream:
            assert stream.events()[-2].name == "done"
        assert service.metric("chat_llm_attempts_total", result="ok") == 2
        assert service.metric("chat_llm_attempts_total") == 2


@pytest.mark.parametrize("client", ["lean", "stock"])
def test_a_proxy_of_the_environment_is_used(simulator, client):
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        asked = []
        threading.Thread(target=relay, args=(listener, simulator.port, asked), daemon=True).start()
        proxy = f"http://user:word@127.0.0.1:{listener.getsockname()[1]}"
        address = "http://model.example/v1"
        with Service(address, LLM_CLIENT=client, HTTP_PROXY=proxy, http_proxy=proxy) as service:
            assert service.chat(directive(tokens=3))[0] == 200
    models, chat = asked
    assert models.startswith(b"GET http://model.example/v1/models ")
    assert chat.startswith(b"POST http://model.example/v1/chat/completions ")
    for request in asked:
        assert b"proxy-authorization: basic dxnlcjp3b3jk\r\n" in request.lower()


def relay(listener, port, asked):
    """A forward proxy for one request a connection: it goes on with the request line as it came."""
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            threading.Thread(target=pass_on, args=(client, port, asked), daemon=True).start()


def whole_request(client):
    request = b""
    while b"\r\n\r\n" not in request:
        request += client.recv(65536)
    head, _, body = request.partition(b"\r\n\r\n")
    found = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    missing = int(found[1] if found else 0) - len(body)
    while missing > 0:
        more = client.recv(missing)
        request, missing = request + more, missing - len(more)
    return request


def pass_on(client, port, asked):
    with client, socket.create_connection(("127.0.0.1", port)) as server:
        request = whole_request(client)
        asked.append(request)
        line, _, rest = request.partition(b"\r\n")
        method, address, _ = line.split()
        path = b"/" + address.split(b"/", 3)[3]
        server.sendall(method + b" " + path + b" HTTP/1.1\r\n" + rest)
        while data := server.recv(65536):
            client.sendall(data)
