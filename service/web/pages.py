"""What people look at: the chat page and the API's description."""

import json
from typing import Any

from flask import Blueprint, Response, current_app

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    # the sanitizer's is the only code that may turn text into HTML
    "require-trusted-types-for 'script'; trusted-types dompurify"
)


def blueprint(description: dict[str, Any]) -> Blueprint:
    routes = Blueprint("pages", __name__)
    described = json.dumps(description)

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
