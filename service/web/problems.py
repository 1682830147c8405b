"""Errors, told to a caller: as a response, and as the body of an `error` event."""

import json
from typing import Any

from flask import Response

from service.errors import ChatError


def body(error: ChatError, request_id: str) -> dict[str, Any]:
    """The fixed sentence of the error's code; nothing else but the names of fields."""
    told: dict[str, Any] = {
        "code": error.code,
        "message": error.message,
        "request_id": request_id,
        "retryable": error.retryable,
    }
    if error.details:
        told["details"] = [
            {"field": detail.field, "reason": detail.reason} for detail in error.details
        ]
    return told


def response(error: ChatError, request_id: str) -> Response:
    answer = Response(
        json.dumps({"error": body(error, request_id)}),
        error.status,
        mimetype="application/json",
    )
    if error.status in (429, 503):
        told = error.retry_after_seconds
        seconds = error.default_retry_after_seconds if told is None else told
        answer.headers["Retry-After"] = str(seconds or 1)
    return answer
