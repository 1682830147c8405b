"""D1 to D7: faults of clients."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from tests.crash.case import Case
from tests.crash.client import CHAT, STREAM
from tests.crash.expected import Expected
from tests.crash.private_network import drop_packets, private_network
from tests.crash.stack import PLAIN, PRIMARY, Plan
from tests.crash.trial import Trial
from tests.support.simulator import directive

# seen within a second; the rest is room for a busy machine
NOTICED_SECONDS = 2.5
SEND_TIMEOUT_SECONDS = 30
TURN_SECONDS = 120
# near the longest answer that is read, and more than all the small buffers on the way take, so that a client who does
# not read stops everything
HUGE = directive(tokens=320, chars=3_000)
UNBOUNDED = {"MAX_OUTPUT_TOKENS": "none"}
# what nginx logs for a caller who left before the header of the response
CLIENT_CLOSED = 499


def leave(trial: Trial, route: str, question: str, tokens: int, stay: float = 0.0) -> str:
    """Asks, waits until the upstream has written so many tokens, and disconnects; measures how soon that is noticed."""
    primary, request_id = trial.stack.primary, trial.id()
    before = primary.stats()
    stream = trial.client.stream(request_id, {"question": question}, path=route)
    primary.wait(open=1, tokens_written=before["tokens_written"] + tokens)
    time.sleep(stay)
    left_at = time.monotonic()
    stream.close()
    primary.wait(timeout=10, aborted=before["aborted"] + 1)
    seconds = time.monotonic() - left_at
    trial.check(seconds <= NOTICED_SECONDS, f"{request_id}: noticed after {seconds:.1f} s")
    trial.note(f"{route}: seen after {seconds:.1f} s")
    return request_id


def gone_before_the_first_token(trial: Trial) -> None:
    """Before the status line, after it (3 s, the hold), and while the whole answer is waited for."""
    left = {"attempts": f"{PRIMARY}:cancelled"}
    for route in (STREAM, CHAT):
        request_id = leave(trial, route, directive(fault="silent"), 0)
        trial.expect_left(request_id, Expected("disconnected", status=CLIENT_CLOSED, **left))
    request_id = leave(trial, STREAM, directive(fault="silent"), 0, stay=4)
    trial.expect_left(request_id, Expected("disconnected", **left))


def gone_in_mid_answer(trial: Trial, question: str, tokens: int) -> None:
    for route, status in ((STREAM, 200), (CHAT, CLIENT_CLOSED)):
        request_id = leave(trial, route, question, tokens, stay=0.5)
        expected = Expected("disconnected", f"{PRIMARY}:cancelled", status=status)
        trial.expect_left(request_id, expected)
        line = trial.line(request_id)
        trial.check(line["output_tokens"] >= tokens, "what had been answered is not billed")


def gone_in_mid_stream(trial: Trial) -> None:
    gone_in_mid_answer(trial, directive(tokens=600, gap=0.05), 20)


def gone_in_a_stall(trial: Trial) -> None:
    gone_in_mid_answer(trial, directive(fault="stall", after=5, seconds=60), 5)


def stuck(trial: Trial, hold: Callable[[socket.socket], None], most_seconds: float) -> None:
    """A client that does not take its answer: cut when a write could not finish in 30 s, and everything is freed."""
    request_id = trial.id()
    stream = trial.client.stream(request_id, {"question": HUGE}, receive_bytes=4096)
    try:
        trial.stack.primary.wait(open=1)
        hold(stream.socket)
        trial.ask_well()
        line = trial.stack.service.turn(request_id, timeout=most_seconds + 10)
        trial.stack.primary.wait(open_max=0)
    finally:
        stream.close()
    # its tokens are as long as books, and counted as what they are
    trial.tokens_are_words = False
    trial.expect_left(request_id, Expected("disconnected", f"{PRIMARY}:cancelled"))
    seconds = line["duration_seconds"]
    trial.note(f"cut after {seconds:.1f} s")
    least = SEND_TIMEOUT_SECONDS - 1
    trial.check(least <= seconds <= most_seconds, f"the turn lasted {seconds:.1f} s")


def never_reads(trial: Trial) -> None:
    stuck(trial, lambda _: None, SEND_TIMEOUT_SECONDS + 10)


def reads_a_byte_a_second(trial: Trial) -> None:
    def drip(client: socket.socket) -> None:
        threading.Thread(target=_drip, args=(client,), daemon=True).start()

    # the turn's deadline and one write at the latest; a window that never opens is sooner
    stuck(trial, drip, TURN_SECONDS + SEND_TIMEOUT_SECONDS + 5)


def _drip(client: socket.socket) -> None:
    try:
        while client.recv(1):
            time.sleep(1)
    except OSError:
        return


def half_open(trial: Trial) -> None:
    """The client's network is gone: its packets are lost, and no end of the connection ever comes."""

    def lose(client: socket.socket) -> None:
        # some of the answer has come already
        client.recv(10_000)
        drop_packets(client.getsockname()[1], trial.stack.nginx.port)

    stuck(trial, lose, SEND_TIMEOUT_SECONDS + 10)


CROWD = 2000
HEADER_TIMEOUT_SECONDS = 10


def crowd_that_says_nothing(trial: Trial) -> None:
    with crowd(trial.stack.nginx.port) as connections:
        trial.note(f"{len(connections)} silent connections")
        began = time.monotonic()
        while time.monotonic() - began < HEADER_TIMEOUT_SECONDS - 3:
            trial.ask_well()
            status, seconds = trial.client.get("/health")
            trial.check(status == 200 and seconds < 2, f"/health: {status} after {seconds:.1f} s")
            time.sleep(0.5)
        for connection in connections:
            connection.settimeout(HEADER_TIMEOUT_SECONDS + 10)
            trial.check(connection.recv(1) == b"", "a silent connection was answered")
        seconds = time.monotonic() - began
        trial.check(seconds <= HEADER_TIMEOUT_SECONDS + 3, f"closed only after {seconds:.1f} s")
        trial.note(f"closed after {seconds:.1f} s")


@contextmanager
def crowd(port: int) -> Iterator[list[socket.socket]]:
    with ExitStack() as held:
        yield [
            held.enter_context(socket.create_connection(("127.0.0.1", port), 30))
            for _ in range(CROWD)
        ]


CASES = (
    Case(
        "D1", "client gone before the first token", gone_before_the_first_token, PLAIN, shared=True
    ),
    Case("D2", "client gone in mid-answer", gone_in_mid_stream, PLAIN, shared=True),
    Case("D3", "client gone in a stall", gone_in_a_stall, PLAIN, shared=True),
    Case(
        "D4",
        "client never reads",
        never_reads,
        Plan(settings=UNBOUNDED),
        around=private_network,
        seconds=45,
    ),
    Case(
        "D5",
        "client reads 1 byte/s",
        reads_a_byte_a_second,
        Plan(settings=UNBOUNDED | {"TURN_TIMEOUT_SECONDS": TURN_SECONDS}),
        around=private_network,
        seconds=45,
    ),
    Case(
        "D6",
        "half-open connection (packets dropped)",
        half_open,
        Plan(settings=UNBOUNDED),
        around=private_network,
        seconds=46,
    ),
    Case(
        "D7",
        "2,000 connects that send nothing",
        crowd_that_says_nothing,
        PLAIN,
        shared=True,
        seconds=15,
    ),
)
