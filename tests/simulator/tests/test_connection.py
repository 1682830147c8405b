import socket
from collections.abc import Iterator

import pytest

from tests.simulator.connection import Connection
from tests.simulator.loop import Loop


class StubExchange:
    def __init__(self) -> None:
        self.abandoned = 0

    def on_writable(self) -> None:
        raise AssertionError

    def abandon(self) -> None:
        self.abandoned += 1


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


def test_write_to_a_client_that_is_gone_abandons_and_is_not_flushed(loop: Loop) -> None:
    ours, theirs = socket.socketpair()
    closed: list[Connection] = []
    connection = Connection(ours, 1, loop, on_request=lambda *_: None, on_close=closed.append)
    exchange = StubExchange()
    connection.exchange = exchange
    theirs.close()
    assert not connection.send(b"last words")
    assert (exchange.abandoned, connection.is_flushed, connection.sent_bytes) == (1, False, 0)
    assert closed == [connection]
