"""The Flask application: routes, ids, cross-origin rules, and the only place where errors become responses."""

import re
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from flask import Blueprint, Flask, Response, g, request
from flask_cors import CORS
from werkzeug.exceptions import HTTPException

from service import errors
from service.web import context, hosts, openai_errors, problems

STATUS_ERRORS = {
    kind.status: kind
    for kind in (
        errors.InvalidRequest,
        errors.NotFound,
        errors.MethodNotAllowed,
        errors.PayloadTooLarge,
        errors.UnsupportedMediaType,
    )
}
# headers that OpenAI's libraries send from a browser, and our own
OPENAI_HEADERS = (
    "User-Agent",
    "X-Hold-Answer",
    "X-Chat-Events",
    r"x-stainless-.*",
    r"openai-.*",
)
# what pages of other origins may do; `make fix` copies it to nginx, which answers preflights
CORS_METHODS = ("GET", "POST", "OPTIONS")
CORS_HEADERS = ("Content-Type", "Authorization", *context.ID_HEADERS, *OPENAI_HEADERS)
CORS_EXPOSED = (
    "X-Request-ID",
    "Retry-After",
    "retry-after-ms",
    "x-should-retry",
    *(
        f"x-ratelimit-{figure}-{what}"
        for figure in ("limit", "remaining", "reset")
        for what in ("requests", "tokens")
    ),
)
PREFLIGHT_SECONDS = 600
Bug = Callable[[str, traceback.TracebackException], None]


def build(
    blueprints: Sequence[Blueprint],
    cors_origins: Sequence[str],
    allowed_hosts: Sequence[str],
    send_timeout_seconds: float,
    report_bug: Bug,
) -> Flask:
    site = Flask("chat", static_folder=str(Path(__file__).parent / "static"))
    # a double slash would cause a redirect to the host in the Host header
    site.url_map.merge_slashes = False

    @site.before_request
    def enter() -> None:
        asked = context.request()
        context.opened(asked, send_timeout_seconds)
        hosts.check(asked, allowed_hosts)

    for routes in blueprints:
        site.register_blueprint(routes)
    site.register_error_handler(HTTPException, _refuse)
    site.register_error_handler(errors.ChatError, _problem)
    site.register_error_handler(Exception, lambda bug: _fail(bug, report_bug))
    site.after_request(context.closed)
    if cors_origins:
        _allow(site, cors_origins)
    return site


def _allow(site: Flask, origins: Sequence[str]) -> None:
    CORS(
        site,
        # flask-cors treats a string with a bracket as a pattern
        origins=[re.compile(rf"{re.escape(origin)}\Z", re.IGNORECASE) for origin in origins],
        methods=CORS_METHODS,
        allow_headers=CORS_HEADERS,
        expose_headers=CORS_EXPOSED,
        supports_credentials=False,
        max_age=PREFLIGHT_SECONDS,
    )


def _refuse(refusal: HTTPException) -> Response:
    status = refusal.code or 500
    other = errors.InvalidRequest if status < 500 else errors.Internal
    answer = _problem(STATUS_ERRORS.get(status, other)())
    allowed = getattr(refusal, "valid_methods", None)
    if allowed:
        answer.headers["Allow"] = ", ".join(sorted(allowed))
    return answer


def _fail(bug: Exception, report_bug: Bug) -> Response:
    report_bug(g.request_id, traceback.TracebackException.from_exception(bug))
    return _problem(errors.Internal())


def _problem(error: errors.ChatError) -> Response:
    """The error in the format of the API that was called."""
    respond = openai_errors.response if request.path.startswith("/v1/") else problems.response
    return respond(error, g.request_id)
