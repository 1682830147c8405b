"""What nginx answers instead of the service: the page's headers, and the rules for other origins."""

from collections.abc import Iterable

from service.web import pages, site

PAGE_HEADERS = "nginx/snippets/page-headers.conf"
CORS = "nginx/snippets/cors.conf"
ORIGIN = """\
# The rules for pages of other origins, which conf.d/origins.conf knows: the service's own. Empty headers are not sent.
# In http. (This file is written by make fix, from service/web/.)
"""
PAGE = """\
# The headers of the page and its files: the service's own. In a location. (This file is written by make fix, from
# service/web/.)
"""


def expected() -> dict[str, str]:
    return {PAGE_HEADERS: page_headers(), CORS: cors()}


def page_headers() -> str:
    lines = (f'add_header {name} "{value}" always;' for name, value in pages.HEADERS.items())
    return PAGE + "\n" + "\n".join(lines) + "\n"


def cors() -> str:
    values = {
        "cors_exposed": f'"{_listed(site.CORS_EXPOSED)}"',
        "cors_vary": '"Origin"',
        "cors_methods": f'"{_listed(site.CORS_METHODS)}"',
        "cors_headers": "$cors_asked",
        "cors_seconds": f'"{site.PREFLIGHT_SECONDS}"',
    }
    maps = (
        f'map $cors_origin ${name} {{\n    "" "";\n    default {value};\n}}\n'
        for name, value in values.items()
    )
    return ORIGIN + "\n" + "".join(maps) + _asked() + PREFLIGHT


def _asked() -> str:
    """The headers that a page wants to send, if it may send them all; else those that any may."""
    patterns = "|".join(name.replace(".*", "[a-z0-9-]*") for name in site.CORS_HEADERS)
    plain = _listed(name for name in site.CORS_HEADERS if "*" not in name)
    wanted = f"~*^ *(?:{patterns})(?: *, *(?:{patterns}))* *$"
    return ASKED % (wanted, plain)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


ASKED = """\
# what it wants to send, if it may send all of it; else what any page may
map $http_access_control_request_headers $cors_asked {
    "%s"
        $http_access_control_request_headers;
    default "%s";
}
"""
PREFLIGHT = """\
# a browser's question whether it may ask
map "$request_method $http_access_control_request_method" $is_preflight {
    "~^OPTIONS [A-Z]" 1;
    default 0;
}
"""
