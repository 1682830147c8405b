"""Parses a request: JSON bytes in, a ChatRequest or a refusal out."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Any, Literal

import orjson
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    FailFast,
    Field,
    PrivateAttr,
    ValidationError,
)

from service.errors import Detail, InvalidRequest, PayloadTooLarge

MOST_DETAILS = 20
# texts contain them too, but not this many; parsing more would block the loop for several milliseconds
MOST_BRACKETS = 40_000
# of strings, which have two. A message has up to seven strings; the rest is for tools that some clients always send
MOST_QUOTES, MOST_QUOTES_PER_MESSAGE = 8_000, 16
# of an answer where the operator sets no limit: more than any model gives, and few enough to calculate with
MOST_TOKENS = 10**8
UNKNOWN_FIELD = "is not a field of this request"
REASONS: Mapping[str, str] = {
    "missing": "is required",
    "extra_forbidden": UNKNOWN_FIELD,
    "string_type": "must be a string",
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": "must not be empty",
    "literal_error": "is not one of the allowed values",
    "float_type": "must be a number",
    "int_type": "must be a whole number",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "greater_than_equal": "is too small",
    "less_than_equal": "is too large",
    "finite_number": "must be a finite number",
}

# as fields are named; what is longer may be a key
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,31}")


def _whole(number: object) -> object:
    """JSON does not distinguish 5.0 from 5."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


def _listed(messages: object) -> object:
    """null is as good as nothing, as for the other fields."""
    return [] if messages is None else messages


class Message(BaseModel):
    """One earlier message of the conversation."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    role: Literal["user", "assistant"]
    content: str


class ChatRequest(BaseModel):
    """A request whose shape is valid; lengths and names are checked against Limits afterwards."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    question: Annotated[str, Field(pattern=r"\S", description="What the user asks.")]
    system: Annotated[str | None, Field(description="Replaces the system prompt.")] = None
    # stop at the first invalid message: listing them all could block the loop for a second
    history: Annotated[
        list[Message],
        FailFast(),
        BeforeValidator(_listed),
        Field(description="The conversation so far, oldest first."),
    ] = []
    chain: Annotated[str | None, Field(description="One of the service's chains.")] = None
    model: Annotated[str | None, Field(description="One of the models the service allows.")] = None
    temperature: Annotated[float | None, Field(ge=0, le=2, allow_inf_nan=False)] = None
    max_tokens: Annotated[
        Annotated[int, BeforeValidator(_whole), Field(ge=1)] | None,
        Field(description="Limit of the answer."),
    ] = None
    _stop: tuple[str, ...] = PrivateAttr(())

    @property
    def stop(self) -> tuple[str, ...]:
        """Stop sequences; only the OpenAI-compatible API accepts them."""
        return self._stop

    def stop_at(self, stop: tuple[str, ...]) -> None:
        self._stop = stop


FIELDS = frozenset(ChatRequest.model_fields)
MESSAGE_FIELDS = frozenset(Message.model_fields)


@dataclass(frozen=True)
class Limits:
    """What this deployment accepts. Lengths are in characters (code points); max_output_tokens None: MOST_TOKENS."""

    models: tuple[str, ...]
    chains: tuple[str, ...]
    allow_system: bool
    max_question_chars: int
    max_system_chars: int
    max_history_messages: int
    max_history_chars: int
    max_output_tokens: int | None


def parse(body: bytes, limits: Limits) -> ChatRequest:
    """Raises InvalidRequest or PayloadTooLarge; their details name fields, never their contents."""
    request = _shaped(decoded(body, limits), limits)
    check(request, limits)
    return request


def check(request: ChatRequest, limits: Limits) -> None:
    """Raises InvalidRequest or PayloadTooLarge."""
    _check_lengths(request, limits)
    _check_choices(request, limits)


def decoded(body: bytes, limits: Limits) -> object:
    """What is in it is counted before anything is built. Raises InvalidRequest."""
    if body.count(b"{") + body.count(b"[") > MOST_BRACKETS:
        raise _invalid("", "has too many objects or lists")
    # a quote within a text is escaped
    quotes = body.count(b'"') - body.count(b'\\"')
    if quotes > MOST_QUOTES + MOST_QUOTES_PER_MESSAGE * limits.max_history_messages:
        raise _invalid("", "has too many fields or messages")
    # orjson rejects NaN, lone surrogates, invalid UTF-8 and nesting deeper than 1024
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise _invalid("", "must be JSON in UTF-8") from None


def _shaped(payload: object, limits: Limits) -> ChatRequest:
    if not isinstance(payload, dict):
        raise _invalid("", "must be an object")
    _check_count(payload, limits)
    try:
        return ChatRequest.model_validate(payload)
    except ValidationError as error:
        items = error.errors(include_url=False, include_context=False, include_input=False)
        raise InvalidRequest(
            details=tuple(_detail(item) for item in items[:MOST_DETAILS])
        ) from None


def _check_count(payload: dict[str, Any], limits: Limits) -> None:
    """Before anything is built: a list of all mistakes would hold up the loop."""
    _check_names(payload, FIELDS, [])
    history = payload.get("history")
    if not isinstance(history, list):
        return
    if len(history) > limits.max_history_messages + MOST_DETAILS:
        raise PayloadTooLarge(details=(_over("history", limits.max_history_messages, "messages"),))
    for place, message in enumerate(history):
        if isinstance(message, dict):
            _check_names(message, MESSAGE_FIELDS, ["history", str(place)])


def _check_names(given: dict[str, Any], known: frozenset[str], parents: list[str]) -> None:
    if len(given) <= len(known) + MOST_DETAILS:
        return
    unknown = islice((name for name in given if name not in known), MOST_DETAILS)
    raise InvalidRequest(details=tuple(_unknown(parents, name) for name in unknown))


def _unknown(parents: list[str], name: str) -> Detail:
    if NAME.fullmatch(name):
        return Detail(".".join([*parents, name]), UNKNOWN_FIELD)
    # the name could be anything, such as a prompt, so it is not repeated
    return Detail(".".join(parents), "has an unknown field")


def _detail(item: Any) -> Detail:
    *parents, name = [str(part) for part in item["loc"]]
    if item["type"] == "extra_forbidden":
        return _unknown(parents, name)
    return Detail(".".join([*parents, name]), REASONS.get(item["type"], "is not valid"))


def _check_lengths(request: ChatRequest, limits: Limits) -> None:
    sizes = (
        ("question", len(request.question), limits.max_question_chars, "characters"),
        ("system", len(request.system or ""), limits.max_system_chars, "characters"),
        ("history", len(request.history), limits.max_history_messages, "messages"),
        (
            "history",
            sum(len(message.content) for message in request.history),
            limits.max_history_chars,
            "characters",
        ),
    )
    over = tuple(_over(field, limit, unit) for field, size, limit, unit in sizes if size > limit)
    if over:
        raise PayloadTooLarge(details=over)


def _over(field: str, limit: int, unit: str) -> Detail:
    return Detail(field, f"may have at most {limit} {unit}")


def _check_choices(request: ChatRequest, limits: Limits) -> None:
    if request.model is not None and request.model not in limits.models:
        raise _invalid("model", "is not one of the allowed models")
    if request.chain is not None and request.chain not in limits.chains:
        raise _invalid("chain", f"is not one of the chains: {', '.join(limits.chains)}")
    if request.system and not limits.allow_system:
        raise _invalid("system", "may not be set here")
    most = limits.max_output_tokens or MOST_TOKENS
    if request.max_tokens is not None and request.max_tokens > most:
        raise _invalid("max_tokens", f"may be at most {most}")


def _invalid(field: str, reason: str) -> InvalidRequest:
    return InvalidRequest(details=(Detail(field, reason),))
