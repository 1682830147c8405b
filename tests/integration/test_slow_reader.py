"""A caller who does not read, or hardly: the turn ends, the upstream is let go, and nobody else waits."""

import signal
import socket
import threading
import time
import uuid
from contextlib import contextmanager

import pytest

from tests.support.service import Service
from tests.support.simulator import directive
from tests.support.sse import Stream

SEND_SECONDS = 2
# near the longest answer that is read; JSON writes each character in six bytes, more than the kernel's buffers take
BIG = directive(tokens=390, chars=2_500, fill="\x01")
# without the limit of a write, the deadline of the whole turn would be what ends it
CUT_SECONDS = 20
TURN_SECONDS = 300
PATIENT = {"TURN_TIMEOUT_SECONDS": TURN_SECONDS, "MAX_OUTPUT_TOKENS": "none"}


@pytest.fixture(scope="module")
def strict(_simulator):
    """A service that gives a write two seconds."""
    with Service(_simulator.base_url, **PATIENT, SEND_TIMEOUT_SECONDS=SEND_SECONDS) as service:
        yield service


@contextmanager
def reading_hardly(service: Service, bytes_a_second: int):
    """A stream whose reader takes so many bytes a second, with hardly a buffer; gives its request id."""
    request_id, done = uuid.uuid4().hex, threading.Event()
    headers = {"X-Request-ID": request_id}
    payload = {"question": BIG}
    stream = Stream("127.0.0.1", service.port, payload, headers, receive_bytes=4096)

    def read() -> None:
        while not done.wait(1):
            try:
                stream.socket.recv(bytes_a_second)
            except OSError:
                return

    reader = threading.Thread(target=read)
    if bytes_a_second:
        reader.start()
    yield request_id
    done.set()
    if bytes_a_second:
        reader.join()
    stream.close()


def quiet(service: Service) -> bool:
    """Whether the log is free of errors and stack traces."""
    lines = "\n".join(service.lines)
    loud = [event for event in service.events() if event["level"] in ("error", "warning")]
    known = {"models_without_price", "access"}
    return "Traceback" not in lines and {event["event"] for event in loud} <= known


def settled(simulator) -> int:
    """The tokens that the upstream could write, once that are no more."""
    written = -1
    while (now := simulator.stats()["tokens_written"]) != written or not now:
        written = now
        time.sleep(0.7)
    return written


@pytest.mark.parametrize("bytes_a_second", [0, 1])
def test_a_caller_who_does_not_read_is_cut(strict, simulator, bytes_a_second):
    with reading_hardly(strict, bytes_a_second) as request_id:
        turn = strict.turn(request_id, CUT_SECONDS)
        simulator.wait(requests=1, open_max=0)
    assert turn["ending"] == "disconnected"
    assert turn["duration_seconds"] >= SEND_SECONDS
    assert turn["attempts"][0]["result"] == "cancelled"
    assert turn["output_tokens"] > 0
    strict.until("chat_turns_in_flight", 0)
    assert quiet(strict)


def test_others_are_served_meanwhile(strict, simulator):
    with reading_hardly(strict, 0) as request_id:
        settled(simulator)
        status, _, body = strict.chat(directive(tokens=5))
        assert (status, body["finish_reason"]) == (200, "stop")
        assert strict.turn(request_id, CUT_SECONDS)["ending"] == "disconnected"


def test_a_reader_who_is_slow_but_steady_gets_the_whole(strict, simulator):
    """Longer than the limit in all, but no write waits for so long."""
    stream = strict.stream(directive(tokens=30, gap=0.12))
    assert len(stream.text().split()) == 30
    assert stream.whole
    stream.close()


def test_from_sigterm_on_a_write_gets_three_seconds(serve, simulator):
    service = serve(**PATIENT, SEND_TIMEOUT_SECONDS=TURN_SECONDS)
    with reading_hardly(service, 0) as request_id:
        settled(simulator)
        began = time.monotonic()
        service.signal(signal.SIGTERM)
        assert service.wait(timeout=60) == 0
        assert time.monotonic() - began < CUT_SECONDS
    assert service.turn(request_id)["ending"] == "disconnected"
    simulator.wait(requests=1, open_max=0)
    assert quiet(service)


def test_between_two_requests_no_write_is_waited_for(strict):
    with socket.create_connection(("127.0.0.1", strict.port)) as kept:
        kept.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert kept.recv(4096).startswith(b"HTTP/1.1 200")
        kept.settimeout(SEND_SECONDS + 0.5)
        with pytest.raises(TimeoutError):
            kept.recv(4096)
