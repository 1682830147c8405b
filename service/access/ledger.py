"""One turn as the ledger stores it: who asked what, how it ended, what it used. Plain values that fit into JSON."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from service.access.allowance import Amount
from service.access.periods import Calendar

MOST_MODEL_CHARS = 256


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known when a turn begins. request_id is the caller's and may repeat; turn_id is ours."""

    turn_id: str
    request_id: str
    key: str
    user_id: str | None
    route: str
    chain: str | None = None
    model: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Call:
    """One attempt at a model, as billed. cost: picodollars; None: the model has no price."""

    model: str
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int = 0
    estimated: bool = False
    cost: int | None = None

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A turn that has ended. lost: its worker died; the row contains what was known."""

    facts: Facts
    ending: str
    code: str | None
    ended_at_us: int
    duration_ms: int
    calls: tuple[Call, ...] = ()
    lost: bool = False

    @property
    def spent(self) -> Amount:
        tokens = sum(call.tokens for call in self.calls)
        return Amount(tokens, sum(call.cost or 0 for call in self.calls))

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Raises KeyError, TypeError or ValueError for anything as_json() did not write."""
        calls = tuple(Call(**call) for call in stored["calls"])
        return cls(**{**stored, "facts": Facts(**stored["facts"]), "calls": calls})


def columns(row: LedgerRow, calendar: Calendar) -> dict[str, Any]:
    """The row's columns. Models are in the order in which they were called."""
    parts = [_part(model, row.calls) for model in dict.fromkeys(call.model for call in row.calls)]
    sums = {name: sum(part[name] for part in parts) for name in SUMS}
    return {
        **row.facts.as_json(),
        "models": ",".join(part["model"] for part in parts)[:MOST_MODEL_CHARS],
        "ending": row.ending,
        "code": row.code,
        "ended_at_us": row.ended_at_us,
        "duration_ms": row.duration_ms,
        "day": calendar.moment(row.ended_at_us).day,
        **sums,
        "by_model": parts if len(parts) > 1 else None,
        "lost": row.lost,
    }


SUMS = (
    "calls",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "estimated_tokens",
    "unpriced_tokens",
    "cost",
)


def _part(model: str, calls: Iterable[Call]) -> dict[str, Any]:
    own = [call for call in calls if call.model == model]
    return {
        "model": model,
        "calls": len(own),
        "input_tokens": sum(call.input_tokens for call in own),
        "cached_input_tokens": sum(call.cached_input_tokens for call in own),
        "output_tokens": sum(call.output_tokens for call in own),
        "estimated_tokens": sum(call.tokens for call in own if call.estimated),
        "unpriced_tokens": sum(call.tokens for call in own if call.cost is None),
        "cost": sum(call.cost or 0 for call in own),
    }
