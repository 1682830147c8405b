"""Who is asking: the shape of ids, and whether a connection still stands."""

import socket

import pytest
from werkzeug.datastructures import Headers

from service.web.context import Connection, request_id_of

KEPT = ["12345678", "a" * 64, "A.b-C_9.", "0af7651916cd43dd8448eb211c80319c"]
REPLACED = [
    *("", "1234567", "a" * 65, "has space", "semi;colon", "slash/slash", "한글한글한글한글"),
    *("line\nbreak", "trailing-newline\n", " leading", 'quote"d-id', "<script>", "١٢٣٤٥٦٧٨"),
]


@pytest.mark.parametrize("name", KEPT)
def test_a_proper_request_id_is_kept(name):
    assert request_id_of(Headers({"X-Request-ID": name})) == name


@pytest.mark.parametrize("name", REPLACED)
def test_any_other_is_replaced_by_a_new_one(name):
    headers = Headers()
    headers._list.append(("X-Request-ID", name))  # as a server could hand it over, unchecked
    made = request_id_of(headers)
    assert made != name
    assert request_id_of(Headers({"X-Request-ID": made})) == made
    assert request_id_of(headers) != made


def test_a_request_without_an_id_gets_one():
    assert request_id_of(Headers()) != request_id_of(Headers())


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_a_caller_who_waits_is_there(pair):
    ours, _ = pair
    assert not Connection(ours).gone()


def test_bytes_that_wait_to_be_read_do_not_matter(pair):
    ours, theirs = pair
    theirs.sendall(b"GET /health HTTP/1.1\r\n")
    assert not Connection(ours).gone()


def test_a_caller_who_hung_up_is_gone_also_behind_bytes_unread(pair):
    ours, theirs = pair
    connection = Connection(ours)
    theirs.sendall(b"GET /health HTTP/1.1\r\n")
    theirs.close()
    assert connection.gone()
    assert connection.gone()


def test_a_write_that_waits_can_be_cut(pair):
    ours, _ = pair
    connection = Connection(ours)
    connection.limit(0.05)
    with pytest.raises(TimeoutError):
        ours.sendall(b"x" * 10_000_000)
    connection.cut()
    with pytest.raises(OSError, match="Broken pipe"):
        ours.sendall(b"x")
    connection.cut()


def test_without_a_socket_nobody_is_ever_gone():
    connection = Connection(None)
    connection.limit(1)
    connection.cut()
    assert not connection.gone()
