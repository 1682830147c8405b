"""The chat page and the API's description."""

import json
from typing import Any

from flask import Blueprint, Response, current_app, request

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    # only the sanitizer may turn text into HTML
    "require-trusted-types-for 'script'; trusted-types dompurify"
)
# for the page and its files, whether the app or nginx serves them: `make fix` copies them to nginx
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


def blueprint(description: dict[str, Any]) -> Blueprint:
    routes = Blueprint("pages", __name__)
    described = json.dumps(description)

    @routes.get("/openapi.json")
    def openapi() -> Response:
        return Response(described, mimetype="application/json")

    @routes.get("/")
    def page() -> Response:
        return current_app.send_static_file("index.html")

    @routes.after_app_request
    def describe(response: Response) -> Response:
        if request.endpoint in ("pages.page", "static") and response.status_code < 400:
            response.headers.update(HEADERS)
        return response

    return routes
