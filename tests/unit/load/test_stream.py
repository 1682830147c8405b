"""The load test's reader against a server whose timing is known."""

import socket
import statistics
import threading
import time
from contextlib import closing

import pytest

from tests.load.judge import OwnCpu
from tests.load.stream import ask

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
TOKEN = b'event: token\ndata: {"text":"ab"}\n\n'
DONE = b"event: done\ndata: {}\n\ndata: [DONE]\n\n"
ERROR = b'event: error\ndata: {"code":"draining"}\n\n'
END = b"0\r\n\r\n"


def chunk(data):
    return b"%x\r\n%b\r\n" % (len(data), data)


@pytest.fixture
def answered():
    """answered(parts) asks a server that sends the parts, waiting where a part is a number."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def answer(parts):
            threading.Thread(target=serve, args=(listener, parts), daemon=True).start()
            return ask(f"http://127.0.0.1:{listener.getsockname()[1]}", "hi")

        yield answer


def serve(listener, parts):
    connection, _ = listener.accept()
    with connection:
        connection.recv(65536)
        for part in parts:
            if isinstance(part, float):
                time.sleep(part)
            else:
                connection.sendall(part)


def test_first_token_and_gaps_are_measured_within_30_ms(answered):
    tokens = [piece for _ in range(9) for piece in (0.2, chunk(TOKEN))]
    answer = answered([HEAD, *tokens, chunk(DONE), END])
    assert answer.error is None
    assert len(answer.gaps) == 8
    assert answer.characters == 18
    # medians: the machine of a test run has other things to do, too
    assert abs(statistics.median([answer.first_token, *answer.gaps]) - 0.2) < 0.03


def test_events_split_between_chunks_are_whole(answered):
    split = [chunk(TOKEN[:7]), chunk(TOKEN[7:] + DONE[:3]), chunk(DONE[3:])]
    answer = answered([HEAD, *split, END])
    assert (answer.error, answer.characters) == (None, 2)


@pytest.mark.parametrize(
    ("parts", "error"),
    [
        ([HEAD, chunk(TOKEN)], "ValueError"),
        ([HEAD, chunk(TOKEN), END], "cut: no done and no error"),
        ([HEAD, chunk(TOKEN), chunk(ERROR), END], "error: draining"),
        ([b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"], "HTTP 503"),
        ([], "IndexError"),
    ],
)
def test_an_answer_that_is_not_whole_is_a_failure(answered, parts, error):
    assert answered(parts).error == error


def test_a_busy_load_generator_is_the_limit(monkeypatch):
    clock, cpu = iter([0.0, 6.0]), iter([0.0, 5.4])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(time, "process_time", lambda: next(cpu))
    own = OwnCpu()
    own.look()
    assert own.was_the_limit
