"""From SIGTERM to the end of the last answer: nothing is cut, everything is told, and the figures stay to the last."""

import contextlib
import http.client
import json
import signal
import socket
import threading
import time
from dataclasses import dataclass, field

import pytest

from tests.support.service import Service
from tests.support.simulator import directive
from tests.support.sse import Event

DRAIN_SECONDS = 5
ENDLESS = directive(fault="endless", gap=0.1)
# what a busy machine may add
LATE_SECONDS = 20


class KeptOpen:
    """A connection on which a request was answered already."""

    def __init__(self, service: Service, **headers: str) -> None:
        self._headers = {"Content-Type": "application/json", **headers}
        self._connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
        self.ask("GET", "/health")

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, str, bytes]:
        """Status, the Connection header, body."""
        sent = json.dumps(body) if body else None
        self._connection.request(method, path, sent, self._headers)
        response = self._connection.getresponse()
        return response.status, response.headers.get("Connection", ""), response.read()

    def close(self) -> None:
        self._connection.close()


@dataclass
class Drained:
    """What was seen of a service that was told to end with endless answers under way."""

    exit_code: int = -1
    seconds: float = 0
    events: list[Event] = field(default_factory=list)
    whole: bool = False
    chat: tuple = ()
    ready: tuple[int, bytes] = (0, b"")
    asked: list[tuple[int, str, bytes]] = field(default_factory=list)
    in_flight: float = 0
    endings: list[str] = field(default_factory=list)
    aborted: int = 0


@pytest.fixture(scope="module")
def drained(_simulator):
    """The whole of it once, with DRAIN_SECONDS=5."""
    _simulator.reset()
    seen = Drained()
    with Service(_simulator.base_url, DRAIN_SECONDS=DRAIN_SECONDS) as service:
        kept = [KeptOpen(service) for _ in range(3)]
        stream = service.stream(ENDLESS)
        waiting = threading.Thread(target=lambda: setattr(seen, "chat", service.chat(ENDLESS)))
        waiting.start()
        _simulator.wait(tokens_written=5, streams=2)
        service.signal(signal.SIGTERM)
        began = time.monotonic()
        seen.ready = not_ready(service)
        seen.asked = [
            ask_in_drain(kept[0], "GET", "/health"),
            ask_in_drain(kept[1], "GET", "/ready"),
            ask_in_drain(kept[2], "POST", "/chat", {"question": directive(tokens=3)}),
        ]
        seen.in_flight = service.metric("chat_turns_in_flight")
        seen.events, seen.whole = stream.events(), stream.whole
        waiting.join()
        seen.exit_code = service.wait(DRAIN_SECONDS + LATE_SECONDS)
        seen.seconds = time.monotonic() - began
        seen.endings = [turn["ending"] for turn in service.turns(3)]
        seen.aborted = _simulator.wait(aborted=2)["aborted"]
        stream.close()
        for one in kept:
            one.close()
    return seen


def not_ready(service: Service) -> tuple[int, bytes]:
    """METRICS_PORT's /ready, once it is not 200; the signal has to arrive first."""
    until = time.monotonic() + LATE_SECONDS
    while time.monotonic() < until:
        status, _, body = service.get("/ready", port=service.metrics_port)
        if status != 200:
            return status, body
        time.sleep(0.02)
    return status, body


def ask_in_drain(kept: KeptOpen, *request: object) -> tuple[int, str, bytes]:
    """The answer on an open connection, once the worker has got the signal: the first that ends the connection."""
    for _ in range(200):
        answer = kept.ask(*request)
        if answer[1] == "close":
            return answer
        time.sleep(0.02)
    return answer


def test_what_still_runs_at_the_end_of_the_drain_is_told_so(drained):
    *_, error, last = drained.events
    assert (error.name, last.data) == ("error", "[DONE]")
    assert error.json()["code"] == "draining"
    assert error.json()["retryable"] is True
    assert [event.name for event in drained.events].count("error") == 1
    assert drained.whole


def test_who_waits_for_the_whole_gets_a_proper_error(drained):
    status, headers, body = drained.chat
    assert (status, body["error"]["code"]) == (503, "draining")
    assert int(headers["retry-after"]) >= 1


def test_the_process_ends_by_itself_and_well(drained):
    assert drained.exit_code == 0
    assert DRAIN_SECONDS - 1 < drained.seconds < DRAIN_SECONDS + LATE_SECONDS


def test_the_turns_are_recorded_and_the_upstream_is_let_go(drained):
    assert sorted(drained.endings) == ["completed", "drained", "drained"]
    assert drained.aborted == 2


def test_readiness_is_gone_from_the_signal_on(drained):
    assert drained.ready == (503, b'{"status": "draining"}')
    assert drained.in_flight == 2


def test_a_request_on_an_open_connection_is_served_and_told_to_be_the_last(drained):
    health, ready, chat = drained.asked
    assert health[:2] == (200, "close")
    assert ready[:2] == (503, "close")
    assert json.loads(ready[2])["status"] == "draining"
    assert chat[:2] == (200, "close")
    assert json.loads(chat[2])["finish_reason"] == "stop"


def refused(port: int) -> bool:
    """Whether nobody listens any more."""
    until = time.monotonic() + LATE_SECONDS
    while time.monotonic() < until:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
        with contextlib.closing(connection):
            try:
                connection.connect()
            except OSError:
                return True
        time.sleep(0.05)
    return False


@pytest.mark.slow
def test_by_default_no_answer_is_cut_and_the_figures_stay_to_the_last(serve, simulator):
    """Twelve seconds of an answer come after the signal."""
    service = serve()
    with (
        service.stream(directive(tokens=120, gap=0.1)) as long,
        service.stream(directive(tokens=20, gap=0.1)) as short,
    ):
        simulator.wait(tokens_written=2)
        service.signal(signal.SIGTERM)
        assert not_ready(service)[0] == 503
        assert len(short.text().split()) == 20
        # a worker accepts for up to a second after the signal
        assert refused(service.port)
        assert service.metric("chat_turns_total", ending="completed") == 1
        assert service.metric("chat_turns_in_flight") == 1
        assert service.get("/ready", port=service.metrics_port)[0] == 503
        events = long.events()
        assert [event.name for event in events[-2:]] == ["done", "message"]
        assert long.whole
    assert service.wait(LATE_SECONDS) == 0
    assert refused(service.metrics_port)
    assert [turn["ending"] for turn in service.turns(2)] == ["completed", "completed"]


def test_kept_connections_do_not_hold_up_the_end(serve):
    service = serve(WEB_CONCURRENCY=2)
    service.until("chat_workers", 2)
    kept = [KeptOpen(service) for _ in range(5)]
    # browsers open connections before they need them
    ahead = socket.create_connection(("127.0.0.1", service.port))
    service.signal(signal.SIGTERM)
    began = time.monotonic()
    assert service.wait(LATE_SECONDS) == 0
    # gunicorn would wait for 15 s
    assert time.monotonic() - began < 10
    assert ahead.recv(1) == b""
    ahead.close()
    for one in kept:
        one.close()


def test_a_proxy_ends_its_kept_connections_itself(serve):
    """It may use one at the very moment of the closing, and would not send the question a second time."""
    service = serve()
    with contextlib.closing(KeptOpen(service, **{"X-Forwarded-For": "192.0.2.1"})) as kept:
        service.signal(signal.SIGTERM)
        assert refused(service.port)
        # as long as it takes to close all others
        time.sleep(3)
        assert kept.ask("GET", "/health")[:2] == (200, "close")
    assert service.wait(LATE_SECONDS) == 0


def test_an_idle_service_ends_soon(serve):
    service = serve(WEB_CONCURRENCY=2)
    service.until("chat_workers", 2)
    service.signal(signal.SIGTERM)
    began = time.monotonic()
    assert service.wait(LATE_SECONDS) == 0
    assert time.monotonic() - began < 10
