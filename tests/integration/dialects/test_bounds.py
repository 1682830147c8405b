"""A model server that attacks: what it floods, nests or repeats ends one turn, and nobody else's."""

import json
import threading
import time
from pathlib import Path

import pytest

from tests.integration.dialects.conftest import whole
from tests.support.floods import FLOODS
from tests.support.model_server import DONE, answers, fin, frame, stream, text
from tests.support.service import Service

# the openai package reads these itself, with a step for each byte
BEYOND_STOCK = frozenset({"one frame by bytes"})


def resident_bytes(service):
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in service.workers())
    return pages * 4096


@pytest.mark.parametrize("client", ["lean", "stock"])
def test_a_flood_ends_its_own_turn_and_fills_no_memory(serve, server, client):
    """The other callers' streams go on meanwhile."""
    service = serve(LLM_CLIENT=client, RETRY_ATTEMPTS=1, BREAKER_FAILURES=1_000_000)
    assert whole(service).status == 200
    before = resident_bytes(service)
    for name, reply in FLOODS.items():
        if client == "stock" and name in BEYOND_STOCK:
            continue
        server.says(reply)
        told = whole(service, name)
        assert told.code in ("upstream_error", "upstream_invalid_request"), name
    assert resident_bytes(service) - before < 100_000_000
    server.says(answers())
    assert whole(service).answer == ("Hello", "stop", None)


class Probe(threading.Thread):
    """How long a worker keeps a caller waiting that needs no model."""

    def __init__(self, service):
        super().__init__(daemon=True)
        self._service = service
        self._ended = threading.Event()
        self.longest = 0.0

    def run(self):
        while not self._ended.is_set():
            began = time.monotonic()
            assert self._service.get("/health")[0] == 200
            self.longest = max(self.longest, time.monotonic() - began)
            time.sleep(0.01)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self.join(30)


@pytest.fixture(scope="module")
def single(_server):
    """One worker, and one attempt for each turn."""
    with Service(_server.base_url, RETRY_ATTEMPTS=1, BREAKER_FAILURES=1_000_000) as running:
        yield running


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_holds_nobody_up(single, server, name):
    """A bound far above what is expected, since machines that run tests are busy: three seconds were seen once."""
    server.says(FLOODS[name])
    with Probe(single) as probe:
        whole(single)
    assert probe.longest < 2.5


@pytest.mark.parametrize("depth", [2_000, 100_000])
@pytest.mark.parametrize("brackets", [(b"[", b"]"), (b'{"a":', b"}")])
def test_json_without_a_bottom_is_malformed(service, server, depth, brackets):
    opening, closing = brackets
    deep = opening * depth + b"1" + closing * depth
    for reply in (
        stream(b"data: " + deep + b"\n\n"),
        stream(b'data: {"choices":[],"deep":' + deep + b"}\n\n"),
        stream(
            text("a"),
            b'data: {"choices":[{"index":0,"delta":{},"finish_reason":' + deep + b"}]}\n\n",
        ),
        stream(deep),
    ):
        server.says(reply)
        told = whole(service)
        assert (told.status, told.code) == (502, "upstream_error")
        assert "malformed" in told.turn["cause"]


REASONS = [
    ["stop"],
    [["stop"]],
    {"type": "stop"},
    {"a": 1},
    7,
    1e300,
    float("nan"),
    "x" * 100_000,
    "<script>",
    True,
]


@pytest.mark.parametrize("reason", REASONS, ids=[f"{reason!r:.20}" for reason in REASONS])
def test_a_finish_reason_of_any_type_has_an_end_in_our_words(service, server, ask, reason):
    server.says(stream(text("Hello"), fin(reason), DONE))
    told = ask(service)
    assert told.turn["finish_reason"] in (None, "stop", "length")
    assert told.turn["ending"] in ("completed", "upstream_failed")


TWICE = b"".join(answers("Hello"))


@pytest.mark.parametrize("rest", [TWICE, b"garbage", b"HTTP/1.1 500 Oh no\r\n\r\n"])
def test_a_second_response_is_nobodys(service, server, ask, rest):
    server.says([TWICE + rest], answers("Bye"))
    assert ask(service).answer == ("Hello", "stop", None)
    assert ask(service).answer == ("Bye", "stop", None)
    assert len({request.connection for request in server.requests}) == 2


def test_bytes_one_by_one_make_the_same_answer(service, server, ask):
    body = text("한글 😀") + frame({"choices": []}) + fin("stop") + DONE
    server.says(stream(*(body[place : place + 1] for place in range(len(body)))))
    assert ask(service).answer == ("한글 😀", "stop", None)


def test_a_text_that_looks_like_a_frame_is_text(service, server, ask):
    words = "data: [DONE]\n\nevent: error\n\n" + json.dumps({"error": 1})
    server.says(stream(text(words), fin("stop"), DONE))
    assert ask(service).answer == (words, "stop", None)
