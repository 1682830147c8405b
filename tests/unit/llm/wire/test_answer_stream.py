"""Both clients against servers that behave as servers on the internet do: the same bytes, the same answer."""

import functools
import gzip
import json
import threading
import zlib

import brotli
import gevent
import pytest

from service.chat.events import TICK, Chunk, Usage
from service.errors import ChatError, ContentFiltered, UpstreamError
from service.llm.pace import LONGEST_SECONDS
from service.llm.wire import connections
from service.llm.wire.client import Access, Client
from service.llm.wire.refusal import ParameterRefused
from tests.support.model_server import (
    DONE,
    ModelServer,
    answers,
    choice,
    fin,
    frame,
    refuses,
    stream,
    text,
    usage,
)
from tests.support.simulator import SimulatorProcess, directive
from tests.support.tls import self_signed, server_context
from tests.support.upstream import chunk, cut, whole
from tests.unit.llm.wire.frames import bytewise

TICK_SECONDS = 0.05


class Asking:
    """A worker's client for one server. learned: what it does not take."""

    def __init__(self, base_url, *, lean, tick_seconds=TICK_SECONDS, **options):
        self.learned = []
        access = Access(base_url, "key", 3, 10, 10)
        options = {"strip_think_tags": "false"} | options
        self.client = Client(access, tick_seconds, self.adapted, lean=lean, **options)

    def adapted(self, *change):
        self.learned.append(change)

    def begin(self, question="hi", own=frozenset(), **options):
        payload = {"model": "sim", "messages": [{"role": "user", "content": question}], **options}
        return self.client.stream(payload, frozenset(own), "request-1")

    def chunks(self, *args, **options):
        answer = self.begin(*args, **options)
        try:
            for step in answer:
                if step is not TICK:
                    yield step
        finally:
            answer.close()

    def text(self, *args, **options):
        return "".join(chunk.text for chunk in self.chunks(*args, **options))

    def ending(self, *args, **options):
        """Text, the last finish reason, and the code and cause of an error."""
        said, reason, error = "", None, None
        try:
            for step in self.chunks(*args, **options):
                said += step.text
                reason = step.finish_reason or reason
        except ChatError as failure:
            error = failure.code
        return said, reason, error


@pytest.fixture
def connected():
    """Makes clients, and closes them in the end."""
    made = []

    def at(server, **options):
        made.append(Asking(server if isinstance(server, str) else server.base_url, **options))
        return made[-1]

    yield at
    for each in made:
        each.client.close()


@pytest.fixture(params=["lean", "stock"])
def asking(request, connected):
    return functools.partial(connected, lean=request.param == "lean")


@pytest.fixture
def lean(connected):
    return functools.partial(connected, lean=True)


@pytest.fixture
def server():
    with ModelServer() as running:
        yield running


HELLO = text("Hello") + fin("stop") + DONE
COMPLETION = b'{"choices":[{"message":{"content":"Hello"},"finish_reason":"stop"}]}'
EVENTS = {"Content_Type": "text/event-stream"}
# one answer in each of the ways that HTTP has for it
WAYS = {
    "chunked": [b"".join(stream(HELLO))],
    "chunked, byte by byte": stream(*bytewise(HELLO)),
    "with a length": [whole(200, HELLO, **EVENTS)],
    "until the connection ends": [b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", HELLO, cut],
    "http 1.0": [b"HTTP/1.0 200 OK\r\n\r\n", HELLO, cut],
    "201": [whole(201, HELLO, **EVENTS)],
    "206": [whole(206, HELLO, **EVENTS)],
    "no content type": [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(HELLO) + HELLO],
    "another content type": [whole(200, HELLO, Content_Type="text/plain")],
    "chunk extensions and trailers": [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"%x;a=b\r\n%b\r\n0\r\nX-Trailer: 1\r\n\r\n" % (len(HELLO), HELLO),
    ],
    "after interim answers": [
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n",
        *stream(HELLO),
    ],
    "gzip": [whole(200, gzip.compress(HELLO), Content_Encoding="gzip", **EVENTS)],
    "x-gzip": [whole(200, gzip.compress(HELLO), Content_Encoding="x-gzip", **EVENTS)],
    "gzip in several members": [
        whole(200, gzip.compress(b"") * 3000 + gzip.compress(HELLO), Content_Encoding="gzip", **EVENTS)
    ],
    "gzip in pieces": stream(
        *bytewise(gzip.compress(HELLO)),
        head=b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n",
    ),
    "deflate": [whole(200, zlib.compress(HELLO), Content_Encoding="deflate", **EVENTS)],
    "deflate without its header": [whole(200, zlib.compress(HELLO)[2:-4], Content_Encoding="deflate", **EVENTS)],
    "brotli": [whole(200, brotli.compress(HELLO), Content_Encoding="br", **EVENTS)],
    "identity": [whole(200, HELLO, Content_Encoding="identity", **EVENTS)],
    "a word that is no coding": [whole(200, HELLO, Content_Encoding="utf-8", **EVENTS)],
    "decoded on its way": [whole(200, HELLO, Content_Encoding="gzip", **EVENTS)],
    "a whole completion": [whole(200, COMPLETION)],
    "a whole completion, coded": [whole(200, gzip.compress(COMPLETION), Content_Encoding="gzip")],
}  # fmt: skip


@pytest.mark.parametrize("reply", WAYS.values(), ids=WAYS)
def test_an_answer_is_read_in_each_way_that_http_has(asking, server, reply):
    server.says(reply)
    assert asking(server).ending() == ("Hello", "stop", None)


REFUSAL = {"error": {"code": "content_filter"}}


@pytest.mark.parametrize(
    "reply",
    [
        refuses(400, REFUSAL),
        refuses(400, {"code": "content_filter"}),
        refuses(400, gzip.compress(json.dumps(REFUSAL).encode()), Content_Encoding="gzip"),
        refuses(400, brotli.compress(json.dumps(REFUSAL).encode()), Content_Encoding="br"),
        [b"HTTP/1.1 400 Bad\r\nConnection: close\r\n\r\n", json.dumps(REFUSAL).encode(), cut],
        stream(
            json.dumps(REFUSAL).encode(),
            head=b"HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\n",
        ),
        [b"HTTP/1.1 100 Continue\r\n\r\n", *refuses(400, REFUSAL)],
        [whole(200, json.dumps(REFUSAL).encode())],
        [whole(200, gzip.compress(json.dumps(REFUSAL).encode()), Content_Encoding="gzip")],
    ],
)
def test_a_refusal_is_read_in_whatever_shape_it_has(asking, server, reply):
    server.says(reply)
    with pytest.raises(ContentFiltered):
        asking(server).text()


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ([b"HTTP/1.1 401 No\r\nContent-Length: 100\r\n\r\n{", cut], "upstream_rejected"),
        ([b"HTTP/1.1 429 No\r\nContent-Length: 100\r\n\r\n{", 30.0], "upstream_rate_limited"),
        ([b"HTTP/1.1 400 No\r\nTransfer-Encoding: chunked\r\n\r\n", chunk(b"x" * 70_000), 30.0],
         "upstream_invalid_request"),
    ],
)  # fmt: skip
def test_a_refusal_whose_body_does_not_come_is_what_its_status_says(lean, server, reply, code):
    server.says(reply)
    assert lean(server).ending() == ("", None, code)


BAD_HTTP = {
    "no http": [b"SSH-2.0-OpenSSH_9.2\r\n", cut],
    "a status without a head": [b"HTTP/1.1 200 OK\r\n", cut],
    "an interim answer and then none": [b"HTTP/1.1 102 Processing\r\n\r\n", cut],
    "nothing": [cut],
    "a length that lies": [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n",
        b": hold on\n\n",
        cut,
    ],
    "a bad chunk": [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", cut],
    "gzip a thousand times": [whole(200, HELLO, Content_Encoding="gzip," * 1000)],
    "a status that is none": [b"HTTP/1.1 000 Hm\r\nContent-Length: 0\r\n\r\n", 30.0],
    "no gzip": [whole(200, b"\x1f\x8b" + HELLO, Content_Encoding="gzip")],
    "a coding that nobody asked for": [whole(200, HELLO, Content_Encoding="zstd")],
    "no content": [b"HTTP/1.1 204 No Content\r\n\r\n"],
}


@pytest.mark.parametrize("reply", BAD_HTTP.values(), ids=BAD_HTTP)
def test_what_is_no_answer_is_the_servers_failure(asking, server, reply):
    server.says(reply)
    said, reason, error = asking(server).ending()
    # the absence of a finish reason is judged by whoever reads
    assert (said, reason) == ("", None)
    assert error == "upstream_error" or reply is BAD_HTTP["no content"]


def test_text_before_a_cut_is_not_lost(asking, server):
    server.says([*stream(text("Hel"), text("lo")[:-1], end=False), cut])
    assert asking(server).ending() == ("Hello", None, "upstream_error")


def test_a_small_body_does_not_become_a_large_one(lean, server):
    bomb = gzip.compress(b"\n" * 50_000_000)
    server.says([whole(200, bomb, Content_Encoding="gzip")])
    with pytest.raises(UpstreamError):
        lean(server).text()


def flood(connection, piece, most=40_000_000):
    for _ in range(most // len(piece)):
        connection.sendall(piece)


FLOODS = {
    "headers": [b"HTTP/1.1 200 OK\r\n", lambda to: flood(to, b"X-Header: y\r\n" * 1000)],
    "one header line": [b"HTTP/1.1 200 OK\r\nX-Header: ", lambda to: flood(to, b"y" * 10_000)],
    "interim answers": [lambda to: flood(to, b"HTTP/1.1 102 Processing\r\n\r\n" * 500)],
    "trailers": [b"".join(stream(text("Hello"), end=False)), b"0\r\n", lambda to: flood(to, b"X-Header: y\r\n" * 1000)],
    "a chunk's extension": [b"".join(stream(end=False)), b"5;", lambda to: flood(to, b"y" * 10_000)],
    "comments": [b"".join(stream(end=False)), lambda to: flood(to, chunk(b": hold on\n\n" * 1000))],
    "one comment": [b"".join(stream(end=False)), lambda to: flood(to, chunk(b":" * 10_000))],
    "one frame": [b"".join(stream(b"data: ", end=False)), lambda to: flood(to, chunk(b"x" * 10_000))],
    "blank lines": [b"".join(stream(end=False)), lambda to: flood(to, chunk(b"\n" * 10_000))],
    "empty frames": [b"".join(stream(end=False)), lambda to: flood(to, chunk(frame({}) * 1000))],
    "a bare body": [b"".join(stream(b"{\n", end=False)), lambda to: flood(to, chunk(b'"a": 1,\n' * 1000))],
}  # fmt: skip


@pytest.mark.parametrize("reply", FLOODS.values(), ids=FLOODS)
def test_a_flood_comes_to_an_end(lean, server, reply):
    server.says(reply)
    _, reason, error = lean(server).ending()
    assert (reason, error) == (None, "upstream_error")


TWICE = b"".join(answers("Hello"))


@pytest.mark.parametrize(
    "rest", [TWICE, b"garbage", b"\r\n\r\nHTTP/1.1 200 OK\r\n", b"HTTP/1.1 500 Oh\r\n\r\n"]
)
@pytest.mark.parametrize("together", [True, False])
def test_what_follows_a_response_belongs_to_nobody(asking, server, rest, together):
    first, sent = b"".join(answers("Hello")), threading.Event()
    server.says(
        [*([first + rest] if together else [first, rest]), lambda _: sent.set()], answers("Bye")
    )
    here = asking(server)
    assert here.ending() == ("Hello", "stop", None)
    assert sent.wait(10)
    assert here.ending() == ("Bye", "stop", None)
    assert [request.connection for request in server.requests] == [1, 2]


def test_what_follows_the_end_mark_is_not_delivered_and_ends_the_connection(asking, server):
    server.says(stream(HELLO, text("more"), fin("length")), answers("Bye"))
    here = asking(server)
    assert here.ending() == ("Hello", "stop", None)
    assert here.ending() == ("Bye", "stop", None)
    assert [request.connection for request in server.requests] == [1, 2]


def test_after_the_end_mark_nothing_is_waited_for(lean, server):
    server.says([*stream(HELLO, end=False), 30.0])
    assert lean(server).ending() == ("Hello", "stop", None)


def test_a_connection_serves_the_next_request(lean, server):
    # the body's end is worth a tick, and a busy server may be late with it
    here = lean(server, tick_seconds=1)
    server.says([*stream(HELLO, end=False), 0.02, chunk(b"")])
    for _ in range(3):
        assert here.ending() == ("Hello", "stop", None)
    assert {request.connection for request in server.requests} == {1}


def test_an_interim_answer_is_not_the_answer(lean, server):
    """Taken for one, its connection would be given to the next caller, with this answer still on its way."""
    read = threading.Event()
    server.says(
        [b"HTTP/1.1 102 Processing\r\n\r\n", lambda _: read.wait(10), *answers("Anna")],
        answers("Ben"),
    )
    threading.Timer(0.3, read.set).start()
    here = lean(server)
    assert here.text() == "Anna"
    assert here.text() == "Ben"
    assert {request.connection for request in server.requests} == {1}


def test_a_connection_that_was_idle_for_long_is_not_trusted(lean, server, monkeypatch):
    """What stands between has forgotten it, and says so only to who uses it."""
    now = [1000.0]
    monkeypatch.setattr(connections.time, "monotonic", lambda: now[0])
    here = lean(server)
    for seconds in (0, connections.IDLE_SECONDS - 1, connections.IDLE_SECONDS + 1):
        now[0] += seconds
        assert here.text() == "Hello"
    assert [request.connection for request in server.requests] == [1, 1, 2]


def test_a_long_conversation_may_take_its_time_to_be_sent(lean, server):
    """On a kept connection, whose last read was in ticks."""
    go_on = threading.Event()
    here = lean(server)
    assert here.text() == "Hello"
    server.says(
        [*answers(), lambda _: threading.Timer(10 * TICK_SECONDS, go_on.set).start()], answers()
    )
    assert here.text() == "Hello"
    assert here.text("x" * 20_000_000) == "Hello"
    assert {request.connection for request in server.requests} == {1}


def test_a_chains_halves_of_an_emoji_are_sent_whole(asking, server):
    assert asking(server).text("\ud83d\ude00 \ud83d alone") == "Hello"
    assert server.bodies[0]["messages"][0]["content"] == "😀 \ufffd alone"


def test_what_the_server_refuses_by_name_is_asked_differently_at_once(asking, server):
    refusal = refuses(
        400, {"error": {"param": "temperature", "code": "unsupported_value", "message": "x"}}
    )
    server.says(refusal, answers("Hello"))
    here = asking(server)
    assert here.ending(temperature=0.2) == ("Hello", "stop", None)
    assert here.ending(temperature=0.2) == ("Hello", "stop", None)
    assert ["temperature" in body for body in server.bodies] == [True, False, False]
    assert here.learned == [("sim", "temperature", "left_out")]
    # never an id that the server has seen
    ids = [request.headers["x-request-id"] for request in server.requests]
    assert ids[:2] == ["request-1", "request-1.2"]


def test_a_refusal_within_a_stream_is_asked_differently_too(asking, server):
    server.says(
        [whole(200, b'{"error":{"code":400,"message":"Unsupported parameter: \'temperature\'"}}')],
        answers(),
    )
    assert asking(server).ending(temperature=0.2) == ("Hello", "stop", None)


@pytest.mark.parametrize("said", [{"tool_calls": [{"index": 0}]}, {"reasoning_content": "hm"}])
def test_nothing_is_asked_differently_once_the_answer_has_begun(asking, server, said):
    refusal = frame({"error": {"code": 400, "message": "Unsupported parameter: 'temperature'"}})
    server.says(stream(choice(said), refusal))
    with pytest.raises(ParameterRefused):
        list(asking(server).chunks(temperature=0.2))
    assert len(server.bodies) == 1


def test_a_callers_own_parameter_is_theirs(asking, server):
    server.says(
        refuses(
            400, {"error": {"param": "temperature", "code": "unsupported_value", "message": "x"}}
        )
    )
    assert asking(server).ending(temperature=0.2, own={"temperature"}) == (
        "",
        None,
        "upstream_invalid_request",
    )
    assert len(server.bodies) == 1


def test_a_server_that_refuses_for_ever_is_not_asked_for_ever(asking, server):
    server.says(
        *(
            refuses(400, {"error": {"param": name, "code": "unknown_parameter"}})
            for name in "abcdefghijkl"
        )
    )
    options = dict.fromkeys("abcdefghijkl", 1)
    assert asking(server).ending(**options) == ("", None, "upstream_invalid_request")
    assert len(server.bodies) <= 9


def test_the_bill_is_reported(asking, server):
    server.says(
        stream(text("Hello"), fin("stop"), usage(prompt_tokens=7, completion_tokens=2), DONE)
    )
    assert [c.usage for c in asking(server).chunks() if c.usage] == [Usage(7, 2, "reported")]


def test_tags_are_taken_out_where_that_is_wanted(asking, server):
    server.says(stream(text("<thi"), text("nk>hm</think>Hello"), fin("stop"), DONE))
    assert asking(server, strip_think_tags="true").text() == "Hello"
    assert asking(server).text() == "<think>hm</think>Hello"


def test_the_head_alone_says_that_the_answer_has_begun(lean, server):
    server.says([*stream(end=False), 0.3, chunk(HELLO), chunk(b"")])
    assert next(lean(server).chunks()) == Chunk()


@pytest.fixture(scope="module")
def trusted(tmp_path_factory):
    """Certificate and key of a server with TLS."""
    certificate, key = self_signed(tmp_path_factory.mktemp("tls"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", certificate)
        yield certificate, key


@pytest.fixture(scope="module")
def secure(trusted):
    """A simulator with TLS that is trusted."""
    certificate, key = trusted
    with SimulatorProcess(tls_certificate=certificate, tls_key=key) as simulator:
        yield simulator.base_url


@pytest.mark.parametrize("silence", [{"first": 6 * TICK_SECONDS}, {"gap": 3 * TICK_SECONDS}])
def test_silence_over_tls_is_only_silence(asking, secure, silence):
    assert asking(secure).text(directive(tokens=4, **silence)).split() == [
        "the",
        "quick",
        "answer",
        "of",
    ]


def test_a_busy_worker_reads_all_that_has_come_over_tls(lean, secure, monkeypatch):
    """One read gives one record: a stream would be slowed down to one token for each wait."""
    waits = []

    def wait(pace):
        waits.append(1)
        pace._sleep(0.05)

    monkeypatch.setattr("service.llm.pace.Pace.wait", wait)
    reads = list(lean(secure).chunks(directive(tokens=100, gap=0.01)))
    assert len("".join(chunk.text for chunk in reads).split()) == 100
    assert len(reads) < 60
    assert len(waits) < 60


def test_a_slow_stream_waits_for_nothing_that_was_decrypted_already(lean, trusted, monkeypatch):
    """No watcher sees bytes that wait in the TLS library, because more had come than one read takes."""
    for module in ("exchange", "lean_transport"):
        monkeypatch.setattr(f"service.llm.wire.{module}.RECEIVE_BYTES", 100)
    words = [f"word {number} " for number in range(50)]
    head, *rest = stream(*map(text, words), fin("stop"), DONE)
    late = 2 * LONGEST_SECONDS
    with ModelServer(
        [head, chunk(text("slow ")), late, chunk(text("words: ")), late, b"".join(rest)],
        tls=server_context(*trusted),
    ) as server:
        answer = lean(server, tick_seconds=600)
        said = gevent.with_timeout(30, answer.ending)
    assert said == ("slow words: " + "".join(words), "stop", None)


def test_streams_that_are_over_are_not_paced_for(lean, server, monkeypatch):
    """However they end."""
    streams = []
    monkeypatch.setattr("service.llm.pace.Pace.wait", lambda pace: streams.append(pace.streams))
    # on a slow machine, each token would be late
    monkeypatch.setattr("service.llm.wire.lean_transport.LONGEST_SECONDS", 60)
    slow = [text("a"), 0.05, text("b"), 0.05]
    server.says(
        stream(*slow, fin("stop"), DONE), stream(*slow, cut, end=False), stream(text("a"), 30)
    )
    here = lean(server)
    assert here.ending()[1:] == ("stop", None)
    assert here.ending()[2] == "upstream_error"
    for _ in range(2):
        streams.clear()
        left = here.begin()
        while not streams:
            next(left)
        left.close()
        assert streams == [1]
