"""Any JSON, and what is nearly JSON, in a request: an answer or a refusal in our words, each turn with one ending.

FUZZ_CASES: how many are tried of each kind.
"""

import http.client
import json
import os
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.sse import Parser

CASES = int(os.environ.get("FUZZ_CASES", "150"))
fuzz = settings(
    max_examples=CASES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    # a request of a second time is another one
    derandomize="FUZZ_SEED" not in os.environ,
)
# a bound far above what is expected, since machines that run tests are busy
MOST_SECONDS = 5

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(
        [
            "sim",
            "chat",
            "user",
            "system",
            "assistant",
            "\ud83d",
            "\u2028",
            "\0",
            "",
            " ",
            10**400,
            1e308,
            -0.0,
        ]
    )
)
ANY = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "role": st.sampled_from(["user", "assistant", "system", "tool"]) | SCALARS,
            "content": SCALARS | ANY,
            "x": SCALARS,
        },
    )
    | ANY,
    max_size=4,
)
OURS = st.fixed_dictionaries(
    {"question": st.text(max_size=20) | ANY},
    optional={
        "system": SCALARS,
        "history": MESSAGES | ANY,
        "chain": SCALARS,
        "model": SCALARS,
        "temperature": SCALARS,
        "max_tokens": SCALARS,
        "stream": SCALARS,
    },
)
OPENAIS = st.fixed_dictionaries(
    {"messages": MESSAGES | ANY},
    optional={
        "model": SCALARS,
        "stream": SCALARS,
        "stream_options": ANY,
        "temperature": SCALARS,
        "max_tokens": SCALARS,
        "max_completion_tokens": SCALARS,
        "n": SCALARS,
        "stop": ANY,
        "user": ANY,
        "tools": ANY,
        "response_format": ANY,
        "modalities": ANY,
        "metadata": ANY,
        "logit_bias": ANY,
        "seed": ANY,
    },
)
PATHS = st.sampled_from(["/chat", "/chat/stream", "/v1/chat/completions"])
TYPES = st.sampled_from(
    ["application/json"] * 6
    + [
        "application/json; charset=utf-8",
        "application/json; charset=utf-16",
        "text/plain",
        "",
        'application/json;a="',
        "*/*",
    ]
)


def dumped(value):
    # as it is: halves of surrogate pairs, NaN
    return json.dumps(value).encode("utf-8", "surrogatepass")


BODIES = st.one_of(
    st.builds(dumped, OURS),
    st.builds(dumped, OPENAIS),
    st.builds(dumped, ANY),
    st.builds(
        lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"), OURS
    ),
    st.builds(lambda value, at: dumped(value)[:at], OURS, st.integers(0, 60)),
    st.builds(
        lambda value, at, byte: dumped(value)[:at] + bytes([byte]) + dumped(value)[at + 1 :],
        OURS,
        st.integers(0, 60),
        st.integers(0, 255),
    ),
    st.builds(lambda value: dumped(value) + dumped(value), OURS),
    st.builds(lambda depth: b'{"question":' + b"[" * depth, st.integers(1, 3000)),
    st.builds(
        lambda value, coding: json.dumps(value).encode(coding, "replace"),
        OURS,
        st.sampled_from(["utf-16", "utf-32", "latin-1", "utf-8-sig"]),
    ),
    st.binary(max_size=200),
)


@pytest.fixture(scope="module")
def connection(service):
    """Kept, so that an answer that is left over would be found in the next one's place."""
    kept = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)
    yield kept
    kept.close()


class Asked:
    """Ids for as many requests as hypothesis makes."""

    number = 0

    @classmethod
    def next(cls):
        cls.number += 1
        return f"body-{os.getpid()}-{cls.number:06}"


def check(status, headers, content):
    """One ending, in our words."""
    assert status in (200, 400, 403, 413, 415, 422, 429), (status, content[:500])
    if status != 200:
        assert headers["content-type"] == "application/json"
        error = json.loads(content)["error"]
        assert isinstance(error["code"], str)
        assert error["request_id"] == headers["x-request-id"]
    elif headers["content-type"].startswith("text/event-stream"):
        events = Parser().feed(content)
        names = [event.name for event in events]
        if "start" in names:
            assert names.count("done") + names.count("error") == 1
        assert events[-1].data == "[DONE]"
    else:
        json.loads(content)


def send(connection, path, body, kind):
    identity = Asked.next()
    headers = {"X-Request-ID": identity, **({"Content-Type": kind} if kind else {})}
    began = time.monotonic()
    connection.request("POST", path, body, headers)
    response = connection.getresponse()
    content = response.read()
    assert time.monotonic() - began < MOST_SECONDS
    told = {name.lower(): value for name, value in response.getheaders()}
    assert told["x-request-id"] == identity
    check(response.status, told, content)


@fuzz
@given(PATHS, BODIES, TYPES)
def test_any_body_has_one_answer(connection, path, body, kind):
    send(connection, path, body, kind)


@fuzz
@given(OURS, st.sampled_from(["/chat", "/chat/stream"]))
def test_any_request_of_ours(connection, payload, path):
    send(connection, path, dumped(payload), "application/json")


@fuzz
@given(OPENAIS)
def test_any_request_of_openais(connection, payload):
    send(connection, "/v1/chat/completions", dumped(payload), "application/json")


def test_after_all_of_them_nothing_is_left(service):
    """Of the tests above, as far as they ran."""
    service.until("chat_turns_in_flight", 0)
    assert service.chat()[0] == 200
    assert not [event for event in service.events() if event["event"] == "bug"]
    started = sum(
        service.metric("chat_turns_started_total", route=route) for route in ("/chat", "/v1")
    )
    ended = sum(service.metric("chat_turns_total", route=route) for route in ("/chat", "/v1"))
    assert started == ended
