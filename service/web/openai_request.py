"""Translates a request in OpenAI's format. Parameters that cannot be honoured are refused by name."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn

from service.chat.request import MOST_TOKENS, ChatRequest, Limits, Message, check, decoded
from service.errors import Detail, InvalidRequest
from service.web.caller_ids import is_well_formed

INSTRUCTIONS = ("system", "developer")
MESSAGES = re.compile(r"(question|system|history)\b")
# per request and per message: more than any OpenAI client sends
MOST_FIELDS = 100
MOST_STOPS = 4
MOST_STOP_CHARS = 200


@dataclass
class Understood:
    """The format of the answer. model: the name as requested."""

    stream: bool = False
    include_usage: bool = False
    user: str | None = None


@dataclass
class _Conversation:
    instructions: list[str] = field(default_factory=list)
    messages: list[tuple[str, str]] = field(default_factory=list)


def parse(body: bytes, limits: Limits) -> tuple[ChatRequest, Understood]:
    """Raises InvalidRequest or PayloadTooLarge; details name the parameter."""
    asked = _object(decoded(body, limits))
    for name, is_nothing, why in UNSUPPORTED:
        if not is_nothing(asked.get(name)):
            _refuse(name, why)
    said = _conversation(asked.get("messages"), limits)
    chain, model = _chosen(asked.get("model"), limits)
    request = ChatRequest.model_construct(
        question=said.messages[-1][1],
        system="\n\n".join(said.instructions) or None,
        history=[Message.model_construct(role=r, content=c) for r, c in said.messages[:-1]],
        chain=chain,
        model=model,
        temperature=_number(asked, "temperature", 0, 2),
        max_tokens=_most_tokens(asked, limits),
    )
    request.stop_at(_stops(asked.get("stop")))
    _check(request, limits)
    return request, Understood(*_form(asked), _user(asked))


def _check(request: ChatRequest, limits: Limits) -> None:
    """Checks against Limits what our own format has in three fields and this one in a single list."""
    try:
        check(request, limits)
    except InvalidRequest as refusal:
        refusal.details = tuple(
            Detail("messages", detail.reason) if MESSAGES.match(detail.field) else detail
            for detail in refusal.details
        )
        raise


def _object(asked: object) -> dict[str, Any]:
    if not isinstance(asked, dict):
        _refuse("", "must be an object")
    if len(asked) > MOST_FIELDS:
        _refuse("", "has too many fields")
    return asked


def _conversation(messages: Any, limits: Limits) -> _Conversation:
    if not isinstance(messages, list) or not messages:
        _refuse("messages", "must be a list of messages")
    if len(messages) > limits.max_history_messages + 20:
        _refuse("messages", f"may have at most {limits.max_history_messages} messages")
    said = _Conversation()
    for place, message in enumerate(messages):
        _add(said, message, f"messages[{place}]")
    if not said.messages or said.messages[-1][0] != "user":
        _refuse("messages", "must end with a message of the user")
    if not said.messages[-1][1].strip():
        _refuse(f"messages[{len(messages) - 1}].content", "must not be empty")
    return said


def _add(said: _Conversation, message: Any, where: str) -> None:
    if not isinstance(message, dict):
        _refuse(where, "must be an object")
    if len(message) > MOST_FIELDS:
        _refuse(where, "has too many fields")
    role = message.get("role")
    if role not in ("user", "assistant", *INSTRUCTIONS):
        _refuse(f"{where}.role", "must be system, developer, user or assistant")
    if message.get("tool_calls") or message.get("function_call"):
        _refuse(f"{where}.tool_calls", "are not supported: tools are the chain's own")
    text = _text(message.get("content"), f"{where}.content", optional=role == "assistant")
    if role in INSTRUCTIONS:
        said.instructions += [text] if text.strip() else []
    elif text or role == "user":
        said.messages.append((role, text))


def _text(content: Any, where: str, *, optional: bool) -> str:
    if isinstance(content, str):
        return content
    if content is None and optional:
        return ""
    if not isinstance(content, list):
        _refuse(where, "must be a text or text parts")
    return "\n".join(_part(part, f"{where}[{place}]") for place, part in enumerate(content))


def _part(part: Any, where: str) -> str:
    if isinstance(part, str):
        return part
    kind = part.get("type") if isinstance(part, dict) else None
    text = part.get(kind) if kind in ("text", "refusal") else None
    if not isinstance(text, str):
        _refuse(where, "must be a text part: images, audio and files are not supported")
    return text


def _chosen(name: Any, limits: Limits) -> tuple[str | None, str | None]:
    """Returns chain and model. The name of a model means the default chain with that model."""
    if name is None:
        return None, None
    if isinstance(name, str) and name in limits.models:
        return None, name
    if not isinstance(name, str) or name not in limits.chains:
        _refuse("model", "does not exist")
    return name, None


def _number(asked: dict[str, Any], name: str, least: float, most: float) -> float | None:
    value = asked.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        _refuse(name, f"must be a number from {least} to {most}")
    return float(value)


def _most_tokens(asked: dict[str, Any], limits: Limits) -> int | None:
    """Values above the service's limit are lowered to it: clients often ask for their model's maximum."""
    name = (
        "max_completion_tokens" if asked.get("max_completion_tokens") is not None else "max_tokens"
    )
    value = asked.get(name)
    if value is None:
        return None
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or value != int(value)
        or value < 1
    ):
        _refuse(name, "must be a whole number from 1")
    return min(int(value), limits.max_output_tokens or MOST_TOKENS)


def _stops(value: Any) -> tuple[str, ...]:
    stops = [value] if isinstance(value, str) else [] if value is None else value
    if (
        not isinstance(stops, list)
        or len(stops) > MOST_STOPS
        or not all(isinstance(stop, str) and 0 < len(stop) <= MOST_STOP_CHARS for stop in stops)
    ):
        _refuse("stop", f"must be a text, or up to {MOST_STOPS} of them")
    return tuple(stops)


def _form(asked: dict[str, Any]) -> tuple[bool, bool]:
    stream = asked.get("stream")
    _yes_or_no(stream, "stream")
    options = asked.get("stream_options")
    if options is not None and not isinstance(options, dict):
        _refuse("stream_options", "must be an object")
    include_usage = (options or {}).get("include_usage")
    _yes_or_no(include_usage, "stream_options.include_usage")
    return bool(stream), bool(include_usage)


def _yes_or_no(value: Any, name: str) -> None:
    if value is not None and not isinstance(value, bool):
        _refuse(name, "must be true or false")


def _user(asked: dict[str, Any]) -> str | None:
    """Any name is allowed; one that is not a valid id is replaced by its digest."""
    # what OpenAI calls it now
    name = "safety_identifier" if asked.get("user") is None else "user"
    value = asked.get(name)
    if value is not None and not isinstance(value, str):
        _refuse(name, "must be a text")
    if not value:
        return None
    if is_well_formed(value):
        return value
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _refuse(parameter: str, reason: str) -> NoReturn:
    raise InvalidRequest(details=(Detail(parameter, reason),))


def _is_null(value: Any) -> bool:
    return value is None


def _nothing(value: Any) -> bool:
    return not value


def _no_call(value: Any) -> bool:
    return value in (None, "none", "auto")


def _one(value: Any) -> bool:
    return value is None or (value == 1 and not isinstance(value, bool))


def _plain_text(value: Any) -> bool:
    return value is None or (isinstance(value, dict) and value.get("type") == "text")


def _text_alone(value: Any) -> bool:
    return not value or value == ["text"]


TOOLS = "are not supported: tools are the chain's own"
TOOL = "is not supported: tools are the chain's own"
# name, whether a value changes nothing, and why it is refused otherwise
UNSUPPORTED: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("tools", _nothing, TOOLS),
    ("functions", _nothing, TOOLS),
    ("tool_choice", _no_call, TOOL),
    ("function_call", _no_call, TOOL),
    ("n", _one, "must be 1"),
    ("response_format", _plain_text, "must be text: a chain decides what it answers"),
    ("modalities", _text_alone, "must be text"),
    ("audio", _nothing, "is not supported"),
    ("logprobs", _nothing, "is not supported"),
    ("top_logprobs", _nothing, "is not supported"),
    # an empty object asks for a search
    ("web_search_options", _is_null, "is not supported: searching is the chain's own"),
)
