"""No network but the LLM's: nothing else is ever asked, for counting, for tracing, or at start."""

import json
import signal
import socketserver
import threading
from contextlib import closing

import pytest

from tests.support.service import free_port
from tests.support.simulator import directive

# every process of the service says which hosts it would reach, and reaches none beyond this machine
WITNESS = """
import errno, os, sys

def witness(event, arguments):
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        place = arguments[1][:2]
    elif event == "socket.getaddrinfo":
        place = (arguments[0], arguments[1])
    else:
        return
    with open(os.environ["WITNESS"], "a") as seen:
        seen.write(f"{place[0]} {place[1]}\\n")
    if place[0] not in ("127.0.0.1", "localhost", None):
        raise OSError(errno.ENETUNREACH, "no network")

sys.addaudithook(witness)
"""


@pytest.fixture
def reached(tmp_path, monkeypatch, simulator):
    """The environment of a machine without a network; and the hosts that the service tried to reach."""
    (tmp_path / "sitecustomize.py").write_text(WITNESS)
    seen = tmp_path / "seen"
    seen.touch()
    dead = f"http://127.0.0.1:{free_port()}"
    environment = {
        "PYTHONPATH": tmp_path,
        "WITNESS": seen,
        "HTTP_PROXY": dead,
        "HTTPS_PROXY": dead,
        "ALL_PROXY": dead,
        "NO_PROXY": "127.0.0.1",
    }
    return environment, lambda: set(seen.read_text().splitlines())


@pytest.mark.parametrize("client", ["lean", "stock"])
def test_tokens_are_counted_exactly_without_a_network(serve, simulator, reached, client):
    environment, places = reached
    service = serve(LLM_CLIENT=client, **environment)
    status, _, body = service.chat(directive(fault="no-usage", tokens=50))
    assert status == 200
    assert body["usage"]["source"] == "estimated"
    # what the simulator writes are whole tokens of the encoding
    assert body["usage"]["output_tokens"] == 50
    assert "no_token_encoding" not in [event["event"] for event in service.events()]
    assert places() == {f"127.0.0.1 {simulator.port}"}


def test_without_the_encoding_it_starts_warns_and_counts_by_length(
    serve, simulator, reached, tmp_path
):
    environment, places = reached
    service = serve(TIKTOKEN_CACHE_DIR=tmp_path / "nowhere", **environment)
    text = "four" * 100
    status, _, body = service.chat(directive(fault="no-usage", text=text))
    assert status == 200
    assert (body["usage"]["source"], body["usage"]["output_tokens"]) == ("estimated", 100)
    assert service.event("no_token_encoding")["level"] == "warning"
    assert places() == {f"127.0.0.1 {simulator.port}"}


@pytest.fixture
def collector():
    """A place that takes traces; the requests that it got."""
    got = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            got.append(self.request.recv(65536))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", got
        server.shutdown()


@pytest.mark.parametrize("client", ["lean", "stock"])
def test_traces_are_sent_nowhere(serve, simulator, collector, client):
    """LangSmith's client sends prompts to its maker as soon as these variables are set."""
    address, got = collector
    variables = {
        f"{prefix}_{name}": value
        for prefix in ("LANGSMITH", "LANGCHAIN")
        for name, value in {
            "TRACING": "true",
            "TRACING_V2": "true",
            "ENDPOINT": address,
            "API_KEY": "lsv2_key",
            "PROJECT": "mine",
            "VERBOSE": "true",
        }.items()
    }
    service = serve(LLM_CLIENT=client, **variables)
    status, _, body = service.chat(directive(tokens=3))
    assert (status, body["answer"]) == (200, "the quick answer")
    with closing(service.stream(directive(tokens=3))) as stream:
        assert stream.text() == "the quick answer"
    # what a tracer has kept back it sends at the end
    service.signal(signal.SIGTERM)
    assert service.wait(30) == 0
    assert got == []


def test_a_home_that_cannot_be_written_is_no_matter(serve, simulator):
    service = serve(HOME="/dev/null/home", WEB_CONCURRENCY=2)
    service.until("chat_admission_slots", 200, timeout=120)
    assert service.chat(directive(tokens=3))[0] == 200
    service.signal(signal.SIGTERM)
    assert service.wait(30) == 0
    assert not [line for line in service.lines if '"level":"error"' in line or "Traceback" in line]
    assert all(json.loads(line) for line in service.lines)
