"""Errors as a caller sees them: the contract's JSON, and nothing of what caused them."""

import pytest

from service import errors
from service.web import problems
from service.web.error_body import error_body
from tests.support.contract import KINDS

REQUEST_ID = "request-7"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_problem_has_the_contracts_shape(kind):
    answer = problems.response(kind(cause="canary"), REQUEST_ID)
    assert answer.status_code == kind.status
    assert answer.mimetype == "application/json"
    assert answer.get_json() == {
        "error": {
            "code": kind.code,
            "message": kind.message,
            "request_id": REQUEST_ID,
            "retryable": kind.retryable,
        }
    }


def test_details_name_fields_and_reasons():
    error = errors.InvalidRequest(details=(errors.Detail("history.0.role", "is required"),))
    assert error_body(error, REQUEST_ID)["details"] == [
        {"field": "history.0.role", "reason": "is required"}
    ]


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (errors.UpstreamRateLimited(retry_after_seconds=7), "7"),
        (errors.UpstreamRateLimited(), "5"),
        (errors.UpstreamRateLimited(retry_after_seconds=0), "1"),
        (errors.RateLimited(), "1"),
        (errors.Overloaded(), "2"),
        (errors.CircuitOpen(retry_after_seconds=9), "9"),
        (errors.Draining(), "1"),
        (errors.UpstreamError(retry_after_seconds=7), None),
        (errors.Internal(), None),
    ],
)
def test_retry_after_is_told_in_whole_seconds_on_429_and_503(error, seconds):
    assert problems.response(error, REQUEST_ID).headers.get("Retry-After") == seconds


def test_text_of_any_kind_stays_ascii_on_the_wire():
    answer = problems.response(errors.InvalidRequest(details=(errors.Detail("필드", "😀"),)), "r")
    assert answer.data.isascii()
    assert answer.get_json()["error"]["details"] == [{"field": "필드", "reason": "😀"}]
