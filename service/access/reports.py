"""What was used, from the ledger: sums by key, user, day or model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, func, select

from service.access import schema
from service.access.ledger import SUMS

By = Literal["key", "user", "day", "model"]
ledger = schema.ledger.c
COLUMNS: dict[By, ColumnElement[Any]] = {
    "key": ledger.key,
    "user": func.coalesce(ledger.user_id, ""),
    "day": ledger.day,
    "model": ledger.models,
}


@dataclass(frozen=True, slots=True)
class Span:
    """From a time until before another, for one key or all."""

    since_us: int
    until_us: int
    key: str | None = None


@dataclass
class Used:
    """turns of a model: those in which it was asked."""

    name: str
    turns: int = 0
    completed: int = 0
    calls: int = 0
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    estimated_tokens: int = 0
    unpriced_tokens: int = 0
    cost: int = 0

    def add(self, turns: int, completed: int, sums: dict[str, int]) -> None:
        self.turns += turns
        self.completed += completed
        for name, value in sums.items():
            setattr(self, name, getattr(self, name) + value)


def used(connection: Connection, by: By, span: Span) -> list[Used]:
    """In the order of their names; days in the order of time."""
    found: dict[str, Used] = {}
    # a turn that asked several models is in by_model, in parts
    whole = [ledger.by_model.is_(None)] if by == "model" else []
    for name, turns, completed, *values in connection.execute(_sums(by, span, whole)):
        sums = {column: int(value) for column, value in zip(SUMS, values, strict=True)}
        found.setdefault(name, Used(name)).add(turns, int(completed), sums)
    if by == "model":
        _add_parts(connection, span, found)
    return sorted(found.values(), key=lambda one: one.name)


def of_request(connection: Connection, request_id: str) -> list[dict[str, Any]]:
    """Its rows: a caller may give the same id to many turns."""
    rows = select(schema.ledger).where(ledger.request_id == request_id).order_by(ledger.ended_at_us)
    found = connection.execute(rows).mappings()
    # SQLAlchemy's own kind of names is not JSON's
    return [{str(name): value for name, value in row.items()} for row in found]


def _add_parts(connection: Connection, span: Span, found: dict[str, Used]) -> None:
    rows = select(ledger.ending, ledger.by_model).where(
        *_within(span), ledger.by_model.is_not(None)
    )
    for ending, parts in connection.execute(rows):
        for part in parts:
            sums = {column: part[column] for column in SUMS}
            name = part["model"]
            found.setdefault(name, Used(name)).add(1, int(ending == "completed"), sums)


def _sums(by: By, span: Span, more: Sequence[ColumnElement[bool]]) -> Any:
    completed = func.count().filter(ledger.ending == "completed")
    return (
        select(
            COLUMNS[by],
            func.count(),
            completed,
            *(func.sum(ledger[column]) for column in SUMS),
        )
        .where(*_within(span), *more)
        .group_by(COLUMNS[by])
    )


def _within(span: Span) -> list[ColumnElement[bool]]:
    within = [ledger.ended_at_us >= span.since_us, ledger.ended_at_us < span.until_us]
    return within if span.key is None else [*within, ledger.key == span.key]
