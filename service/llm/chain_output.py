"""What a chain hands out, as text and data: strings and messages are said, the last object is the answer as JSON."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson
from langchain_core.documents import Document
from langchain_core.load.serializable import Serializable
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.base import BaseMessageChunk
from langchain_core.runnables.utils import AddableDict
from pydantic import BaseModel

MOST_DATA_BYTES = 64 * 1024
ANSWER_FIELDS = ("answer", "output", "response", "result", "generation")


class NotJson(ValueError):
    """A value that cannot be told as JSON, or is too long."""


def jsonable(value: Any) -> Any:
    """The value as plain JSON. Raises NotJson."""
    try:
        told = orjson.dumps(value, default=_plain, option=orjson.OPT_NON_STR_KEYS)
    except (TypeError, orjson.JSONEncodeError):
        raise NotJson(type(value).__name__) from None
    if len(told) > MOST_DATA_BYTES:
        raise NotJson(f"{len(told)} bytes")
    return orjson.loads(told)


def as_text(value: Any) -> str:
    """An object that is the answer, as JSON text. Raises NotJson."""
    try:
        return orjson.dumps(value, default=_plain, option=orjson.OPT_NON_STR_KEYS).decode()
    except (TypeError, orjson.JSONEncodeError):
        raise NotJson(type(value).__name__) from None


def _plain(value: Any) -> Any:
    if isinstance(value, Document):
        return {"page_content": value.page_content, "metadata": value.metadata}
    if isinstance(value, BaseMessage):
        return {"role": value.type, "content": value.content}
    if isinstance(value, BaseModel | Serializable):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, set | frozenset):
        return list(value)
    raise TypeError


class Outputs:
    """Reads what a chain yields. `result` is its last object; AddableDicts are parts of one."""

    def __init__(self) -> None:
        self.result: Any = None
        self.tool_calls: list[dict[str, Any]] = []
        self._message: Any = None

    def read(self, out: Any) -> str:
        """The text in it."""
        if isinstance(out, str):
            return out
        if isinstance(out, AIMessage | AIMessageChunk):
            self._add_calls(out)
            return str(out.text)
        if isinstance(out, BaseMessage) or out is None:
            return ""
        if isinstance(out, AddableDict) and isinstance(self.result, AddableDict):
            self.result = self.result + out
        else:
            self.result = out
        return ""

    def end(self) -> str:
        """What is left to say: the object."""
        for call in self._calls():
            self.tool_calls.append(call)
        if self.result is None:
            return ""
        messages = messages_in(self.result)
        if messages:
            return last_text(messages)
        if isinstance(self.result, BaseMessageChunk):
            return str(self.result.text)
        return as_text(self.result)

    def _add_calls(self, message: AIMessage) -> None:
        """Parts of one message are put together, whole messages stand for themselves."""
        if isinstance(message, AIMessageChunk):
            if message.tool_call_chunks or message.tool_calls:
                self._message = message if self._message is None else self._message + message
        else:
            self.tool_calls += _told(message)

    def _calls(self) -> list[dict[str, Any]]:
        return _told(self._message) if self._message is not None else []


def _told(message: AIMessage) -> list[dict[str, Any]]:
    return [{"id": c["id"], "name": c["name"], "args": c["args"]} for c in message.tool_calls]


def messages_in(value: Any) -> list[BaseMessage]:
    """The messages of a state or an update, in order; none where it is something else."""
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


def result_text(state: Mapping[str, Any]) -> str:
    """What a graph has made that says nothing: the field that is called an answer, or all of it as JSON."""
    for name in ANSWER_FIELDS:
        if isinstance(text := state.get(name), str):
            return text
    return as_text(state) if state else ""


def is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True
