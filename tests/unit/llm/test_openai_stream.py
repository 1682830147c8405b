"""The lean client against servers that behave as servers on the internet do."""

import json
import threading

import pytest

from service.chat.events import TICK, Chunk
from service.errors import ContentFiltered, UpstreamError
from service.llm import connections
from service.llm.connections import server_at
from service.llm.models import Access, build_model
from service.llm.openai_stream import LeanStream
from service.llm.pace import Pace
from tests.support.simulator import SimulatorProcess, directive
from tests.support.tls import self_signed
from tests.support.upstream import Upstream, whole

TICK_SECONDS = 0.05


def said(text):
    frame = {"choices": [{"delta": {"content": text}, "finish_reason": "stop"}]}
    return whole(200, b"data: " + json.dumps(frame).encode() + b"\n\ndata: [DONE]\n\n")


def answer_of(server, question="hi", pace=None, more=0):
    """Text, and how many reads it came in."""
    body = {
        "model": "sim",
        "stream": True,
        "messages": [{"role": "user", "content": question}],
        "padding": "x" * more,
    }
    request = server.request(json.dumps(body).encode(), {})
    stream = LeanStream(server, request, TICK_SECONDS, pace or Pace())
    try:
        chunks = [chunk for chunk in stream if chunk is not TICK and isinstance(chunk, Chunk)]
    finally:
        stream.close()
    return "".join(chunk.text for chunk in chunks), len(chunks)


@pytest.fixture
def server():
    """The lean client's server at an Upstream."""
    made = []

    def at(upstream):
        made.append(server_at(f"http://{upstream.address}/v1", "key", 3, 10))
        return made[-1]

    yield at
    for each in made:
        each.pool.close()


@pytest.fixture
def model():
    """The lean model at an Upstream."""
    made = []

    def at(upstream):
        access = Access(f"http://{upstream.address}/v1", "key", 3, 10, 5)
        made.append(build_model("sim", access, lean=True, tick_seconds=TICK_SECONDS))
        return made[-1]

    yield at
    for each in made:
        each._server.pool.close()
        each.root_client.close()


INTERIM = [
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 102 Processing\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n",
]


@pytest.mark.parametrize("interim", INTERIM)
def test_an_interim_answer_is_not_the_answer(server, interim):
    """Taken for one, its connection would be given to the next caller, with this answer still on its way."""
    read = threading.Event()

    def answer(request, connection):
        connection.sendall(interim)
        read.wait(10)
        question = json.loads(request.body)["messages"][0]["content"]
        connection.sendall(said(f"to {question}"))

    with Upstream(answer) as upstream:
        lean = server(upstream)
        threading.Timer(0.3, read.set).start()
        assert answer_of(lean, "Anna")[0] == "to Anna"
        assert answer_of(lean, "Ben")[0] == "to Ben"
        assert {request.connection for request in upstream.requests} == {1}


def test_an_interim_answer_in_one_packet_with_the_answer(server):
    with Upstream(lambda _, connection: connection.sendall(b"".join(INTERIM) + said("a"))) as up:
        assert answer_of(server(up))[0] == "a"


def test_an_interim_answer_and_then_none(server):
    def answer(_, connection):
        connection.sendall(INTERIM[1])
        connection.shutdown(2)

    with Upstream(answer) as upstream, pytest.raises(UpstreamError):
        answer_of(server(upstream))


def test_a_connection_that_was_idle_for_long_is_not_trusted(server, monkeypatch):
    """What stands between has forgotten it, and says so only to who uses it."""
    now = [1000.0]
    monkeypatch.setattr(connections.time, "monotonic", lambda: now[0])
    with Upstream(lambda _, connection: connection.sendall(said("a"))) as upstream:
        lean = server(upstream)
        for seconds in (0, connections.IDLE_SECONDS - 1, connections.IDLE_SECONDS + 1):
            now[0] += seconds
            assert answer_of(lean)[0] == "a"
        assert [request.connection for request in upstream.requests] == [1, 1, 2]


def test_a_long_conversation_may_take_its_time_to_be_sent(server):
    """On a kept connection, whose last read was in ticks."""
    go_on = threading.Event()

    def answer(request, connection):
        connection.sendall(said("a"))
        if len(request.body) < 1000:
            threading.Timer(10 * TICK_SECONDS, go_on.set).start()
            go_on.wait(10)

    with Upstream(answer) as upstream:
        lean = server(upstream)
        assert answer_of(lean)[0] == "a"
        assert answer_of(lean, more=20_000_000)[0] == "a"
        assert {request.connection for request in upstream.requests} == {1}


def test_a_refusal_is_read_in_whatever_shape_it_has(server):
    refusals = iter([{"error": {"code": "content_filter"}}, {"code": "content_filter"}])

    def answer(_, connection):
        connection.sendall(whole(400, json.dumps(next(refusals)).encode()))

    with Upstream(answer) as upstream:
        for _ in range(2):
            with pytest.raises(ContentFiltered):
                answer_of(server(upstream))


@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    """A simulator with TLS, and the lean client's server for it."""
    certificate, key = self_signed(tmp_path_factory.mktemp("tls"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", certificate)
        with SimulatorProcess(tls_certificate=certificate, tls_key=key) as simulator:
            server = server_at(simulator.base_url, "key", 3, 10)
            yield server
            server.pool.close()


@pytest.mark.parametrize("silence", [{"first": 6 * TICK_SECONDS}, {"gap": 3 * TICK_SECONDS}])
def test_silence_over_tls_is_only_silence(secure, silence):
    assert answer_of(secure, directive(tokens=4, **silence))[0].split() == [
        *("the", "quick", "answer", "of")
    ]


class Unhurried(Pace):
    """As in a worker with much to do; counts its waits."""

    waits = 0

    def wait(self):
        self.waits += 1
        self._sleep(0.05)


def test_a_busy_worker_reads_all_that_has_come_over_tls(secure):
    """One read gives one record: a stream would be slowed down to one token for each wait."""
    pace = Unhurried()
    text, reads = answer_of(secure, directive(tokens=100, gap=0.01), pace)
    assert len(text.split()) == 100
    assert reads < 60
    assert pace.waits < 60


def test_what_is_more_than_text_is_left_to_the_stock_client(model):
    call = {"index": 0, "id": "1", "type": "function", "function": {"name": "w", "arguments": "{}"}}
    frame = {"choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}]}
    body = b"data: " + json.dumps(frame).encode() + b"\n\ndata: [DONE]\n\n"
    tool = {"type": "function", "function": {"name": "w", "parameters": {"type": "object"}}}
    with Upstream(
        lambda _, connection: connection.sendall(whole(200, body, Content_Type="text/event-stream"))
    ) as upstream:
        asked = model(upstream)
        (called,) = [
            one["name"]
            for chunk in asked.bind(tools=[tool]).stream("hi")
            for one in chunk.tool_calls
        ]
        assert called == "w"
        list(asked.bind(extra_body={"top_k": 5}).stream("hi"))
        assert json.loads(upstream.requests[1].body)["top_k"] == 5
