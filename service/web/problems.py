"""Errors as responses."""

import json
import math

from flask import Response

from service.errors import ChatError, Unauthorized
from service.web.error_body import error_body

NO_KEY = "no_key"


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
        if not error.retryable:
            # OpenAI's clients would retry twice
            answer.headers["x-should-retry"] = "false"
    if isinstance(error, Unauthorized):
        # RFC 6750: no error attribute if no key was sent
        problem = "" if error.cause == NO_KEY else ' error="invalid_token"'
        answer.headers["WWW-Authenticate"] = f"Bearer{problem}"
    return answer
