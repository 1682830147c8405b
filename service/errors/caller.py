"""Refusals before a model is called: the caller's mistakes, and our own limits."""

from typing import ClassVar

from service.errors.base import ChatError, Ending, ErrorCode


class InvalidRequest(ChatError):
    code: ClassVar[ErrorCode] = "invalid_request"
    status = 400
    ending = "invalid"
    message = "The request is not valid."


class PayloadTooLarge(InvalidRequest):
    code = "payload_too_large"
    status = 413
    message = "The request is larger than this service accepts."


class UnsupportedMediaType(InvalidRequest):
    code = "unsupported_media_type"
    status = 415
    message = "Send the request as uncompressed UTF-8 JSON with Content-Type: application/json."


class RequestTimeout(InvalidRequest):
    code = "request_timeout"
    status = 408
    message = "The request did not arrive in time."


class Unauthorized(ChatError):
    """cause: no_key, or what is wrong with the key."""

    code = "unauthorized"
    status = 401
    ending = "rejected"
    message = "A valid API key is required."


class Forbidden(ChatError):
    code = "forbidden"
    status = 403
    ending = "rejected"
    message = "This API key is not allowed to make this request."


class Rejected(ChatError):
    ending: ClassVar[Ending] = "rejected"
    retryable = True


class RateLimited(Rejected):
    code = "rate_limited"
    status = 429
    message = "Too many requests. Please slow down."
    default_retry_after_seconds = 1


class BudgetExceeded(Rejected):
    code = "budget_exceeded"
    status = 429
    retryable = False
    message = "The budget of this API key is used up."
    default_retry_after_seconds = 3600


class Unavailable(Rejected):
    """nginx sends the same error if it finds no replica."""

    code = "unavailable"
    status = 503
    message = "The service is unavailable right now. Please try again."
    default_retry_after_seconds = 2


class Overloaded(Rejected):
    code = "overloaded"
    status = 503
    message = "The service is at capacity right now. Please try again in a moment."
    default_retry_after_seconds = 2


class CircuitOpen(Rejected):
    code = "circuit_open"
    status = 503
    ending = "circuit_open"
    message = (
        "The language model has been failing, so calls to it are paused. Please try again shortly."
    )
    default_retry_after_seconds = 15


class Draining(Rejected):
    code = "draining"
    status = 503
    ending = "drained"
    message = "The service is restarting. Please try again."
    default_retry_after_seconds = 1
