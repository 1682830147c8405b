"""Composes requests: parameters by kind of server and model, and headers."""

import re
from collections.abc import Mapping
from typing import Any

from service.llm.wire.address import Address, Kind

Payload = dict[str, Any]

NEW_LIMIT, OLD_LIMIT = "max_completion_tokens", "max_tokens"
# models that think first and reject any temperature but their default
THINKING_MODEL = re.compile(r"(?:.*[/:])?(?:gpt-(?:[5-9]|\d\d)|o\d)(?![a-z0-9])", re.IGNORECASE)
USER_AGENT = "chat-service"
# a Microsoft Entra token; Azure's own keys go into a separate header
JSON_WEB_TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")


def takes_temperature(model: str) -> bool:
    """Whether to send a default temperature; a caller's own is always sent, and the server may reject it."""
    return THINKING_MODEL.match(model) is None


def composed(asked: Mapping[str, Any], kind: Kind) -> Payload:
    """The payload of a streamed request to this kind of server. asked: LangChain's payload."""
    payload = {name: value for name, value in asked.items() if value is not None}
    payload |= {"stream": True, "stream_options": {"include_usage": True}}
    if kind == "other":
        payload = renamed(payload, NEW_LIMIT, OLD_LIMIT)
        payload["messages"] = [_with_system_role(message) for message in payload["messages"]]
    else:
        payload = renamed(payload, OLD_LIMIT, NEW_LIMIT)
    return payload


def renamed(payload: Payload, name: str, to: str) -> Payload:
    return {to if each == name else each: value for each, value in payload.items()}


def without_stream(payload: Payload) -> Payload:
    """The payload for an answer in one piece."""
    kept = {name: value for name, value in payload.items() if name != "stream_options"}
    return {**kept, "stream": False}


def without_system_role(messages: list[Any]) -> list[Any]:
    """Moves the instructions to the front of the first question."""
    instructions = [each for each in messages if _role(each) in ("system", "developer")]
    rest = [each for each in messages if _role(each) not in ("system", "developer")]
    said = "\n\n".join(filter(None, (_text(each.get("content")) for each in instructions)))
    if not said:
        return rest
    place = next((at for at, each in enumerate(rest) if _role(each) == "user"), None)
    if place is None:
        return [{"role": "user", "content": said}, *rest]
    return [*rest[:place], _preceded(rest[place], said), *rest[place + 1 :]]


def headers_for(address: Address, api_key: str, extra: Mapping[str, str]) -> dict[str, str]:
    """The headers of every request to a server. extra: the operator's headers, which take precedence."""
    headers = {
        "Accept": "text/event-stream, application/json",
        "Accept-Encoding": "identity",
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
        **_credentials(address, api_key),
    }
    given = {name.lower() for name in extra}
    kept = {name: value for name, value in headers.items() if name.lower() not in given}
    return kept | dict(extra)


def _credentials(address: Address, api_key: str) -> dict[str, str]:
    if address.basic is not None:
        return {"Authorization": address.basic}
    if not api_key:
        return {}
    if address.kind == "azure" and not JSON_WEB_TOKEN.fullmatch(api_key):
        return {"api-key": api_key}
    return {"Authorization": f"Bearer {api_key}"}


def _with_system_role(message: Any) -> Any:
    return {**message, "role": "system"} if _role(message) == "developer" else message


def _role(message: Any) -> str:
    return str(message.get("role"))


def _preceded(message: dict[str, Any], said: str) -> dict[str, Any]:
    content = message.get("content")
    if isinstance(content, list):
        return {**message, "content": [{"type": "text", "text": said}, *content]}
    return {**message, "content": f"{said}\n\n{content}"}


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content or "")
