"""What the LLM's client raises, and what it is to us."""

import errno
import json
import socket
from collections.abc import Callable

import httpx2
import openai
import pytest

from service import errors
from service.llm.failures import translate

CANARY = "canary-5f3a"
REQUEST = httpx2.Request("POST", "http://upstream.test/v1/chat/completions")


def refusal(status: int, code: str | None = None, **headers: str) -> openai.APIStatusError:
    body = {"code": code, "message": CANARY}
    response = httpx2.Response(status, headers=headers, request=REQUEST, json={"error": body})
    return openai.APIStatusError(CANARY, response=response, body=body)


def in_band(code: str | None = None) -> openai.APIError:
    return openai.APIError(CANARY, REQUEST, body={"code": code, "message": CANARY})


def caused(error: Exception, *causes: Exception) -> Exception:
    """The error, with a chain of causes, the root last."""
    link = error
    for cause in causes:
        link.__cause__ = cause
        link = cause
    return error


def raised(raiser: Callable[[], object]) -> Exception:
    """What a call raises, with its trace."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it is
        raiser()
    return caught.value


def raised_in(error: Exception, *modules: str) -> Exception:
    """The error as if raised in the last of these modules, which the others called."""

    def innermost() -> None:
        raise error

    call = innermost
    for module in reversed(modules):
        namespace = {"__name__": module, "inner": call}
        exec("def call(): inner()", namespace)
        call = namespace["call"]
    return raised(call)


STATUSES = [
    (400, None, errors.UpstreamInvalidRequest),
    (400, "context_length_exceeded", errors.UpstreamInvalidRequest),
    (400, "content_filter", errors.ContentFiltered),
    (400, "content_policy_violation", errors.ContentFiltered),
    (401, "invalid_api_key", errors.UpstreamRejected),
    (403, None, errors.UpstreamRejected),
    (404, "model_not_found", errors.UpstreamRejected),
    (408, None, errors.UpstreamError),
    (409, None, errors.UpstreamError),
    (413, None, errors.UpstreamInvalidRequest),
    (414, None, errors.UpstreamInvalidRequest),
    (418, None, errors.UpstreamRejected),
    (422, None, errors.UpstreamInvalidRequest),
    (429, "rate_limit_exceeded", errors.UpstreamRateLimited),
    (402, None, errors.UpstreamQuotaExhausted),
    (429, "insufficient_quota", errors.UpstreamQuotaExhausted),
    (500, None, errors.UpstreamError),
    (502, None, errors.UpstreamError),
    (503, None, errors.UpstreamError),
    (529, "overloaded", errors.UpstreamError),
]


@pytest.mark.parametrize(("status", "code", "kind"), STATUSES)
def test_a_refusal_is_told_by_status_and_code(status, code, kind):
    ours = translate(refusal(status, code))
    assert isinstance(ours, kind)
    assert ours.code == kind.code
    assert ours.cause.startswith(f"HTTP {status}")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        ("0", 0),
        ("1.2", 1.2),
        ("-3", 0),
        ("999999", 3600),
        ("inf", None),
        ("nan", None),
        ("soon", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
    ],
)
def test_retry_after_is_seconds_or_unknown(header, seconds):
    for status in (429, 503):
        ours = translate(refusal(status, **{"Retry-After": header}))
        assert ours.retry_after_seconds == seconds or (
            seconds is None and ours.retry_after_seconds == ours.default_retry_after_seconds
        )


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("content_filter", errors.ContentFiltered),
        ("rate_limit_exceeded", errors.UpstreamRateLimited),
        ("server_error", errors.UpstreamError),
        (None, errors.UpstreamError),
    ],
)
def test_an_error_within_the_stream_is_told_by_its_code(code, kind):
    ours = translate(in_band(code))
    assert (ours.code, ours.cause) == (kind.code, "in-band error")


def test_a_connection_that_fails_is_named_by_its_root():
    error = caused(
        openai.APIConnectionError(message=CANARY, request=REQUEST),
        httpx2.ConnectError(CANARY),
        ConnectionRefusedError(errno.ECONNREFUSED, CANARY),
    )
    ours = translate(error)
    assert (ours.code, ours.cause) == ("upstream_error", "Connection refused")


def test_a_host_that_is_not_found_is_said_in_words():
    error = caused(httpx2.ConnectError(CANARY), socket.gaierror(socket.EAI_AGAIN, CANARY))
    assert translate(error).cause == "the host name cannot be resolved"


def test_a_socket_that_stays_silent_is_a_timeout():
    error = caused(openai.APITimeoutError(REQUEST), httpx2.ReadTimeout(CANARY))
    ours = translate(error)
    assert (ours.code, ours.cause) == ("upstream_timeout", "socket: ReadTimeout")


def test_a_full_connection_pool_is_our_own_overload():
    error = caused(openai.APITimeoutError(REQUEST), httpx2.PoolTimeout(CANARY))
    assert translate(error).code == "overloaded"


def test_a_cycle_of_causes_comes_to_an_end():
    first, second = openai.APIConnectionError(message="", request=REQUEST), OSError()
    first.__cause__, second.__cause__ = second, first
    assert translate(first).code == "upstream_error"


def test_our_own_errors_pass():
    error = errors.Draining()
    assert translate(error) is error


READER = "langchain_openai.chat_models.base"


@pytest.mark.parametrize(
    ("error", "modules"),
    [
        (ValueError(CANARY), ("langchain_core.runnables.base", READER)),
        (ValueError(CANARY), (READER, "openai._streaming")),
        (AttributeError(CANARY), (READER,)),
        (TypeError(CANARY), (READER,)),
        (KeyError(CANARY), (READER,)),
        (ValueError(CANARY), (READER, "langchain_core.messages.base", "pydantic.main")),
    ],
)
def test_what_the_client_trips_over_while_reading_is_a_malformed_answer(error, modules):
    ours = translate(raised_in(error, *modules))
    assert (ours.code, ours.cause) == ("upstream_error", f"malformed: {type(error).__name__}")


def test_broken_json_is_a_malformed_answer():
    ours = translate(raised(lambda: json.loads("{")))
    assert (ours.code, ours.cause) == ("upstream_error", "malformed: JSONDecodeError")


@pytest.mark.parametrize(
    ("error", "modules"),
    [
        (ValueError(CANARY), ("service.llm.chain",)),
        (KeyError(CANARY), ("langchain_core.runnables.base", "langchain_core.prompts.base")),
        (TypeError(CANARY), (READER, "openai._utils._utils")),
        (TypeError(CANARY), (READER, "openai.resources.chat.completions")),
        (RuntimeError(CANARY), (READER,)),
        (ZeroDivisionError(), ()),
    ],
)
def test_anything_else_is_a_bug_and_keeps_its_trace(error, modules):
    ours = translate(raised_in(error, *modules))
    assert (ours.code, ours.cause) == ("internal", type(error).__name__)
    assert ours.__cause__ is error


def test_no_text_of_a_library_is_in_our_error():
    foreign = [
        *(refusal(status, code) for status, code, _ in STATUSES),
        in_band("content_filter"),
        in_band(),
        caused(openai.APIConnectionError(message=CANARY, request=REQUEST), OSError(CANARY)),
        caused(openai.APITimeoutError(REQUEST), httpx2.ReadTimeout(CANARY)),
        raised_in(ValueError(CANARY), READER),
        raised_in(ValueError(CANARY), "service.llm.chain"),
    ]
    for error in foreign:
        ours = translate(error)
        told = [str(ours), repr(ours), ours.message, ours.cause, ours.details]
        assert CANARY not in repr(told), error
