"""An error as JSON: in a response, in an `error` event, or when gunicorn's worker refuses a request."""

from typing import Any

from service.errors import ChatError


def error_body(error: ChatError, request_id: str) -> dict[str, Any]:
    """Contains only the error code's fixed sentence and the names of fields."""
    body: dict[str, Any] = {
        "code": error.code,
        "message": error.message,
        "request_id": request_id,
        "retryable": error.retryable,
    }
    if error.details:
        body["details"] = [
            {"field": detail.field, "reason": detail.reason} for detail in error.details
        ]
    return body
