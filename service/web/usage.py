"""GET /usage: what the caller's key may use, and has used."""

from flask import Blueprint, Response, request

from service.web import context, json_text
from service.web.keys import Access, key_of


def blueprint(access: Access) -> Blueprint:
    routes = Blueprint("usage", __name__)

    @routes.get("/usage")
    def usage() -> Response:
        key = key_of(request, access)
        told = access.usage(key, context.user_id_of(request), context.address_of_request(request))
        return Response(json_text.dumps(told), mimetype="application/json")

    return routes
