"""The closed vocabularies of a turn: what a model says, and what a caller is told."""

from dataclasses import dataclass
from typing import Literal

from service.errors import ChatError

UsageSource = Literal["reported", "estimated"]


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one attempt. cached_input_tokens is the cheaper part of input_tokens; None where not told."""

    input_tokens: int
    output_tokens: int
    source: UsageSource
    cached_input_tokens: int | None = None


@dataclass(slots=True)
class Chunk:
    """What a model said since the last look: text (maybe of many tokens), and perhaps how it ended."""

    text: str = ""
    finish_reason: str | None = None
    usage: Usage | None = None


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
class Restart:
    """The text so far is void: another attempt begins the answer anew."""

    reason: str
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


Event = Start | Token | Restart | Done | Failed | Tick


@dataclass(slots=True)
class Attempt:
    """One call of the LLM, as it went. Times are seconds of a monotonic clock; None: it did not happen."""

    model: str
    started_at: float
    ended_at: float = 0.0
    first_chunk_at: float | None = None
    last_chunk_at: float | None = None
    chunks: int = 0
    result: str = "cancelled"
    cause: str | None = None
    finish_reason: str | None = None
    usage: Usage | None = None
    cost_usd: float | None = None

    @property
    def mean_gap(self) -> float | None:
        """Mean seconds between contents; None for fewer than two."""
        if self.chunks < 2 or self.first_chunk_at is None or self.last_chunk_at is None:
            return None
        return (self.last_chunk_at - self.first_chunk_at) / (self.chunks - 1)
