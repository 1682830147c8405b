"""What a model says, and what a turn says to its caller: two closed sets of events."""

from dataclasses import dataclass, field
from typing import Any, Literal

from service.errors import ChatError, ErrorCode

UsageSource = Literal["reported", "estimated"]


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one attempt; None where not reported.

    cached_input_tokens is the cheaper part of input_tokens, cache_written_tokens the dearer one (Anthropic's).
    """

    input_tokens: int
    output_tokens: int
    source: UsageSource
    cached_input_tokens: int | None = None
    cache_written_tokens: int | None = None


@dataclass(slots=True)
class Chunk:
    """What a model said since the last look: text (maybe of many tokens), and perhaps how it ended.

    tool_calls: deltas of OpenAI's shape, {"index", "id"?, "function": {"name"?, "arguments"?}}. provisional: the finish
    reason came together with content, as some servers write it into every frame: more may follow.
    """

    text: str = ""
    thinking: str = ""
    tool_calls: list[dict[str, Any]] = field(default_factory=list)
    finish_reason: str | None = None
    usage: Usage | None = None
    provisional: bool = False


class Tick:
    """Nothing came for a while, although the producer had its turn: time to look at clock and client."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "TICK"


TICK = Tick()


@dataclass(frozen=True, slots=True)
class Start:
    """The turn is admitted and asks this model."""

    request_id: str
    model: str


@dataclass(frozen=True, slots=True)
class Token:
    """Text to append to the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Thinking:
    """The model thinks, and perhaps says what: no part of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCalls:
    """Parts of calls that the model asks for, as in Chunk."""

    deltas: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Data:
    """What the chain says beside the text: sources, progress. value is JSON."""

    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class Restart:
    """The text so far is void: another attempt starts the answer from the beginning."""

    reason: ErrorCode
    model: str


@dataclass(frozen=True, slots=True)
class Done:
    """The answer is whole."""

    finish_reason: str
    model: str
    usage: Usage
    cost_usd: float | None


@dataclass(frozen=True, slots=True)
class Failed:
    """The answer is not whole, and this is why."""

    error: ChatError


def fields_of(record: Usage | Start | Data | Restart) -> dict[str, Any]:
    """Not a deep copy, as asdict() makes one."""
    return {name: getattr(record, name) for name in record.__slots__}


# what the guard says of one model call
CallEvent = Token | Thinking | ToolCalls | Restart | Done | Tick
# what a turn says to its caller
Event = Start | Token | Thinking | Data | Restart | Done | Failed | Tick
