"""Which other pages may call the service: those of CORS_ORIGINS, on every answer, and nobody by default."""

import json

import pytest

from tests.support.contract import check_problem
from tests.support.service import Service
from tests.support.simulator import directive

JSON = {"Content-Type": "application/json"}
OK = '{"question": "hi"}'
ALLOWED = [
    "https://app.example.com",
    "http://localhost:5500",
    "http://127.0.0.1:5500",
    "http://[::1]:5500",
]
REFUSED = [
    *("https://evil.example", "null", "*", "", "https://example.com", "https://app.example.com."),
    # another scheme, port, or depth of the same name
    *("http://app.example.com", "https://app.example.com:8443", "https://www.app.example.com"),
    *("http://localhost", "http://localhost:5501", "https://localhost:5500"),
    # what a pattern would let through
    *(
        "https://appXexample.com",
        "https://app.example.com.evil.example",
        "https://evilapp.example.com",
    ),
    *("https://evil.example/https://app.example.com", "https://app.example.com@evil.example"),
    *(
        "http://127a0b0c1:5500",
        "https://app.example.com https://evil.example",
        "http://[::1]:55001",
    ),
    "https://app.example.com,http://localhost:5500",
]
LIMITS = ("limit", "remaining", "reset")
EXPOSED = {
    *("X-Request-ID", "Retry-After", "retry-after-ms", "x-should-retry"),
    *(f"x-ratelimit-{figure}-{what}" for figure in LIMITS for what in ("requests", "tokens")),
}


@pytest.fixture(scope="module")
def open_to_some(_simulator):
    with Service(
        _simulator.base_url,
        # browsers write host names in lower case, people do not
        CORS_ORIGINS=" , ".join(ALLOWED).replace("app.example.com", "App.Example.com"),
        RETRY_ATTEMPTS=1,
        BREAKER_FAILURES=1_000_000,
    ) as running:
        yield running


def granted(headers):
    return {name: value for name, value in headers.items() if name.startswith("access-control-")}


def ask(service, origin, path="/chat", method="POST", body=OK, **headers):
    return service.request(method, path, body, {**JSON, "Origin": origin, **headers})


def preflight(service, origin, method="POST", asked="content-type"):
    headers = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": asked}
    return ask(service, origin, method="OPTIONS", body=None, **headers)


@pytest.mark.parametrize("path", ["/chat", "/chat/stream"])
@pytest.mark.parametrize("origin", ALLOWED)
def test_an_allowed_page_may_read_the_answer(open_to_some, origin, path):
    status, headers, _ = ask(open_to_some, origin, path)
    assert status == 200
    assert headers["access-control-allow-origin"] == origin
    exposed = {name.strip() for name in headers["access-control-expose-headers"].split(",")}
    assert exposed == EXPOSED
    assert "Origin" in headers["vary"]
    assert "access-control-allow-credentials" not in headers


@pytest.mark.parametrize("origin", ALLOWED)
def test_an_allowed_page_may_ask_in_json_and_with_ids(open_to_some, origin):
    ids = "content-type, authorization, x-request-id, x-user-id, x-session-id"
    status, headers, _ = preflight(open_to_some, origin, asked=ids)
    assert status == 200
    assert headers["access-control-allow-origin"] == origin
    methods = {name.strip() for name in headers["access-control-allow-methods"].split(",")}
    assert methods == {"GET", "POST", "OPTIONS"}
    allowed = {name.strip() for name in headers["access-control-allow-headers"].lower().split(",")}
    assert allowed == set(ids.split(", "))
    assert int(headers["access-control-max-age"]) > 0
    assert "access-control-allow-credentials" not in headers


@pytest.mark.parametrize("header", ["cookie", "x-api-key", "x-forwarded-for"])
def test_no_other_header_may_be_sent(open_to_some, header):
    _, headers, _ = preflight(open_to_some, ALLOWED[0], asked=f"content-type, {header}")
    assert header not in headers["access-control-allow-headers"].lower()


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "BREW"])
def test_no_other_method_may_be_used(open_to_some, method):
    _, headers, _ = preflight(open_to_some, ALLOWED[0], method=method)
    assert method not in headers.get("access-control-allow-methods", "")


@pytest.mark.parametrize("origin", REFUSED)
def test_any_other_page_is_told_nothing(open_to_some, origin):
    status, headers, _ = ask(open_to_some, origin)
    assert status == 200  # it is the browser that keeps the answer from the page
    assert granted(headers) == {}
    assert granted(preflight(open_to_some, origin)[1]) == {}


def test_a_request_of_no_page_is_answered(open_to_some):
    status, headers, _ = open_to_some.request("POST", "/chat", OK, JSON)
    assert status == 200
    assert granted(headers) == {}


@pytest.mark.parametrize(
    ("code", "path", "method", "body", "headers"),
    [
        ("invalid_request", "/chat", "POST", "{", {}),
        ("payload_too_large", "/chat/stream", "POST", " " * 300_000, {}),
        ("unsupported_media_type", "/chat", "POST", OK, {"Content-Type": "text/plain"}),
        ("not_found", "/nope", "POST", OK, {}),
        ("method_not_allowed", "/chat", "DELETE", None, {}),
        *(
            (code, path, "POST", json.dumps({"question": directive(**order)}), {})
            for path in ("/chat", "/chat/stream")
            for code, order in (
                ("upstream_rate_limited", {"fault": "status", "status": 429, "retry_after": 7}),
                ("upstream_rejected", {"fault": "status", "status": 401}),
                ("upstream_error", {"fault": "reset-before"}),
                ("content_filtered", {"fault": "content-filter"}),
            )
        ),
    ],
)
def test_a_page_may_read_why_it_failed(open_to_some, code, path, method, body, headers):
    answer = ask(open_to_some, ALLOWED[0], path, method, body, **headers)
    check_problem(code, *answer)
    assert answer[1]["access-control-allow-origin"] == ALLOWED[0]
    assert "X-Request-ID" in answer[1]["access-control-expose-headers"]
    assert granted(ask(open_to_some, REFUSED[0], path, method, body, **headers)[1]) == {}


@pytest.mark.parametrize("origin", [*ALLOWED, *REFUSED])
def test_by_default_no_page_may(service, origin):
    status, headers, _ = ask(service, origin)
    assert status == 200
    assert granted(headers) == {}
    assert granted(preflight(service, origin)[1]) == {}
