"""One turn as the ledger stores it: who asked what, how it ended, what it used. Plain values that fit into JSON."""

from collections.abc import Iterable, Mapping, Sequence
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
    models = list(dict.fromkeys(call.model for call in row.calls))
    return {
        **row.facts.as_json(),
        "models": ",".join(models)[:MOST_MODEL_CHARS],
        "ending": row.ending,
        "code": row.code,
        "ended_at_us": row.ended_at_us,
        "duration_ms": row.duration_ms,
        "day": calendar.moment(row.ended_at_us).day,
        **_sums(row.calls),
        "by_model": [_part(model, row.calls) for model in models] if len(models) > 1 else None,
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
    return {"model": model, **_sums([call for call in calls if call.model == model])}


def _sums(calls: Sequence[Call]) -> dict[str, int]:
    return {
        "calls": len(calls),
        "input_tokens": sum(call.input_tokens for call in calls),
        "cached_input_tokens": sum(call.cached_input_tokens for call in calls),
        "output_tokens": sum(call.output_tokens for call in calls),
        "estimated_tokens": sum(call.tokens for call in calls if call.estimated),
        "unpriced_tokens": sum(call.tokens for call in calls if call.cost is None),
        "cost": sum(call.cost or 0 for call in calls),
    }
