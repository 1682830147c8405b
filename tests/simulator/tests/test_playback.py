"""How a script is played, at moments that no real socket can be brought to at will."""

import time
from collections.abc import Iterator

import pytest

from tests.simulator.playback import Playback
from tests.simulator.record import Arrival, Record, RequestRecord
from tests.simulator.script import Script


class StubLoop:
    def __init__(self) -> None:
        self.dues: list[float] = []
        self.soon = 0

    def call_at(self, due: float, _target: object) -> None:
        self.dues.append(due)

    def call_soon(self, _target: object) -> None:
        self.soon += 1


class StubConnection:
    """A socket that takes `room` bytes."""

    def __init__(self, room: int) -> None:
        self.exchange: object = None
        self.room = room
        self.sent_bytes = 0
        self.unsent = 0

    def send(self, data: bytes) -> bool:
        self.unsent = len(data)
        self.take(self.room)
        return self.is_flushed

    def take(self, room: int) -> None:
        taken = min(room, self.unsent)
        self.unsent -= taken
        self.sent_bytes += taken
        self.room = room - taken

    @property
    def is_flushed(self) -> bool:
        return self.unsent == 0


@pytest.fixture
def record() -> RequestRecord:
    return Record().open(Arrival("/v1/chat/completions", {}), 1)


def play(
    script: Script, record: RequestRecord, room: int
) -> tuple[Playback, StubConnection, StubLoop]:
    loop, connection = StubLoop(), StubConnection(room)
    playback = Playback(loop, connection, script, record, keeps_alive=True)  # type: ignore[arg-type]
    return playback, connection, loop


def burst_of_three() -> Script:
    yield [b"x" * 10, b"y" * 10, b"z" * 10], 3, 0.0
    yield b"end", 0, 0.0
    return "completed"


def test_frame_counts_when_the_kernel_has_all_of_it(record: RequestRecord) -> None:
    playback, connection, _ = play(burst_of_three(), record, room=19)
    playback.on_time(time.monotonic())
    counts = [record.tokens_written]
    for room in (1, 9, 1):
        connection.take(room)
        playback.on_writable()
        counts.append(record.tokens_written)
    assert counts == [1, 2, 2, 3]


def test_nothing_is_written_before_the_last_write_is_through(record: RequestRecord) -> None:
    playback, connection, loop = play(burst_of_three(), record, room=19)
    playback.on_time(time.monotonic())
    playback.on_writable()
    assert (connection.unsent, loop.dues) == (11, [])


def test_client_that_leaves_counts_what_the_kernel_had(record: RequestRecord) -> None:
    playback, _, _ = play(burst_of_three(), record, room=25)
    playback.on_time(time.monotonic())
    playback.abandon()
    assert (record.tokens_written, record.ending) == (2, "aborted")


def test_client_that_leaves_before_the_last_write_has_aborted(record: RequestRecord) -> None:
    playback, _, _ = play(burst_of_three(), record, room=31)
    playback.on_time(time.monotonic())
    playback.abandon()
    assert (record.tokens_written, record.ending) == (3, "aborted")


def endless() -> Iterator[tuple[bytes, int, float]]:
    while True:
        yield b"x", 1, 0.0


def test_endless_script_gives_way(record: RequestRecord) -> None:
    playback, connection, loop = play(endless(), record, room=10**9)  # type: ignore[arg-type]
    playback.on_time(time.monotonic())
    assert 0 < connection.sent_bytes < 100
    assert loop.soon == 2


def long_then_wait() -> Script:
    for _ in range(10):
        yield b"x", 1, 0.0
    yield b"x", 1, 1.0
    return "completed"


def test_wait_begins_when_the_writes_before_it_are_done(record: RequestRecord) -> None:
    playback, _, loop = play(long_then_wait(), record, room=10**9)
    done_at = time.monotonic() + 60
    while not loop.dues:
        playback.on_time(done_at)
    assert loop.dues == [done_at + 1]


def paced() -> Script:
    for _ in range(3):
        yield b"x" * 10, 1, 0.001
    return "completed"


def test_slow_reader_is_not_owed_a_burst(record: RequestRecord) -> None:
    playback, connection, loop = play(paced(), record, room=5)
    playback.on_time(time.monotonic())
    reads_at = time.monotonic() + 0.01
    while time.monotonic() < reads_at:
        pass
    connection.take(5)
    playback.on_writable()
    assert loop.dues[-1] >= reads_at
