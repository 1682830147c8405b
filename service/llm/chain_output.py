"""Turns a chain's output into text and data: strings and messages are text, a final object is the answer as JSON."""

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import PurePath
from typing import Any

import orjson
from langchain_core.documents import Document
from langchain_core.load.serializable import Serializable
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolMessage
from langchain_core.runnables.utils import AddableDict
from pydantic import BaseModel

from service.llm.accumulator import FUNCTION_CALL, told_by, told_calls
from service.llm.nesting import is_too_deep

MOST_DATA_BYTES = 64 * 1024
# scores of vector stores are numpy's
OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY
UNSAID = frozenset({"system", "history", "input"})


class NotJson(ValueError):
    """A value that cannot be JSON, or is too long or nested too deeply."""


def jsonable(value: Any) -> Any:
    """The value as plain JSON. Raises NotJson."""
    told = as_text(value)
    size = len(told.encode(errors="surrogatepass"))
    if size > MOST_DATA_BYTES:
        raise NotJson(f"{size} bytes")
    plain = json.loads(told)
    if is_too_deep(plain):
        raise NotJson("nested too deeply")
    return plain


def as_text(value: Any) -> str:
    """An answer that is an object, as JSON text. Raises NotJson."""
    try:
        return orjson.dumps(value, default=_plain, option=OPTIONS).decode()
    except (TypeError, orjson.JSONEncodeError):
        return _as_text_without_orjson(value)


def _as_text_without_orjson(value: Any) -> str:
    """For what orjson refuses: numbers of more than 64 bits, and halves of characters. Raises NotJson."""
    try:
        return json.dumps(
            value, default=_converted, ensure_ascii=False, allow_nan=False, separators=(",", ":")
        )
    except (TypeError, ValueError, RecursionError):
        raise NotJson(type(value).__name__) from None


def _converted(value: Any) -> Any:
    try:
        return _plain(value)
    except TypeError:
        return orjson.loads(orjson.dumps(value, option=OPTIONS))


def _plain(value: Any) -> Any:  # noqa: PLR0911 - one for each kind
    if isinstance(value, Document):
        return {"page_content": value.page_content, "metadata": value.metadata}
    if isinstance(value, BaseMessage):
        return {
            "role": "ai" if isinstance(value, AIMessage) else value.type,
            "content": value.content,
        }
    if isinstance(value, BaseException):
        return type(value).__name__
    if isinstance(value, BaseModel | Serializable):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, set | frozenset):
        return list(value)
    if isinstance(value, Decimal | PurePath):
        return str(value)
    raise TypeError


class Outputs:
    """Reads a chain's output. `result` is its last object; AddableDicts are parts of one object, and lists may be.

    given: the chain's input, which is not an answer. answer_field: the field of an object that is the answer. fields:
    those of an object that arrive in any order.
    """

    def __init__(
        self,
        given: Any = None,
        *,
        adds_lists: bool = False,
        answer_field: str | None = None,
        fields: Sequence[str] = (),
    ) -> None:
        self._given = given if isinstance(given, dict) else {}
        self._answer_field = answer_field
        self._places = {name: place for place, name in enumerate(fields)}
        self._addable = (AddableDict, list) if adds_lists else (AddableDict,)
        self.result: Any = None
        self.tool_calls: list[dict[str, Any]] = []
        self._message: Any = None

    def read(self, out: Any) -> str:
        """Returns the text in an output."""
        if isinstance(out, str):
            return out
        if isinstance(out, AIMessage | AIMessageChunk):
            self._add_calls(out)
            return str(out.text)
        if isinstance(out, ToolMessage):
            return text_of_tool(out)
        if isinstance(out, BaseMessage) or out is None:
            return ""
        adds = isinstance(out, self._addable) and isinstance(self.result, type(out))
        self.result = self.result + out if adds else out
        return ""

    def end(self) -> str:
        """Returns the remaining text: the object."""
        for call in self._calls():
            self.tool_calls.append(call)
        result = self._chosen()
        if result is None or isinstance(result, str):
            return result or ""
        if messages := _conversation(result):
            return _answer_in(messages)
        return as_text(result)

    def _chosen(self) -> Any:
        """The answer in the object. Instruction and history are not, if the chain only passes them on."""
        result = self.result
        if not isinstance(result, dict):
            return result
        if self._answer_field is not None and self._answer_field in result:
            return result[self._answer_field]
        ordered = sorted(result.items(), key=lambda item: self._places.get(item[0], -1))
        return {
            name: value
            for name, value in ordered
            if name not in UNSAID or value is not self._given.get(name)
        }

    def _add_calls(self, message: AIMessage) -> None:
        """Parts of a message are joined; complete messages are taken as they are."""
        if isinstance(message, AIMessageChunk):
            called = FUNCTION_CALL in message.additional_kwargs
            if message.tool_call_chunks or message.tool_calls or called:
                self._message = message if self._message is None else self._message + message
        else:
            self.tool_calls += calls_of(message)

    def _calls(self) -> list[dict[str, Any]]:
        return calls_of(self._message) if self._message is not None else []


def _conversation(value: Any) -> list[BaseMessage]:
    """The messages that are the answer: a list, those of a state, or those of a node's update."""
    if not isinstance(value, Mapping):
        return messages_in(value)
    states = [value, *(part for part in value.values() if isinstance(part, Mapping))]
    return [one for state in states for one in messages_in(state.get("messages"))]


def calls_of(message: AIMessage) -> list[dict[str, Any]]:
    """Its calls as data; arguments that are no JSON, or nested too deeply, are text."""
    if isinstance(message, AIMessageChunk) and message.tool_call_chunks:
        # in its tool_calls LangChain completes arguments that are cut
        parts = message.tool_call_chunks
        return told_calls([(c["id"], c["name"] or "", c["args"] or "") for c in parts])
    return [{**call, "args": _told_args(call["args"])} for call in told_by(message)]


def _told_args(args: Any) -> Any:
    return as_text(args) if is_too_deep(args) else args


def messages_in(value: Any) -> list[BaseMessage]:
    """The messages of a state or an update, in order; none for anything else."""
    if isinstance(value, BaseMessage):
        return [value]
    if isinstance(value, Mapping):
        return [message for part in value.values() for message in _listed(part)]
    return list(_listed(value))


def _listed(value: Any) -> Iterator[BaseMessage]:
    if isinstance(value, BaseMessage):
        yield value
    elif isinstance(value, list | tuple):
        yield from (item for item in value if isinstance(item, BaseMessage))


def last_text(messages: Iterable[BaseMessage]) -> str:
    texts = [str(message.text) for message in messages if isinstance(message, AIMessage)]
    return texts[-1] if texts else ""


def text_of_tool(message: ToolMessage) -> str:
    """The result of a tool as the answer. A failed one may quote an exception, which is the model's to read alone."""
    return "" if message.status == "error" else str(message.text)


def _answer_in(messages: Sequence[BaseMessage]) -> str:
    results = [message for message in messages if isinstance(message, ToolMessage)]
    if len(results) == len(messages):
        return "\n".join(filter(None, map(text_of_tool, results)))
    return last_text(messages)
