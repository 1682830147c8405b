"""What people and probes look at: health, readiness, the page, the API's description."""

import json
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, current_app

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def blueprint(
    draining: Callable[[], bool],
    breakers: Callable[[], dict[str, str]],
    description: dict[str, Any],
) -> Blueprint:
    routes = Blueprint("ops", __name__)
    described = json.dumps(description)

    @routes.get("/health")
    def health() -> Response:
        return _json({"status": "ok"})

    @routes.get("/ready")
    def ready() -> Response:
        """An open breaker does not make it 503: every replica would leave at once."""
        state = {"status": "draining" if draining() else "ready", "breakers": breakers()}
        return _json(state, 503 if draining() else 200)

    @routes.get("/openapi.json")
    def openapi() -> Response:
        return Response(described, mimetype="application/json")

    @routes.get("/")
    def page() -> Response:
        answer = current_app.send_static_file("index.html")
        answer.headers["Content-Security-Policy"] = PAGE_POLICY
        answer.headers["Referrer-Policy"] = "no-referrer"
        answer.headers["Cache-Control"] = "no-cache"
        return answer

    return routes


def _json(body: dict[str, Any], status: int = 200) -> Response:
    answer = Response(json.dumps(body), status, mimetype="application/json")
    if status == 503:
        answer.headers["Retry-After"] = "1"
    return answer
