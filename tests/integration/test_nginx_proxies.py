"""nginx behind other proxies: whose word about addresses counts, and what is counted by them."""

import json
from contextlib import ExitStack

import pytest

from tests.support.nginx import SOURCES, Nginx, UnusableSettings
from tests.support.sse import Stream
from tests.support.upstream import STREAM_HEAD, Upstream, chunk, gone, whole

PROXY, STRANGER = "127.0.0.1", "127.0.0.9"
FRAME = b'event: token\ndata: {"text": "a"}\n\n'


def echo(request, connection):
    connection.sendall(whole(200, b"{}"))


def endless(request, connection):
    connection.sendall(STREAM_HEAD + chunk(FRAME))
    gone(connection, 60)


@pytest.fixture
def front():
    """front(answer, **settings): nginx, and the upstream behind it."""
    with ExitStack() as stack:

        def start(answer=echo, **settings):
            upstream = stack.enter_context(Upstream(answer))
            return stack.enter_context(Nginx(upstream.address, **settings)), upstream

        yield start


@pytest.fixture(scope="module")
def behind_proxies():
    trusted = f"{PROXY}, 10.0.0.0/8, 2001:db8:1::/48"
    with Upstream(echo) as upstream, Nginx(upstream.address, TRUSTED_PROXIES=trusted) as nginx:
        yield nginx, upstream


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("203.0.113.9:4711", "203.0.113.9"),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        # the caller wrote the first one
        ("1.1.1.1, 203.0.113.9", "203.0.113.9"),
        ("1.1.1.1, 203.0.113.9, 10.1.2.3", "203.0.113.9"),
        ("203.0.113.9, 2001:db8:1::5", "203.0.113.9"),
        # nobody but proxies: the farthest of them
        ("10.9.9.9, 10.1.2.3", "10.9.9.9"),
        # no address
        ("unknown", PROXY),
        ("", PROXY),
        ("203.0.113.9, unknown", PROXY),
    ],
)
def test_a_proxys_word_counts_and_one_address_is_sent_on(behind_proxies, sent, told):
    nginx, upstream = behind_proxies
    _, headers, _ = nginx.request("POST", body=b"{}", headers={"X-Forwarded-For": sent})
    line = nginx.line(headers["x-request-id"])
    assert (line["client"], line["peer"]) == (told, PROXY)
    assert upstream.requests[-1].headers["x-forwarded-for"] == told


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "203.0.113.9"},
        {"X-Forwarded-For": "203.0.113.9, 127.0.0.1"},
        {"X-Real-IP": "203.0.113.9", "Forwarded": "for=203.0.113.9"},
        {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"},
    ],
)
def test_a_strangers_word_changes_nothing(behind_proxies, headers):
    nginx, upstream = behind_proxies
    _, answered, _ = nginx.request("POST", body=b"{}", headers=headers, source=STRANGER)
    line = nginx.line(answered["x-request-id"])
    assert (line["client"], line["peer"]) == (STRANGER, STRANGER)
    received = upstream.requests[-1].headers
    assert received["x-forwarded-for"] == STRANGER
    assert received["x-forwarded-proto"] == "http"
    assert "forwarded" not in received


def test_forwarded_by_rfc_7239_is_not_read_and_not_passed_on(behind_proxies):
    nginx, upstream = behind_proxies
    nginx.request("POST", body=b"{}", headers={"Forwarded": "for=203.0.113.9;proto=https"})
    received = upstream.requests[-1].headers
    assert received["x-forwarded-for"] == PROXY
    assert "forwarded" not in received


def test_a_proxy_tells_whether_the_caller_came_by_tls(behind_proxies):
    nginx, upstream = behind_proxies
    for sent, told in [("https", "https"), ("http", "http"), ("gopher", "http")]:
        nginx.request("POST", body=b"{}", headers={"X-Forwarded-Proto": sent})
        assert upstream.requests[-1].headers["x-forwarded-proto"] == told


def test_without_proxies_nobodys_word_counts(front):
    nginx, upstream = front()
    nginx.request("POST", body=b"{}", headers={"X-Forwarded-For": "203.0.113.9"})
    assert upstream.requests[-1].headers["x-forwarded-for"] == PROXY


@pytest.mark.parametrize("word", ["private", "cloudflare"])
def test_a_word_stands_for_a_list_that_nginx_takes(front, word):
    nginx, _ = front(TRUSTED_PROXIES=word)
    said = nginx.check()
    assert "test is successful" in said
    assert "[warn]" not in said


def test_private_trusts_this_machine_and_cloudflare_does_not(front):
    spoofed = {"X-Forwarded-For": "203.0.113.9"}
    for word, told in [("private", "203.0.113.9"), ("cloudflare", PROXY)]:
        nginx, upstream = front(TRUSTED_PROXIES=word)
        nginx.request("POST", body=b"{}", headers=spoofed)
        assert upstream.requests[-1].headers["x-forwarded-for"] == told


def test_the_list_of_cloudflare_says_of_when_it_is():
    assert "change of 20" in (SOURCES / "trusted/cloudflare.txt").read_text()


# --- the PROXY protocol ---


def speak(nginx, prefix, source=PROXY):
    """All that comes back for a request after these bytes."""
    with nginx.connect(source) as connection:
        body = b"POST /chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
        connection.sendall(prefix + body)
        with connection.makefile("rb") as reader:
            return reader.read()


def test_the_proxy_protocol_of_a_trusted_peer_counts(front):
    nginx, upstream = front(TRUSTED_PROXIES=PROXY, PROXY_PROTOCOL="true")
    claimed = b"PROXY TCP4 203.0.113.9 127.0.0.1 4711 80\r\n"
    assert speak(nginx, claimed).startswith(b"HTTP/1.1 200")
    assert upstream.requests[-1].headers["x-forwarded-for"] == "203.0.113.9"
    assert speak(nginx, claimed, STRANGER).startswith(b"HTTP/1.1 200")
    assert upstream.requests[-1].headers["x-forwarded-for"] == STRANGER


def test_with_the_proxy_protocol_nothing_else_is_taken(front):
    nginx, upstream = front(TRUSTED_PROXIES=PROXY, PROXY_PROTOCOL="true")
    assert not speak(nginx, b"").startswith(b"HTTP/1.1 200")
    assert upstream.requests == []


def test_the_proxy_protocol_without_a_trusted_proxy_is_refused():
    with pytest.raises(UnusableSettings, match="PROXY_PROTOCOL=true needs TRUSTED_PROXIES"):
        Nginx("127.0.0.1:1", PROXY_PROTOCOL="true")


# --- what is counted ---


class Streams:
    """Streams through one nginx, which stay open until the end."""

    def __init__(self, nginx):
        self._nginx = nginx
        self._stack = ExitStack()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stack.close()

    def statuses(self, headers):
        """One for each of these headers' requests."""
        found = []
        for each in headers:
            stream = Stream("127.0.0.1", self._nginx.port, {}, each)
            found.append(self._stack.enter_context(stream).status)
        return found


def users(count):
    return [{"X-Forwarded-For": f"203.0.113.{number}"} for number in range(1, count + 1)]


def test_thirty_users_behind_one_balancer_get_thirty_answers(front):
    nginx, _ = front(endless, TRUSTED_PROXIES=PROXY, CLIENT_REQUESTS_PER_SECOND=100)
    with Streams(nginx) as streams:
        assert streams.statuses(users(30)) == [200] * 30


def test_thirty_forged_addresses_are_one_caller(front):
    nginx, _ = front(endless, CLIENT_REQUESTS_PER_SECOND=100)
    with Streams(nginx) as streams:
        assert streams.statuses(users(30)) == [200] * 20 + [429] * 10


def key(number):
    return {"Authorization": f"Bearer csk_{number:049d}"}


def test_callers_with_keys_are_counted_by_key(front):
    nginx, _ = front(endless, CLIENT_MAX_STREAMS=3, CLIENT_REQUESTS_PER_SECOND=100)
    with Streams(nginx) as streams:
        for number in range(4):
            assert streams.statuses([key(number)] * 4) == [200] * 3 + [429]
        # who has none is counted as before
        assert streams.statuses([{}] * 4) == [200] * 3 + [429]


def test_who_makes_keys_up_gets_ten_times_as_far_and_no_further(front):
    nginx, _ = front(endless, CLIENT_MAX_STREAMS=2, CLIENT_REQUESTS_PER_SECOND=100)
    with Streams(nginx) as streams:
        assert streams.statuses([key(number) for number in range(25)]) == [200] * 20 + [429] * 5


def test_what_only_looks_like_a_key_is_none(front):
    nginx, _ = front(endless, CLIENT_MAX_STREAMS=2, CLIENT_REQUESTS_PER_SECOND=100)
    invented = [{"Authorization": f"Bearer {text}"} for text in ("a", "sk-b", "csk_short")]
    with Streams(nginx) as streams:
        assert streams.statuses(invented) == [200, 200, 429]


def test_a_refusal_is_readable(front):
    nginx, _ = front(endless, CLIENT_MAX_STREAMS=1)
    with Streams(nginx) as streams:
        streams.statuses([{}])
        status, headers, body = nginx.request("POST", "/chat/stream", b"{}")
    assert (status, headers["retry-after"]) == (429, "1")
    assert json.loads(body)["error"]["code"] == "rate_limited"
