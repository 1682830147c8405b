"""What is no proper request: a 4xx in the contract's words, one turn that ended `invalid`, and nothing for the LLM."""

import gzip
import http.client
import json
import uuid

import pytest

from tests.support.contract import check_problem

JSON = {"Content-Type": "application/json"}
ROUTES = ["/chat", "/chat/stream"]
ASKED = {"role": "user", "content": "hi"}
OK = b'{"question": "hi"}'


def with_field(name, text):
    """A good request with one more field, its value as JSON text."""
    return f'{{"question": "hi", "{name}": {text}}}'.encode()


INVALID = {
    # what is no JSON in UTF-8
    "nothing": b"",
    "blank": b" \n",
    "garbage": b"\x00\x01\x02\xff",
    "cut": b'{"question": "hi"',
    "trailing-comma": b'{"question": "hi",}',
    "trailing-text": OK + b" x",
    "two-values": OK + OK,
    "single-quotes": b"{'question': 'hi'}",
    "comment": b'{"question": "hi" /* x */}',
    "form": b"question=hi",
    "newline-in-string": b'{"question": "a\nb"}',
    "bad-escape": b'{"question": "\\x41"}',
    "lone-high-surrogate": b'{"question": "\\ud800"}',
    "lone-low-surrogate": b'{"question": "\\udc00 hi"}',
    "surrogate-in-name": b'{"question": "hi", "\\ud800": 1}',
    "invalid-utf8": b'{"question": "\xff\xfe"}',
    "surrogate-in-utf8": b'{"question": "\xed\xa0\x80"}',
    "latin-1": '{"question": "é"}'.encode("latin-1"),
    "utf-16": '{"question": "hi"}'.encode("utf-16"),
    "byte-order-mark": b"\xef\xbb\xbf" + OK,
    "gzip": gzip.compress(OK),
    "deep-list": b"[" * 200_000,
    "deep-object": b'{"question":' * 20_000,
    "deep-and-closed": b'{"question": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "nan": with_field("temperature", "NaN"),
    "infinity": with_field("temperature", "Infinity"),
    "minus-infinity": with_field("temperature", "-Infinity"),
    "too-large-float": with_field("temperature", "1e400"),
    "leading-zero": with_field("max_tokens", "01"),
    # what is no object
    "null": b"null",
    "number": b"1",
    "string": b'"question"',
    "true": b"true",
    "list": b"[]",
    "list-of-requests": b"[" + OK + b"]",
    # question
    "no-question": b"{}",
    "question-null": b'{"question": null}',
    "question-number": b'{"question": 1}',
    "question-true": b'{"question": true}',
    "question-list": b'{"question": ["hi"]}',
    "question-object": b'{"question": {"text": "hi"}}',
    "question-empty": b'{"question": ""}',
    "question-blank": b'{"question": " \\n\\t\\u00a0\\u2003"}',
    # system
    "system-number": with_field("system", "1"),
    "system-false": with_field("system", "false"),
    "system-list": with_field("system", '["x"]'),
    # history
    "history-object": with_field("history", "{}"),
    "history-string": with_field("history", '"hi"'),
    "history-of-strings": with_field("history", '["hi"]'),
    "history-of-lists": with_field("history", '[["user", "hi"]]'),
    "history-without-role": with_field("history", '[{"content": "hi"}]'),
    "history-without-content": with_field("history", '[{"role": "user"}]'),
    "history-role-system": with_field("history", '[{"role": "system", "content": "hi"}]'),
    "history-role-tool": with_field("history", '[{"role": "tool", "content": "hi"}]'),
    "history-role-upper": with_field("history", '[{"role": "User", "content": "hi"}]'),
    "history-content-null": with_field("history", '[{"role": "user", "content": null}]'),
    "history-content-parts": with_field(
        "history", '[{"role": "user", "content": [{"text": "x"}]}]'
    ),
    "history-unknown-field": with_field(
        "history", '[{"role": "user", "content": "x", "name": "y"}]'
    ),
    "history-of-many-mistakes": with_field("history", f"[{','.join(['{}'] * 80_000)}]"),
    # model
    "model-unknown": with_field("model", '"gpt-4o"'),
    "model-empty": with_field("model", '""'),
    "model-other-case": with_field("model", '"SIM"'),
    "model-path": with_field("model", '"../sim"'),
    "model-with-directive": with_field("model", '"sim:tokens=1000000"'),
    "model-number": with_field("model", "1"),
    # temperature
    "temperature-below": with_field("temperature", "-0.1"),
    "temperature-above": with_field("temperature", "2.1"),
    "temperature-string": with_field("temperature", '"1"'),
    "temperature-true": with_field("temperature", "true"),
    "temperature-list": with_field("temperature", "[1]"),
    # max_tokens
    "max-tokens-zero": with_field("max_tokens", "0"),
    "max-tokens-below": with_field("max_tokens", "-1"),
    "max-tokens-above-the-cap": with_field("max_tokens", "4097"),
    "max-tokens-huge": with_field("max_tokens", "1" + "0" * 40),
    "max-tokens-float": with_field("max_tokens", "5.5"),
    "max-tokens-zero-as-a-float": with_field("max_tokens", "0.0"),
    "max-tokens-true": with_field("max_tokens", "true"),
    "max-tokens-string": with_field("max_tokens", '"5"'),
    # what no caller may say
    "base-url": with_field("base_url", '"http://169.254.169.254/"'),
    "api-key": with_field("api_key", '"sk-x"'),
    "messages": with_field("messages", "[]"),
    "stream": with_field("stream", "true"),
    "tools": with_field("tools", "[]"),
    "extra-headers": with_field("extra_headers", "{}"),
    "constructor": with_field("__class__", '"x"'),
    "empty-name": with_field("", "1"),
    "many-unknown-fields": b"{" + b",".join(b'"%d": 1' % n for n in range(20_000)) + b"}",
}
TOO_LARGE = {
    "question": with_field("system", '"x"').replace(b'"hi"', b'"%s"' % (b"x" * 32_001)),
    "question-in-code-points": json.dumps({"question": "한" * 32_001}).encode(),
    "system": with_field("system", f'"{"x" * 8001}"'),
    "history-messages": with_field("history", json.dumps([ASKED] * 101)),
    "history-characters": with_field(
        "history", json.dumps([{**ASKED, "content": "x" * 1001}] * 100)
    ),
    "body": with_field("system", f'"{"x" * 262_144}"'),
    "body-of-blanks": OK + b" " * 262_144,
    "body-of-a-megabyte": b"[" * 1_000_000,
}
WRONG_TYPE = {
    "none": {},
    "empty": {"Content-Type": ""},
    "text": {"Content-Type": "text/plain"},
    "form": {"Content-Type": "application/x-www-form-urlencoded"},
    "multipart": {"Content-Type": "multipart/form-data; boundary=x"},
    "almost-json": {"Content-Type": "application/jsonp"},
    "json-in-a-list": {"Content-Type": "text/plain, application/json"},
    "json-suffix": {"Content-Type": "application/problem+json"},
    "latin-1": {"Content-Type": "application/json; charset=latin-1"},
    "utf-16": {"Content-Type": 'application/json; charset="utf-16"'},
    "gzip": {**JSON, "Content-Encoding": "gzip"},
    "br": {**JSON, "Content-Encoding": "br"},
    "gzip-twice": {**JSON, "Content-Encoding": "gzip, gzip"},
    "gzip-bomb": {**JSON, "Content-Encoding": "deflate"},
}
CASES = [
    *((name, "invalid_request", JSON, body) for name, body in INVALID.items()),
    *((name, "payload_too_large", JSON, body) for name, body in TOO_LARGE.items()),
    *((name, "unsupported_media_type", headers, OK) for name, headers in WRONG_TYPE.items()),
]


def chunked(body, size=10_000):
    return (body[at : at + size] for at in range(0, len(body), size))


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    ("code", "headers", "body"), [pytest.param(*c[1:], id=f"{c[1]}-{c[0]}") for c in CASES]
)
def test_a_bad_request_is_refused(service, simulator, route, code, headers, body):
    request_id = uuid.uuid4().hex
    answer = service.request("POST", route, body, {**headers, "X-Request-ID": request_id})
    error = check_problem(code, *answer)
    assert error["request_id"] == request_id
    assert "retry-after" not in answer[1]
    turn = service.turn(request_id)
    assert (turn["route"], turn["ending"], turn["code"]) == (route, "invalid", code)
    assert turn["attempts"] == []
    assert simulator.stats()["requests"] == 0


@pytest.mark.parametrize("route", ROUTES)
def test_every_bad_request_is_counted_once_and_takes_nothing(service, simulator, route):
    started, ended = ("chat_turns_started_total", {}), ("chat_turns_total", {"ending": "invalid"})
    counters = (started, ended, ("chat_turns_total", {}))
    before = [service.metric(name, route=route, **labels) for name, labels in counters]
    for _, _, headers, body in CASES:
        service.request("POST", route, body, headers)
    after = [service.metric(name, route=route, **labels) for name, labels in counters]
    assert [now - then for now, then in zip(after, before, strict=True)] == [len(CASES)] * 3
    assert service.metric("chat_turns_in_flight") == 0
    assert simulator.stats()["requests"] == 0


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (TOO_LARGE["body"], "payload_too_large"),
        (TOO_LARGE["body-of-blanks"], "payload_too_large"),
        (TOO_LARGE["body-of-a-megabyte"], "payload_too_large"),
        (TOO_LARGE["question"], "payload_too_large"),
        (b"{", "invalid_request"),
        (b"", "invalid_request"),
    ],
    ids=["body", "blanks", "megabyte", "question", "cut", "nothing"],
)
def test_a_chunked_body_is_judged_alike(service, simulator, route, body, code):
    """A body cut in silence at its limit would be malformed, not too large."""
    check_problem(code, *service.request("POST", route, chunked(body), JSON))
    assert simulator.stats()["requests"] == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"question": "한" * 32_000},
        {"system": "😀" * 8000},
        {"history": [ASKED] * 100},
        {"history": [{**ASKED, "content": "x" * 1000}] * 100},
        {"temperature": 0},
        {"temperature": 2},
        {"max_tokens": 1},
        {"max_tokens": 4096},
        {"max_tokens": 4096.0},
        {"model": "sim"},
        {"system": None, "model": None, "temperature": None, "max_tokens": None},
    ],
    ids="-".join,
)
def test_a_request_at_its_limits_is_answered(service, fields):
    assert service.chat(**fields)[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/json; charset=utf-8"},
        {"Content-Type": 'Application/JSON; Charset="UTF-8"'},
        {**JSON, "Content-Encoding": "identity"},
    ],
)
def test_json_by_its_other_names_is_answered(service, headers):
    assert service.request("POST", "/chat", OK, headers)[0] == 200


def test_a_connection_lives_on_after_a_refusal(service):
    """What was not read of a refused body is not the next request."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
    statuses = []
    for body, headers in (
        (OK, {}),
        (TOO_LARGE["body"], JSON),
        (OK, {"Content-Type": "text/plain"}),
        (OK, JSON),
    ):
        connection.request("POST", "/chat", body, headers)
        response = connection.getresponse()
        statuses.append(response.status)
        response.read()
    connection.close()
    assert statuses == [415, 413, 415, 200]
