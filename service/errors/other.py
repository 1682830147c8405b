"""Errors outside of a turn, and bugs."""

from service.errors.base import ChatError


class NotFound(ChatError):
    code = "not_found"
    status = 404
    message = "Not found."


class MethodNotAllowed(ChatError):
    code = "method_not_allowed"
    status = 405
    message = "Method not allowed."


class UriTooLong(ChatError):
    code = "uri_too_long"
    status = 414
    message = "The request's URL is too long."


class HeadersTooLarge(ChatError):
    code = "headers_too_large"
    status = 431
    message = "The request's headers are too large."


class MisdirectedRequest(ChatError):
    code = "misdirected_request"
    status = 421
    message = "This service does not answer under this host name."


class Internal(ChatError):
    code = "internal"
    status = 500
    message = "The service ran into an error. Please quote the request ID when you report this."


# the errors of requests that never become a turn


NO_TURN = (NotFound, MethodNotAllowed, UriTooLong, HeadersTooLarge, MisdirectedRequest)
