"""The events of a model call and the events of a turn: two closed sets."""

from dataclasses import dataclass, field
from typing import Any, Literal

from service.errors import ChatError, ErrorCode

UsageSource = Literal["reported", "estimated"]
Replaced = Literal["replaced"]


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one attempt; None: not reported.

    Both are parts of input_tokens: cached_input_tokens cost less, cache_written_tokens cost more (Anthropic).
    """

    input_tokens: int
    output_tokens: int
    source: UsageSource
    cached_input_tokens: int | None = None
    cache_written_tokens: int | None = None


@dataclass(slots=True)
class Chunk:
    """What arrived from a model since the last read: text (possibly many tokens), and possibly how the answer ended.

    tool_calls: deltas of OpenAI's shape, {"index", "id"?, "function": {"name"?, "arguments"?}}. provisional: the finish
    reason came with content; more may follow, because some servers send one in every frame.
    """

    text: str = ""
    thinking: str = ""
    tool_calls: list[dict[str, Any]] = field(default_factory=list)
    finish_reason: str | None = None
    usage: Usage | None = None
    provisional: bool = False


class Tick:
    """Nothing arrived within a tick: a chance to check the clock and the caller."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "TICK"


TICK = Tick()


@dataclass(frozen=True, slots=True)
class Start:
    """The turn was admitted and calls this model."""

    request_id: str
    model: str


@dataclass(frozen=True, slots=True)
class Token:
    """Text to append to the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Thinking:
    """The model is thinking, perhaps with its text: not a part of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCalls:
    """Parts of the tool calls that the model requests, as in Chunk."""

    deltas: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Data:
    """Data the chain sends besides the text, such as sources or progress. value is JSON."""

    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class Restart:
    """Discards the text so far: another attempt starts the answer from the beginning, or the chain has replaced it."""

    reason: ErrorCode | Replaced
    model: str


@dataclass(frozen=True, slots=True)
class Done:
    """The answer is complete."""

    finish_reason: str
    model: str
    usage: Usage
    cost_usd: float | None


@dataclass(frozen=True, slots=True)
class Failed:
    """The answer is incomplete, and why."""

    error: ChatError


def fields_of(record: Usage | Start | Data | Restart) -> dict[str, Any]:
    """A shallow copy, unlike asdict()."""
    return {name: getattr(record, name) for name in record.__slots__}


# the events of one model call
CallEvent = Token | Thinking | ToolCalls | Restart | Done | Tick
# the events of a turn
Event = Start | Token | Thinking | Data | Restart | Done | Failed | Tick
