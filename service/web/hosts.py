"""The host names this service answers to. A browser sent here under any other name may be under attack.

A public name can be pointed at a service that only the user's browser can reach (DNS rebinding). That is impossible for
an address, for a name without a dot, which belongs to a container or the local network, and for names below .internal
(host.docker.internal).
"""

import ipaddress
import re
from collections.abc import Sequence
from functools import lru_cache

from flask import Request

from service.errors import MisdirectedRequest

# with the port, or nothing
HOST = re.compile(r"[A-Za-z0-9._-]*(:[0-9]*)?|\[[0-9A-Fa-f:.]+\](:[0-9]*)?")


def check(request: Request, allowed: Sequence[str]) -> None:
    """Raises MisdirectedRequest."""
    # the raw header: werkzeug's `host` is empty for values it considers invalid
    if not is_ours(request.headers.get("Host", ""), allowed):
        raise MisdirectedRequest


def is_ours(host: str, allowed: Sequence[str]) -> bool:
    """host: as in the header."""
    if not HOST.fullmatch(host):
        return False
    name = _name(host)
    return _is_local(name) or any(_matches(name, one.lower()) for one in allowed)


def _name(host: str) -> str:
    """Without the port, and without the dot that may end a complete name."""
    if host.startswith("["):
        return host.partition("]")[0].removeprefix("[")
    return host.partition(":")[0].lower().removesuffix(".")


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
    """*.example.com matches every name below it."""
    if allowed.startswith("*."):
        return name.endswith(allowed[1:])
    return name == allowed
