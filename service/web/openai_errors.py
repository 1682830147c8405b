"""Our errors in OpenAI's format, with the codes that its clients act on."""

from typing import Any

from flask import Response

from service.errors import (
    ChainFailure,
    ChatError,
    ContextTooLong,
    InvalidRequest,
    Rejected,
)
from service.web import json_text, problems

CODES = {
    "content_filtered": "content_filter",
    "rate_limited": "rate_limit_exceeded",
    "upstream_rate_limited": "rate_limit_exceeded",
    "budget_exceeded": "insufficient_quota",
    "upstream_quota_exhausted": "insufficient_quota",
    "unauthorized": "invalid_api_key",
}
TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
MODEL = "model"


def body(error: ChatError, request_id: str) -> dict[str, Any]:
    """type, code and message are always strings, because clients check that."""
    status, code = _status_and_code(error)
    kind = TYPES.get(status) or ("server_error" if status >= 500 else "invalid_request_error")
    return {
        "message": _message(error),
        "type": kind,
        "param": error.details[0].field or None if error.details else None,
        "code": code,
        "request_id": request_id,
    }


def response(error: ChatError, request_id: str) -> Response:
    answer = problems.response(error, request_id)
    answer.status_code = _status_and_code(error)[0]
    answer.data = json_text.dumps({"error": body(error, request_id)})
    answer.headers["x-should-retry"] = "true" if _worth_asking_again(error) else "false"
    return answer


def _status_and_code(error: ChatError) -> tuple[int, str]:
    if isinstance(error, ContextTooLong):
        return error.status, "context_length_exceeded"
    if isinstance(error, InvalidRequest) and error.details and error.details[0].field == MODEL:
        return 404, "model_not_found"
    return error.status, CODES.get(error.code, error.code)


def _message(error: ChatError) -> str:
    """The fixed sentence, and the parameter it is about."""
    about = [f"{detail.field} {detail.reason}".strip() for detail in error.details]
    return f"{error.message} ({'; '.join(about)})" if about else error.message


def _worth_asking_again(error: ChatError) -> bool:
    """Whether the client should retry. Not if we have retried: the client's attempts would multiply ours."""
    return error.retryable and isinstance(error, Rejected | ChainFailure)
