"""Probes: whether this worker is alive, and whether it may receive traffic."""

import json
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response


def blueprint(draining: Callable[[], bool], breakers: Callable[[], dict[str, str]]) -> Blueprint:
    routes = Blueprint("probes", __name__)

    @routes.get("/health")
    def health() -> Response:
        return _json({"status": "ok"})

    @routes.get("/ready")
    def ready() -> Response:
        """Stays 200 while a breaker is open: otherwise every replica would leave the load balancer at once."""
        state = {"status": "draining" if draining() else "ready", "breakers": breakers()}
        return _json(state, 503 if draining() else 200)

    return routes


def _json(body: dict[str, Any], status: int = 200) -> Response:
    answer = Response(json.dumps(body), status, mimetype="application/json")
    if status == 503:
        answer.headers["Retry-After"] = "1"
    return answer
