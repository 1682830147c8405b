"""Checks a server's list of models at start: reports configuration mistakes, but never prevents the start."""

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from service.errors import (
    ChatError,
    SetUp,
    UpstreamFailure,
    UpstreamQuotaExhausted,
    UpstreamRejected,
)
from service.llm.wire.address import MODELS, Address
from service.llm.wire.coding import decoder_for
from service.llm.wire.connections import Server, server_at
from service.llm.wire.errors import of_response
from service.llm.wire.exchange import Exchange
from service.llm.wire.redirect import Redirected
from service.llm.wire.response import Response
from service.llm.wire.transport import of_connection

LOOK_SECONDS = 3.0
TICK_SECONDS = 0.25
# the longest lists have hundreds of models with a page of text each
MOST_BYTES = 8 * 1024 * 1024

# where the entries stand, and what says that there are more of them on another page
LISTS = ("data", "models", "result", "model_list")
MORE = ("has_more", "next_page_token", "nextPageToken")

Problem = SetUp | Literal["account", "unreachable", "unclear"]
SAID: Mapping[Problem, str] = {
    "key": "{place} rejects the key.",
    "model": "{place} does not list {models}.",
    "address": "{place} is not a list of models ({cause}); most servers expect an address that ends in /v1.",
    "access": "{place} does not accept this key ({cause}).",
    "account": "The account at {place} has no credit left.",
    "unreachable": "{place} cannot be reached ({cause}).",
    "unclear": "{place} does not answer as it should ({cause}).",
}


@dataclass(frozen=True)
class Finding:
    """says: a sentence that includes the address."""

    problem: Problem
    says: str


def look_at(address: Address, headers: dict[str, str], models: Sequence[str]) -> Finding | None:
    """None if everything is fine, as far as the list shows. Never raises; takes at most LOOK_SECONDS."""
    try:
        server = server_at(address, headers, LOOK_SECONDS, 1)
        try:
            until = time.monotonic() + LOOK_SECONDS
            listed = _names(_listed(server, address.target(MODELS), until))
        finally:
            server.connections.close()
    except ChatError as failure:
        return _finding(failure, address)
    missing = [model for model in models if listed and not _is_listed(model, listed)]
    if not missing or address.kind == "azure":
        # Azure lists models, but is called with deployment names
        return None
    return _made("model", address, models=", ".join(missing))


def _listed(server: Server, target: str, until: float) -> bytes:
    """The body of the list. Raises ChatErrors for anything else."""
    response, body = _asked(server, target, until)
    status = response.status or 0
    if status != 200:
        failure = of_response(status, response.fields, body)
        elsewhere = (
            failure.target_at(server.address, target) if isinstance(failure, Redirected) else None
        )
        if elsewhere is None:
            raise failure
        response, body = _asked(server, elsewhere, until)
        if response.status != 200:
            raise of_response(response.status or 0, response.fields, body)
    return body


def _asked(server: Server, target: str, until: float) -> tuple[Response, bytes]:
    request = server.request("GET", target, b"", {"Accept": "application/json"})
    exchange = Exchange(server.connections, lambda _: request, TICK_SECONDS)
    response = Response()
    try:
        body = _read(exchange, response, until)
    except ChatError:
        raise
    except Exception as error:  # noqa: BLE001 - a socket's, a resolver's, TLS's
        raise of_connection(error) from None
    finally:
        exchange.end(reusable=response.reusable)
    decoder = decoder_for(response.fields.get("content-encoding", ""))
    return response, decoder.decode(body) if decoder else body


def _read(exchange: Exchange, response: Response, until: float) -> bytes:
    body = b""
    while not response.whole and len(body) < MOST_BYTES:
        if time.monotonic() > until:
            raise TimeoutError
        data = exchange.receive()
        if data is not None:
            body += response.take(data)
        if data == b"":
            break
    return body


def _names(body: bytes) -> frozenset[str]:
    """The names of the models in a list of any known shape; none if the list is incomplete.

    Raises UpstreamRejected for anything else.
    """
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise UpstreamRejected(refused="address", cause="no JSON") from None
    entries = said
    if isinstance(said, dict):
        entries = next((said[name] for name in LISTS if isinstance(said.get(name), list)), None)
    if not isinstance(entries, list):
        raise UpstreamRejected(refused="address", cause="JSON of another kind")
    if isinstance(said, dict) and any(said.get(name) for name in MORE):
        return frozenset()
    return frozenset(_comparable(name) for entry in entries for name in _names_of(entry))


def _names_of(entry: Any) -> Iterable[str]:
    if isinstance(entry, str):
        yield entry
    if not isinstance(entry, dict):
        return
    for field in ("id", "name", "model"):
        if isinstance(entry.get(field), str):
            yield entry[field]
    if isinstance(entry.get("aliases"), list):
        yield from (alias for alias in entry["aliases"] if isinstance(alias, str))


def _is_listed(model: str, listed: frozenset[str]) -> bool:
    """Lists and servers may disagree on tags and variants: llama3.2 is listed as llama3.2:latest."""
    name = _comparable(model)
    bare = re.split(r"[:@]", name)[0]
    return name in listed or bare in listed or any(each.split(":")[0] == name for each in listed)


def _comparable(name: str) -> str:
    return name.casefold().removeprefix("models/")


def _finding(failure: ChatError, address: Address) -> Finding:
    cause = failure.cause or failure.code
    if isinstance(failure, UpstreamRejected):
        # this request names no model, so only the address can be unknown
        refused = "address" if failure.refused == "model" else failure.refused
        return _made(refused, address, cause=cause)
    if isinstance(failure, UpstreamQuotaExhausted):
        return _made("account", address)
    answered = isinstance(failure, UpstreamFailure) and cause.startswith(("HTTP", "malformed"))
    return _made("unclear" if answered else "unreachable", address, cause=cause)


def _made(problem: Problem, address: Address, **words: str) -> Finding:
    return Finding(problem, SAID[problem].format(place=address.shown(MODELS), **words))
