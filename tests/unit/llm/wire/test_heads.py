"""Heads that the parser rejects, although servers write them and other clients read them."""

import pytest

from service.errors import UpstreamError
from service.llm.wire.response import Response
from tests.unit.llm.wire.frames import bytewise

STRICT = b"HTTP/1.1 200 OK\r\nX-A: a b\r\nContent-Length: 7\r\n\r\n\n\nhi\n\n\n"
LAX = {
    "bare lines": STRICT.replace(b"\r\n", b"\n"),
    "one bare line": STRICT.replace(b"OK\r\n", b"OK\n"),
    "a bare blank line": STRICT.replace(b"7\r\n\r\n", b"7\r\n\n"),
    "folded": STRICT.replace(b"a b", b"a\r\n b"),
    "folded by a tab, in bare lines": STRICT.replace(b"a b", b"a\n\t\tb"),
    "a length twice": STRICT.replace(b"7\r\n", b"7\r\ncontent-length:7 \r\n"),
    "after an interim one in bare lines": b"HTTP/1.1 100 Continue\n\n" + STRICT,
    "behind a folded interim one": b"HTTP/1.1 103 -\r\nLink: </a>;\r\n rel=preload\r\n\r\n"
    + STRICT,
}

CHUNKED = STRICT.replace(b"\n\nhi\n\n\n", b"7\r\n\n\nhi\n\n\n\r\n0\r\n\r\n")
CHUNKED_ALONE = CHUNKED.replace(b"Content-Length: 7", b"Transfer-Encoding: chunked")
LAX |= {
    "a length in a list": STRICT.replace(b"7\r\n", b"7, 7\r\n"),
    "chunked twice": CHUNKED.replace(b"Content-Length: 7", b"Transfer-Encoding: chunked, Chunked"),
    "chunked in two lines": CHUNKED.replace(
        b"Content-Length: 7",
        b"Transfer-Encoding: chunked\r\nServer: x\r\ntransfer-encoding:chunked",
    ),
    "identity": STRICT.replace(b"OK\r\n", b"OK\r\nTransfer-Encoding: identity\r\n"),
    "no coding": STRICT.replace(b"OK\r\n", b"OK\r\nTransfer-Encoding:\r\n"),
    "a length before chunks": CHUNKED.replace(
        b"7\r\n\r\n", b"7\r\nTransfer-Encoding: chunked\r\n\r\n"
    ),
    "a length behind chunks": CHUNKED.replace(
        b"Content", b"transfer-encoding: Chunked \r\ncontent"
    ),
}


def read(pieces):
    response = Response()
    body = b"".join(map(response.take, pieces))
    return response.status, response.fields.get("x-a"), body, response


@pytest.mark.parametrize("cut", [lambda data: [data], bytewise], ids=["at once", "bytewise"])
@pytest.mark.parametrize("data", [STRICT, *LAX.values()], ids=["strict", *LAX])
def test_a_head_is_read_and_its_connection_reused_only_if_strict(data, cut):
    status, field, body, response = read(cut(data))
    assert (status, field, body) == (200, "a b", b"\n\nhi\n\n\n")
    assert response.whole
    assert response.reusable == (data == STRICT)


@pytest.mark.parametrize(
    "data", [b"\x15\x03\x01\x00\x02\x02\x50", b"<html>", b"HTTX/1.1 200 OK\n\n"]
)
def test_what_is_no_http_is_rejected_at_once(data):
    with pytest.raises(UpstreamError):
        read([data])


@pytest.mark.parametrize("lengths", [b"7\r\nContent-Length: 8", b"7\r\nContent-Length: 77", b"x"])
def test_lengths_that_contradict_each_other_are_rejected(lengths):
    with pytest.raises(UpstreamError):
        read([STRICT.replace(b"7", lengths)])


def test_what_came_before_bytes_that_are_no_http_is_not_lost():
    """Whether both come in one read is up to the network."""
    response = Response()
    assert response.take(CHUNKED_ALONE.replace(b"0\r\n\r\n", b"oops")) == b"\n\nhi\n\n\n"
    assert response.failed
    assert not response.reusable
    with pytest.raises(UpstreamError):
        response.take(b"")
