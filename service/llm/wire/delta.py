"""Reads text, thinking and tool calls from one choice of a frame, in any of the shapes that servers use."""

from dataclasses import dataclass, field
from typing import Any

import orjson

from service.llm.wire.dialect import TEXT_PARTS, THINKING_FIELDS, THINKING_PARTS

MOST_TOOL_CALLS = 128


@dataclass(slots=True)
class Said:
    text: str = ""
    thinking: str = ""
    tool_calls: list[dict[str, Any]] = field(default_factory=list)
    refused: bool = False

    def __bool__(self) -> bool:
        return bool(self.text or self.thinking or self.tool_calls)


def first_choice(frame: dict[str, Any]) -> dict[str, Any]:
    """The choice with index 0, the only one we ask for; {} if there is none."""
    choices = frame.get("choices") or []
    if not isinstance(choices, list):
        raise TypeError("choices")
    for choice in choices:
        if choice is not None and choice.get("index") in (None, 0, "0"):
            found: dict[str, Any] = choice
            return found
    return {}


def said_by(choice: dict[str, Any], *, message_too: bool) -> Said:
    """message_too: whether a complete message or text is accepted in place of a delta.

    Raises TypeError or AttributeError for any other shape.
    """
    delta = choice.get("delta")
    if delta is None and message_too:
        delta = choice.get("message")
        if delta is None:
            delta = {"content": choice.get("text")}
    if not delta:
        return Said()
    said = Said()
    _take_content(delta.get("content"), said)
    if _is_thought(delta):
        said.text, said.thinking = "", said.thinking + said.text
    said.thinking = _thinking(delta) or said.thinking
    said.tool_calls = _tool_calls(delta)
    refusal = delta.get("refusal")
    if refusal and isinstance(refusal, str):
        said.text, said.refused = said.text + refusal, True
    return said


def _take_content(content: Any, said: Said) -> None:
    if content is None:
        return
    if isinstance(content, str):
        said.text += content
    elif isinstance(content, list):
        for part in content:
            _take_content(part, said)
    elif isinstance(content, dict):
        _take_part(content, said)
    else:
        raise TypeError("content")


def _take_part(part: dict[str, Any], said: Said) -> None:
    kind = part.get("type")
    if kind in THINKING_PARTS or part.get("thought") is True:
        said.thinking += _words(part)
    elif kind == "refusal":
        said.text, said.refused = said.text + _words(part.get("refusal")), True
    elif kind is None or kind in TEXT_PARTS:
        said.text += _words(part)


def _is_thought(delta: dict[str, Any]) -> bool:
    """Gemini marks content that is thinking, and so do gateways in front of it."""
    if delta.get("thought") is True:
        return True
    extra = delta.get("extra_content")
    google = extra.get("google") if isinstance(extra, dict) else None
    return isinstance(google, dict) and google.get("thought") is True


def _thinking(delta: dict[str, Any]) -> str:
    for name in THINKING_FIELDS:
        if name in delta and (words := _words(delta[name])):
            return words
    return ""


def _words(value: Any, depth: int = 4) -> str:
    """The text in a part, or in nested parts."""
    if isinstance(value, str):
        return value
    if depth == 0:
        return ""
    if isinstance(value, list):
        return "".join(_words(item, depth - 1) for item in value)
    if isinstance(value, dict):
        for name in ("text", "thinking", "content", "summary", "reasoning", "parts"):
            if value.get(name):
                return _words(value[name], depth - 1)
    return ""


def _tool_calls(delta: dict[str, Any]) -> list[dict[str, Any]]:
    calls = delta.get("tool_calls") or []
    if not isinstance(calls, list):
        raise TypeError("tool_calls")
    if calls:
        return [_tool_call(call, place) for place, call in enumerate(calls[:MOST_TOOL_CALLS])]
    # OpenAI's older API
    function = delta.get("function_call")
    return [_tool_call({"function": function}, 0)] if function else []


def _tool_call(call: dict[str, Any], place: int) -> dict[str, Any]:
    """A tool call in OpenAI's shape, without anything else the server adds."""
    function = call.get("function") or {}
    index = call.get("index")
    made: dict[str, Any] = {"function": {}}
    if isinstance(index, str) and index.isdecimal():
        index = int(index[:9])
    if isinstance(index, int) and not isinstance(index, bool):
        made["index"] = index
    elif place:
        # several at once, without indexes
        made["index"] = place
    if isinstance(call.get("id"), str):
        made["id"] = call["id"]
    if isinstance(function.get("name"), str):
        made["function"]["name"] = function["name"]
    arguments = function.get("arguments")
    if arguments is not None:
        made["function"]["arguments"] = _json_text(arguments)
    return made


def _json_text(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode()
