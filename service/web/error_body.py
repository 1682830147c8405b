"""An error as JSON, wherever a caller meets it: in a response, an `error` event, or what gunicorn's worker refuses."""

from typing import Any

from service.errors import ChatError


def error_body(error: ChatError, request_id: str) -> dict[str, Any]:
    """The fixed sentence of the error's code; nothing else but the names of fields."""
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
