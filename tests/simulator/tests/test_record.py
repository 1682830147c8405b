"""What the upstream saw is what happened."""

import time

import pytest

from tests.simulator.record import KEPT_BODY_BYTES, KEPT_REQUESTS, Arrival, Record
from tests.simulator.tests.wire import Client, ask, question
from tests.support.simulator import SimulatorProcess

USAGE = {"stream_options": {"include_usage": True}}


def test_counters_add_up_in_all_and_by_model(simulator: SimulatorProcess) -> None:
    ask(simulator, "one [sim tokens=3]", model="a", **USAGE)
    ask(simulator, "one [sim tokens=4]", model="a", stream=False)
    ask(simulator, "one [sim tokens=5]", model="b")
    ask(simulator, "one [sim fault=500]", model="b")
    stats = simulator.wait(requests=4, open_max=0)
    assert (stats["requests"], stats["streams"]) == (4, 3)
    assert (stats["completed"], stats["refused"]) == (3, 1)
    assert stats["tokens_written"] == 12
    assert (stats["input_tokens"], stats["output_tokens"]) == (2 * 7, 7)
    assert stats["by_model"]["a"]["output_tokens"] == 7
    assert simulator.stats("b")["tokens_written"] == 5
    assert simulator.stats("never asked")["requests"] == 0


def test_reported_usage_is_recorded(simulator: SimulatorProcess) -> None:
    reported = ask(simulator, "a b c", **USAGE).frames[-1]["usage"]
    simulator.wait(completed=1)
    assert simulator.requests()[0]["usage"] == reported


def test_request_is_recorded_without_its_key(simulator: SimulatorProcess) -> None:
    body = question("Why?", model="m", temperature=0.5)
    with Client(simulator) as client:
        client.post(body, "X-Request-ID: abcdefgh", "Authorization: Bearer sk-secret-of-mine")
        client.read()
    (entry,) = simulator.requests(model="m")
    assert entry["n"] == 1
    assert entry["body"] == body
    assert entry["headers"]["x-request-id"] == "abcdefgh"
    assert len(entry["authorization_sha256"]) == 16
    assert "secret" not in str(entry)
    assert abs(entry["arrived_at"] - time.time()) < 60
    assert (entry["ending"], entry["tokens_written"], entry["status"]) == ("completed", 20, 200)


def test_only_the_last_requests_are_kept() -> None:
    record = Record()
    for _ in range(KEPT_REQUESTS + 3):
        record.open(Arrival("/", {}), connection=1)
    numbers = [entry.number for entry in record.requests]
    assert numbers == list(range(4, KEPT_REQUESTS + 4))


def test_bodies_of_many_large_requests_are_dropped_oldest_first() -> None:
    record = Record()
    for _ in range(5):
        record.open(Arrival("/", {}, raw_body=b"x" * (KEPT_BODY_BYTES // 4)), connection=1)
    bodies = [entry.arrival.raw_body for entry in record.requests]
    assert [body is None for body in bodies] == [True, False, False, False, False]


def test_client_that_leaves_between_tokens_is_noticed(simulator: SimulatorProcess) -> None:
    with Client(simulator) as client:
        client.post(question("[sim tokens=100 gap=30]"))
        client.read_until(b"the")
        left_at = time.time()
    stats = simulator.wait(aborted=1)
    assert (stats["open"], stats["tokens_written"]) == (0, 1)
    assert stats["connections_open"] == 0
    assert simulator.requests()[0]["aborted_at"] - left_at < 5


def test_client_that_leaves_after_the_end_has_aborted_nothing(simulator: SimulatorProcess) -> None:
    ask(simulator)
    with Client(simulator):
        pass
    stats = simulator.wait(connections_accepted=2, connections_open_max=0)
    assert (stats["completed"], stats["aborted"]) == (1, 0)


def test_tokens_of_a_client_that_does_not_read_count_when_the_kernel_has_them(
    simulator: SimulatorProcess,
) -> None:
    tokens = 3000
    with Client(simulator, receive_bytes=65536) as client:
        client.post(question(f"[sim tokens={tokens} chars=4096]"))
        assert 0 < _settled(simulator) < tokens
        reply = client.read()
    assert len(reply.text) == tokens * 4096
    assert simulator.wait(completed=1)["tokens_written"] == tokens


def test_client_that_never_reads_and_leaves_has_aborted(simulator: SimulatorProcess) -> None:
    with Client(simulator, receive_bytes=4096) as client:
        client.post(question("[sim fault=endless chars=4096]"))
        written = _settled(simulator)
    assert simulator.wait(aborted=1)["tokens_written"] >= written


def test_others_are_served_beside_streams_as_fast_as_they_go(simulator: SimulatorProcess) -> None:
    with Client(simulator) as greedy:
        greedy.post(question("[sim fault=endless]"))
        greedy.read_until(b"quick")
        assert ask(simulator, "[sim tokens=3]").finish == "stop"


def test_requests_for_the_record_are_no_part_of_it(simulator: SimulatorProcess) -> None:
    ask(simulator)
    for _ in range(3):
        simulator.stats()
    stats = simulator.wait(connections_open_max=0)
    assert (stats["connections_accepted"], stats["requests"]) == (1, 1)


def test_wait_ends_with_the_event_or_the_timeout(simulator: SimulatorProcess) -> None:
    with Client(simulator) as client:
        started = time.monotonic()
        client.post(question("[sim first=0.2 tokens=1]"))
        assert simulator.wait(completed=1)["completed"] == 1
        assert time.monotonic() - started > 0.2
    with pytest.raises(TimeoutError, match="'completed': 1"):
        simulator.wait(0.1, completed=2)
    with pytest.raises(ValueError, match="no such counter: finished"):
        simulator.wait(finished=1)


def test_client_that_sends_on_and_on_while_it_is_answered_is_cut(
    simulator: SimulatorProcess,
) -> None:
    with Client(simulator) as client:
        client.post(question("[sim fault=silent]"))
        with pytest.raises(ConnectionError):
            client.socket.sendall(b"x" * 32_000_000)
    assert simulator.wait(open_max=0)["aborted"] == 1


def test_reset_forgets_the_default_too(simulator: SimulatorProcess) -> None:
    simulator.set_default("fault=503")
    simulator.reset()
    assert ask(simulator).status == 200


def test_reset_forgets_and_what_still_runs_does_not_come_back(simulator: SimulatorProcess) -> None:
    with Client(simulator) as client:
        client.post(question("[sim fault=silent]"))
        simulator.wait(open=1)
        simulator.reset()
        assert simulator.stats()["open"] == 0
    stats = simulator.wait(connections_open_max=0)
    assert (stats["aborted"], stats["requests"], stats["connections_accepted"]) == (0, 0, 0)
    assert simulator.requests() == []


def _settled(simulator: SimulatorProcess) -> int:
    """The tokens written once no more are."""
    written = simulator.wait(tokens_written=1)["tokens_written"]
    while True:
        try:
            written = simulator.wait(0.5, tokens_written=written + 1)["tokens_written"]
        except TimeoutError:
            return int(written)
