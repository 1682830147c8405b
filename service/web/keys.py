"""The API key of a request, and the limit headers of its response."""

import re
from typing import Any, Protocol

from flask import Request
from werkzeug.datastructures import Headers

from service.chat.account import Account
from service.errors import Unauthorized

# a key in the URL ends up in the logs of every proxy on the way
KEY_SHAPE = re.compile("csk(?:_|%5[Ff])[0-9A-Za-z]{8}")
SECOND_US = 1_000_000


class Key(Protocol):
    @property
    def name(self) -> str: ...

    def offers(self, model: str, chain: str | None) -> bool: ...


class Meter(Protocol):
    @property
    def limit(self) -> int: ...
    @property
    def remaining(self) -> int: ...
    @property
    def full_after_us(self) -> int: ...


class Figures(Protocol):
    @property
    def requests(self) -> Meter | None: ...
    @property
    def tokens(self) -> Meter | None: ...


class KeyAccount(Account, Protocol):
    """figures: what is left, once that is known. user: whose limits apply under the key."""

    @property
    def figures(self) -> Figures | None: ...
    @property
    def user(self) -> str | None: ...


class Access(Protocol):
    """The access room. Keys are opaque here: identify() returns them."""

    def identify(self, authorization: str | None) -> Any:
        """Raises Unauthorized, Forbidden or Unavailable."""

    def account(
        self,
        key: Any,
        *,
        turn_id: str,
        request_id: str,
        user_id: str | None,
        address: str,
        route: str,
    ) -> KeyAccount: ...

    def usage(self, key: Any, user_id: str | None, address: str) -> dict[str, Any]: ...


def key_of(request: Request, access: Access) -> Any:
    """Raises Unauthorized, Forbidden or Unavailable."""
    if KEY_SHAPE.search(request.full_path):
        raise Unauthorized(cause="key in the URL")
    return access.identify(request.headers.get("Authorization"))


def add_figures(headers: Headers, figures: Figures | None) -> None:
    """Adds them as the headers that OpenAI's clients read."""
    if figures is not None:
        for name, meter in (("Requests", figures.requests), ("Tokens", figures.tokens)):
            if meter is not None:
                headers[f"X-RateLimit-Limit-{name}"] = str(meter.limit)
                headers[f"X-RateLimit-Remaining-{name}"] = str(meter.remaining)
                headers[f"X-RateLimit-Reset-{name}"] = duration(meter.full_after_us)


def duration(microseconds: int) -> str:
    """1h2m3s, 4.5s, 20ms."""
    milliseconds = -(-microseconds // 1000)
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{rest / 1000:g}s"
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + seconds
