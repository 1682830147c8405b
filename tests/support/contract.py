"""The contract's table of errors, and the shape that every refusal has."""

import json
import re
from typing import Any, NamedTuple

from service import errors


class Promise(NamedTuple):
    """ending: of the turn; None where there is none."""

    status: int
    retryable: bool
    ending: str | None


TABLE = {
    "invalid_request": (400, False, "invalid"),
    "payload_too_large": (413, False, "invalid"),
    "unsupported_media_type": (415, False, "invalid"),
    "not_found": (404, False, None),
    "method_not_allowed": (405, False, None),
    "request_timeout": (408, False, "invalid"),
    "uri_too_long": (414, False, None),
    "headers_too_large": (431, False, None),
    "unauthorized": (401, False, "rejected"),
    "forbidden": (403, False, "rejected"),
    "misdirected_request": (421, False, None),
    "rate_limited": (429, True, "rejected"),
    "budget_exceeded": (429, False, "rejected"),
    "unavailable": (503, True, "rejected"),
    "overloaded": (503, True, "rejected"),
    "draining": (503, True, "drained"),
    "circuit_open": (503, True, "circuit_open"),
    "upstream_rate_limited": (429, True, "upstream_failed"),
    "upstream_quota_exhausted": (503, False, "upstream_failed"),
    "upstream_rejected": (502, False, "upstream_failed"),
    "upstream_invalid_request": (400, False, "invalid"),
    "content_filtered": (422, False, "filtered"),
    "upstream_error": (502, True, "upstream_failed"),
    "upstream_timeout": (504, True, "timed_out"),
    "answer_empty": (502, False, "upstream_failed"),
    "step_timeout": (504, True, "timed_out"),
    "dependency_failed": (502, True, "dependency_failed"),
    "chain_limit_reached": (502, False, "failed"),
    "internal": (500, False, "failed"),
}
PROMISES = {code: Promise(*row) for code, row in TABLE.items()}
ENDINGS = {
    *("completed", "invalid", "rejected", "upstream_failed", "timed_out", "circuit_open"),
    *("filtered", "disconnected", "drained", "dependency_failed", "failed"),
}
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
KINDS = tuple(
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, errors.ChatError) and hasattr(value, "code")
)
MESSAGES = {kind.code: kind.message for kind in KINDS}


def check_problem(
    code: str, status: int, headers: dict[str, str], body: bytes | dict[str, Any]
) -> dict[str, Any]:
    """The error, once everything about it is as promised for this code."""
    told = json.loads(body) if isinstance(body, bytes) else body
    assert status == PROMISES[code].status, told
    assert headers["content-type"] == "application/json"
    assert headers["x-content-type-options"] == "nosniff"
    assert told.keys() == {"error"}
    error = check_error(code, told["error"])
    assert headers["x-request-id"] == error["request_id"]
    waits = re.fullmatch("[0-9]+", headers.get("retry-after", ""))
    assert bool(waits) == (status in (429, 503))
    return error


def check_error(code: str, error: dict[str, Any]) -> dict[str, Any]:
    """An error's fields, in a response and in an `error` event alike."""
    assert error["code"] == code, error
    assert error.keys() - {"details"} == {"code", "message", "request_id", "retryable"}
    assert error["message"] == MESSAGES[code]
    assert error["retryable"] is PROMISES[code].retryable
    assert REQUEST_ID.fullmatch(error["request_id"])
    for detail in error.get("details", ()):
        assert detail.keys() == {"field", "reason"}
        assert all(isinstance(text, str) for text in detail.values())
    return dict(error)
