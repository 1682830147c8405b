"""Combines the events of one model call: merging LangChain's chunks one by one is quadratic, and counts usage twice."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import ToolCall, invalid_tool_call, tool_call, tool_call_chunk

from service.chat.events import CallEvent, Done, Restart, Thinking, Token, ToolCalls, Usage
from service.llm.kept import Kept
from service.llm.nesting import is_too_deep
from service.llm.surrogates import joined

Options = Mapping[str, Any]
NONE: Options = {}
# OpenAI's older API, of one call without an ID; chains that bind functions read it in LangChain's older place
FUNCTIONS = "functions"
FUNCTION_CALL = "function_call"
# a whole number that may need more than 64 bits
LONG_NUMBER = re.compile(r"\d{19}")


class ToolCallParts:
    """Collects the deltas of tool calls, by index."""

    def __init__(self) -> None:
        self._calls: dict[Any, dict[str, Any]] = {}
        # by the server's own index or id: the call that is currently being received
        self._keys: dict[Any, Any] = {}
        self._last: Any = None

    def add(self, deltas: list[dict[str, Any]]) -> None:
        for delta in deltas:
            function = delta.get("function") or {}
            call = self._call_of(delta)
            call["id"] = call["id"] or delta.get("id")
            call["name"] = call["name"] or function.get("name") or ""
            call["arguments"].append(function.get("arguments") or "")

    def _call_of(self, delta: dict[str, Any]) -> dict[str, Any]:
        index = delta.get("index")
        if index is None:
            # some servers leave the index out: a new id begins a new call
            index = delta.get("id") or self._last
        self._last = index
        key = self._keys.get(index, index)
        if key in self._calls and _is_another(delta, self._calls[key]):
            # others give all calls the same index
            key = self._keys[index] = (index, delta.get("id") or len(self._calls))
        return self._calls.setdefault(key, {"id": None, "name": "", "arguments": []})

    @property
    def found(self) -> list[tuple[str | None, str, str]]:
        """Each call's id, name and arguments."""
        return [
            (call["id"], call["name"], joined("".join(call["arguments"])))
            for call in self._calls.values()
        ]

    @property
    def told(self) -> list[dict[str, Any]]:
        return told_calls(self.found)


def _is_another(delta: dict[str, Any], call: dict[str, Any]) -> bool:
    """Its ID says so, or, as some servers send complete calls without IDs, a name after complete arguments."""
    function = delta.get("function") or {}
    if not function.get("name"):
        return False
    if delta.get("id") and call["id"]:
        return bool(delta["id"] != call["id"])
    begun = call["arguments"]
    return bool(function.get("arguments")) and len(begun) == 1 and is_json(begun[0])


def is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


class Accumulator:
    """Takes every event of a call; its message is complete after Done."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._thinking: list[str] = []
        self._tools = ToolCallParts()
        self.done: Done | None = None

    @property
    def has_text(self) -> bool:
        return bool(self._texts)

    def add(self, event: CallEvent) -> None:
        if isinstance(event, Token):
            self._texts.append(event.text)
        elif isinstance(event, Thinking):
            self._thinking.append(event.text)
        elif isinstance(event, ToolCalls):
            self._tools.add(event.deltas)
        elif isinstance(event, Done):
            self.done = event
        elif isinstance(event, Restart):
            self.__init__()  # type: ignore[misc]

    def message(self, options: Options = NONE, kept: Kept | None = None) -> AIMessage:
        """options: LangChain's, with which the model was called."""
        good, bad = _parsed_calls(self._calls(options))
        return AIMessage(
            tool_calls=good, invalid_tool_calls=bad, **self._common(options, kept or Kept())
        )

    def chunk(self, options: Options = NONE, kept: Kept | None = None) -> AIMessageChunk:
        calls = [
            tool_call_chunk(name=name, args=arguments, id=call_id, index=place)
            for place, (call_id, name, arguments) in enumerate(self._calls(options))
        ]
        return AIMessageChunk(tool_call_chunks=calls, **self._common(options, kept or Kept()))

    def _calls(self, options: Options) -> list[tuple[str | None, str, str]]:
        return [] if FUNCTIONS in options else self._tools.found

    def _common(self, options: Options, kept: Kept) -> dict[str, Any]:
        text = joined("".join(self._texts))
        return {
            "content": text if kept.content is None else kept.content,
            "additional_kwargs": kept.additions | self._additions(text, options),
            "response_metadata": kept.metadata | self._metadata(kept),
            "usage_metadata": self._usage(),
        }

    def _additions(self, content: str, options: Options) -> dict[str, Any]:
        additions: dict[str, Any] = {}
        if thinking := joined("".join(self._thinking)):
            additions["reasoning_content"] = thinking
        if FUNCTIONS in options and self._tools.found:
            _, name, arguments = self._tools.found[0]
            additions[FUNCTION_CALL] = {"name": name, "arguments": arguments}
        response_format = options.get("response_format")
        parsed = _parsed(content, response_format) if response_format is not None else None
        if parsed is not None:
            # the structured output's parser needs this, but only the SDK's own client sets it
            additions["parsed"] = parsed
        return additions

    def _metadata(self, kept: Kept) -> dict[str, Any]:
        if self.done is None:
            return {}
        return {
            "finish_reason": self.done.finish_reason,
            "model_name": self.done.model,
            "model_provider": kept.metadata.get("model_provider", "openai"),
        }

    def _usage(self) -> UsageMetadata | None:
        return usage_metadata(self.done.usage) if self.done else None


def usage_metadata(usage: Usage) -> UsageMetadata:
    """The usage in LangChain's format."""
    return UsageMetadata(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        total_tokens=usage.input_tokens + usage.output_tokens,
        input_token_details={"cache_read": usage.cached_input_tokens or 0},
    )


def arguments_text(args: Any, default: Callable[[Any], Any] | None = None) -> str:
    """A call's arguments as models write them. Those of an invalid call are text, or None."""
    return args or "" if isinstance(args, str | None) else json.dumps(args, default=default)


def told_calls(found: list[tuple[str | None, str, str]]) -> list[dict[str, Any]]:
    """The calls as data: arguments that are not a JSON object stay text."""
    good, bad = _parsed_calls(found)
    return [_told(call) for call in [*good, *bad]]


def _told(call: Mapping[str, Any]) -> dict[str, Any]:
    # what an invalid call lacks is None
    args = "" if call["args"] is None else call["args"]
    return {"id": call["id"], "name": call["name"] or "", "args": args}


def told_by(message: AIMessage) -> list[dict[str, Any]]:
    """A message's calls as data, of tools or of a bound function."""
    calls = [*message.tool_calls, *message.invalid_tool_calls]
    if calls:
        return [_told(call) for call in calls]
    called = message.additional_kwargs.get(FUNCTION_CALL)
    if not called:
        return []
    return told_calls([(None, called.get("name") or "", called.get("arguments") or "")])


def _parsed_calls(found: list[tuple[str | None, str, str]]) -> tuple[list[ToolCall], list[Any]]:
    good, bad = [], []
    for call_id, name, arguments in found:
        try:
            args = _exact(arguments or "{}")
        except ValueError:
            args = None
        if isinstance(args, dict) and not is_too_deep(args):
            good.append(tool_call(name=name, args=args, id=call_id))
        else:
            error = "arguments are no JSON object"
            bad.append(invalid_tool_call(name=name, args=arguments, id=call_id, error=error))
    return good, bad


def _exact(text: str) -> Any:
    """The JSON in a text. Raises ValueError."""
    value = orjson.loads(text)
    if not LONG_NUMBER.search(text):
        return value
    try:
        # of which orjson makes a rounded float
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _parsed(content: str, response_format: Any) -> Any:
    try:
        if isinstance(response_format, type):
            return response_format.model_validate_json(content)  # type: ignore[attr-defined]
        return _exact(content)
    except ValueError:
        return None
