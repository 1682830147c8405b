"""Who is asking: the shape of ids, and whether a connection still stands."""

import socket

import pytest
from werkzeug.datastructures import Headers

from service.web.context import Connection, address_of, request_id_of

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


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.9", None, "203.0.113.9"),
        ("127.0.0.1", None, "127.0.0.1"),
        ("172.18.0.4", "203.0.113.9", "203.0.113.9"),
        # nginx says one; of a longer list the last one is what our own proxy saw
        ("::1", "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        # nobody on the internet chooses an address
        ("1.1.1.1", "203.0.113.9", "1.1.1.1"),
        ("", "203.0.113.9", ""),
    ],
)
def test_the_address_is_what_a_proxy_of_ours_says(peer, forwarded, address):
    headers = Headers({} if forwarded is None else {"X-Forwarded-For": forwarded})
    assert address_of(peer, headers) == address


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
