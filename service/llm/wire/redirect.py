"""Redirects: followed once on the same server, and never to another one, which must not get our key."""

from urllib.parse import urljoin

from service.errors import UpstreamRejected
from service.llm.wire.address import Address, parse

# only these keep the method and the body
KEEPS_QUESTION = frozenset({307, 308})
MOST_SHOWN_CHARS = 200


class Redirected(UpstreamRejected):
    """location: as sent by the server."""

    def __init__(self, status: int, location: str) -> None:
        super().__init__(refused="address", cause=f"HTTP {status} to {_shown(location)}")
        self._status = status
        self._location = location

    def target_at(self, address: Address, target: str) -> str | None:
        """The new target; None: the redirect must not be followed."""
        if self._status not in KEEPS_QUESTION or not self._location:
            return None
        try:
            place = parse(urljoin(f"{address.origin}{target}", self._location), whole=True)
        except ValueError:
            return None
        return place.target("") if is_same_server(place, address) else None


def is_same_server(one: Address, other: Address) -> bool:
    return (one.scheme, one.host, one.port) == (other.scheme, other.host, other.port)


def _shown(location: str) -> str:
    try:
        place = parse(location, whole=True)
    except ValueError:
        return "no address"
    shown = place.shown() if place.host else place.path
    return shown[:MOST_SHOWN_CHARS] or "nowhere"
