"""Whose names this service answers under. A browser that was led here under another one is not its user's doing.

A name that anybody may register can be pointed at a service which only that browser can reach (DNS rebinding). An
address cannot, nor can a name without a dot, which is a container's or the local network's, nor one below .internal
(host.docker.internal).
"""

import ipaddress
from collections.abc import Sequence
from functools import lru_cache

from flask import Request

from service.errors import MisdirectedRequest


def check(request: Request, allowed: Sequence[str]) -> None:
    """Raises MisdirectedRequest."""
    # as it was sent: werkzeug's `host` is empty for what it takes for none
    name = _name(request.headers.get("Host", ""))
    if not (_is_local(name) or any(_matches(name, one.lower()) for one in allowed)):
        raise MisdirectedRequest


def _name(host: str) -> str:
    """Without the port."""
    if host.startswith("["):
        return host.partition("]")[0].removeprefix("[")
    return host.partition(":")[0].lower()


@lru_cache(maxsize=256)
def _is_local(name: str) -> bool:
    return "." not in name or name.endswith((".localhost", ".internal")) or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _matches(name: str, allowed: str) -> bool:
    """*.example.com: every name below it."""
    if allowed.startswith("*."):
        return name.endswith(allowed[1:])
    return name == allowed
