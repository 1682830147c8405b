from collections.abc import Iterable

import pytest

from tests.simulator.http_request import MalformedRequestError, Request, RequestParser

WITH_LENGTH = b"POST /v1/x?a=1&b= HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"POST /v1/y HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    b"3\r\nhel\r\n2;extension=1\r\nlo\r\n0\r\nTrailer: x\r\n\r\n"
)
WITHOUT_BODY = b"GET /z HTTP/1.0\r\n\r\n"


def parse(pieces: Iterable[bytes]) -> list[Request]:
    parser, requests = RequestParser(), []
    for piece in pieces:
        parser.feed(piece)
        while (request := parser.next_request()) is not None:
            requests.append(request)
    return requests


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_pipelined_requests_are_the_same_however_they_are_cut(size: int) -> None:
    data = WITH_LENGTH + CHUNKED + WITHOUT_BODY + WITH_LENGTH
    requests = parse(data[start : start + size] for start in range(0, len(data), size))
    assert [r.path for r in requests] == ["/v1/x", "/v1/y", "/z", "/v1/x"]
    assert [r.body for r in requests] == [b"hello", b"hello", b"", b"hello"]
    assert [r.keeps_alive for r in requests] == [True, False, False, True]
    assert requests[0].query == {"a": "1", "b": ""}


def test_continue_is_wanted_once_per_request() -> None:
    parser = RequestParser()
    for _ in range(2):
        parser.feed(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n")
        assert parser.next_request() is None
        assert parser.wants_continue()
        assert not parser.wants_continue()
        parser.feed(b"x")
        assert parser.next_request() is not None


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/2.0\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"x" * 70000,
    ],
)
def test_what_is_no_request_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedRequestError):
        parse([data])
