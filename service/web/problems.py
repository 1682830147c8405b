"""Errors as responses."""

import json
import math

from flask import Response

from service.errors import ChatError
from service.web.error_body import error_body


def response(error: ChatError, request_id: str) -> Response:
    answer = Response(
        json.dumps({"error": error_body(error, request_id)}),
        error.status,
        mimetype="application/json",
    )
    if error.status in (429, 503):
        seconds = error.retry_after_seconds
        if seconds is None:
            seconds = error.default_retry_after_seconds
        answer.headers["Retry-After"] = str(max(1, math.ceil(seconds or 1)))
    return answer
