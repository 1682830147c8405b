"""What leaves together, and that nothing is left behind."""

import pytest

from service.web.joined_writes import JoinedWrites


class Client:
    """A socket that keeps what it is given."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.gone = False
        self.room = 1000

    def send(self, data: bytes, _flags: int, timeout: float) -> int:
        """As gevent's: without a timeout, whatever does not fit is left."""
        assert timeout == 0
        if self.gone:
            raise BrokenPipeError
        if not self.room:
            raise BlockingIOError
        sent = data[: self.room]
        self.room -= len(sent)
        self.writes.append(sent)
        return len(sent)

    def sendall(self, data: bytes) -> None:
        if self.gone:
            raise BrokenPipeError
        self.writes.append(data)

    def sendfile(self, file: bytes, offset: int) -> int:
        self.writes.append(file[offset:])
        return len(file)

    def fileno(self) -> int:
        return 7


@pytest.fixture
def client():
    return Client()


@pytest.fixture
def writes(client):
    return JoinedWrites(client)


def test_a_head_leaves_with_its_body_and_the_rest_at_once(client, writes):
    for data in (b"head ", b"one", b"two"):
        writes.sendall(data)
    assert client.writes == [b"head one", b"two"]


def test_an_end_leaves_with_the_last_frame(client, writes):
    writes.sendall(b"head ")
    writes.sendall(b"one")
    writes.hold_next()
    writes.sendall(b"last ")
    assert client.writes == [b"head one"]
    writes.sendall(b"end")
    assert client.writes == [b"head one", b"last end"]


@pytest.mark.parametrize(("room", "pieces"), [(5, [b"head ", b"one"]), (0, [b"head one"])])
def test_a_caller_who_reads_slowly_gets_all_of_it(client, writes, room, pieces):
    client.room = room
    writes.sendall(b"head ")
    writes.sendall(b"one")
    assert client.writes == pieces


def test_a_response_without_a_body_leaves_when_it_ends(client, writes):
    writes.sendall(b"head")
    assert not client.writes
    writes.end()
    writes.end()
    assert client.writes == [b"head"]


def test_a_file_comes_after_its_head(client, writes):
    writes.sendall(b"head ")
    writes.sendfile(b"file", offset=1)
    assert client.writes == [b"head ", b"ile"]


def test_a_caller_who_has_gone_is_no_error_at_the_end(client, writes):
    writes.sendall(b"head")
    client.gone = True
    writes.end()


def test_everything_else_is_the_sockets(writes):
    assert writes.fileno() == 7
