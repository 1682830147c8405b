"""What providers' clients raise, in our words."""

import json

import anthropic
import httpx
import httpx2
import ollama
import pytest
import requests
from google.api_core import exceptions as google

from service.errors import ChatError
from service.llm.failures import translate

REQUEST = httpx2.Request("POST", "http://model")
CANARY = "canary-5f3a"


def anthropics(status: int, kind: str) -> Exception:
    body = {"type": "error", "error": {"type": kind, "message": CANARY}}
    response = httpx2.Response(status, json=body, request=REQUEST, headers={"retry-after": "9"})
    return anthropic.APIStatusError(CANARY, response=response, body=body)


def googles(status: int) -> Exception:
    response = requests.Response()
    response.status_code = status
    response._content = json.dumps({"error": {"code": status, "message": CANARY}}).encode()
    response.headers["Retry-After"] = "9"
    response.request = requests.Request("POST", "http://model").prepare()
    return google.from_http_response(response)


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (anthropics(429, "rate_limit_error"), "upstream_rate_limited"),
        (anthropics(529, "overloaded_error"), "upstream_error"),
        (anthropics(200, "overloaded_error"), "upstream_error"),
        (anthropics(200, "rate_limit_error"), "upstream_rate_limited"),
        (anthropics(400, "invalid_request_error"), "upstream_invalid_request"),
        (anthropics(402, "billing_error"), "upstream_quota_exhausted"),
        (anthropics(403, "permission_error"), "upstream_rejected"),
        (anthropic.APIConnectionError(request=REQUEST), "upstream_error"),
        (anthropic.APITimeoutError(REQUEST), "upstream_timeout"),
        (ollama.ResponseError(CANARY, 404), "upstream_rejected"),
        (ollama.ResponseError(CANARY, 503), "upstream_error"),
        (ollama.ResponseError("an error was encountered while running the model"), "upstream_error"),
        (ConnectionError(CANARY), "upstream_error"),
        (httpx.ReadTimeout(CANARY), "upstream_timeout"),
        (httpx.RemoteProtocolError(CANARY), "upstream_error"),
        (httpx2.ReadError(CANARY), "upstream_error"),
        (googles(429), "upstream_rate_limited"),
        (googles(503), "upstream_error"),
        (googles(403), "upstream_rejected"),
        (caused(ValueError(CANARY), googles(400)), "upstream_invalid_request"),
        (requests.ReadTimeout(CANARY), "upstream_timeout"),
        (requests.ConnectionError(CANARY), "upstream_error"),
    ],
)  # fmt: skip
def test_a_providers_failure_is_one_of_ours(error, code):
    ours = translate(error)
    assert isinstance(ours, ChatError)
    assert ours.code == code
    assert CANARY not in f"{ours} {ours.cause} {ours.details}"


@pytest.mark.parametrize("error", [anthropics(429, "rate_limit_error"), googles(429)])
def test_the_wait_that_it_asks_for(error):
    assert translate(error).retry_after_seconds == 9


def test_ollamas_error_leaves_out_the_headers_which_are_looked_up():
    response = httpx.Response(
        429, headers={"retry-after": "9"}, request=httpx.Request("POST", "http://model")
    )
    error = ollama.ResponseError(CANARY, 429)
    error.__context__ = httpx.HTTPStatusError(CANARY, request=response.request, response=response)
    error.__suppress_context__ = True
    assert translate(error).retry_after_seconds == 9


def test_a_bug_stays_a_bug():
    assert translate(KeyError("x")).code == "internal"
