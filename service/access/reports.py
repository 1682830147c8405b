"""What was used: sums by key, user, day or model. Those of whole days are kept, others come from the ledger."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, func, select

from service.access import schema
from service.access.ledger import SUMS
from service.access.periods import LAST_US, MICROSECONDS

By = Literal["key", "user", "day", "model"]
ledger = schema.ledger.c
COLUMNS: dict[By, ColumnElement[Any]] = {
    "key": ledger.key,
    "user": func.coalesce(ledger.user_id, ""),
    "day": ledger.day,
    "model": ledger.models,
}
usage = schema.usage.c
# which sums are of what
KINDS: dict[By, tuple[ColumnElement[Any], tuple[str, ...]]] = {
    "key": (usage.key, ("turn", "whole")),
    "user": (usage.user_id, ("user",)),
    "day": (usage.day, ("turn", "whole")),
    "model": (usage.model, ("turn", "part")),
}


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open time range, for one key or all."""

    since_us: int
    until_us: int
    key: str | None = None


@dataclass
class Used:
    """turns, of a model: those that called it."""

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
    """Sorted by name; days are in chronological order."""
    found: dict[str, Used] = {}
    whole = []
    for day, first_us, last_us in _days(connection, span):
        if span.since_us <= first_us and last_us < span.until_us:
            whole.append(day)
        else:
            within = _within_day(span, first_us, last_us)
            _add_rows(connection, by, within, ledger.day == day, found)
    if whole:
        _add(found, connection.execute(_kept(by, span, whole)))
    return sorted(found.values(), key=lambda one: one.name)


def _days(connection: Connection, span: Span) -> Sequence[Any]:
    """Days with rows in the span, and when their first and last one were, at the most."""
    first_us, last_us = func.min(usage.first_us), func.max(usage.last_us)
    return connection.execute(
        select(usage.day, first_us, last_us)
        .where(usage.kind.in_(("turn", "whole")))
        .where(usage.day >= _date(span.since_us, -1), usage.day <= _date(span.until_us, 1))
        .group_by(usage.day)
        .having(last_us >= span.since_us, first_us < span.until_us)
    ).all()


def _date(at_us: int, days: int) -> str:
    """In UTC, and that many days later: whatever the zone of the ledger's days is, it is no further away."""
    seconds = min(max(at_us, 0), LAST_US) // MICROSECONDS
    return str(datetime.fromtimestamp(seconds, UTC).date() + timedelta(days=days))


def _within_day(span: Span, first_us: int, last_us: int) -> Span:
    return replace(
        span,
        since_us=max(span.since_us, first_us),
        until_us=min(span.until_us, last_us + 1),
    )


def _kept(by: By, span: Span, days: Sequence[str]) -> Any:
    name, kinds = KINDS[by]
    of_key = [] if span.key is None else [usage.key == span.key]
    columns = ("turns", "completed", *SUMS)
    return (
        select(name, *(func.sum(usage[column]) for column in columns))
        .where(usage.kind.in_(kinds), usage.day.in_(days), *of_key)
        .group_by(name)
    )


def _add_rows(
    connection: Connection, by: By, span: Span, day: ColumnElement[bool], found: dict[str, Used]
) -> None:
    # a turn that called several models is split up in by_model
    whole = [ledger.by_model.is_(None)] if by == "model" else []
    _add(found, connection.execute(_sums(by, span, [day, *whole])))
    if by == "model":
        _add_parts(connection, span, day, found)


def _add(found: dict[str, Used], rows: Iterable[Any]) -> None:
    for name, turns, completed, *values in rows:
        sums = {column: int(value) for column, value in zip(SUMS, values, strict=True)}
        found.setdefault(name, Used(name)).add(int(turns), int(completed), sums)


def of_request(connection: Connection, request_id: str) -> list[dict[str, Any]]:
    """The rows with this id: a caller may reuse it for many turns."""
    rows = select(schema.ledger).where(ledger.request_id == request_id).order_by(ledger.ended_at_us)
    found = connection.execute(rows).mappings()
    # SQLAlchemy's names are not plain strings
    return [{str(name): value for name, value in row.items()} for row in found]


def _add_parts(
    connection: Connection, span: Span, day: ColumnElement[bool], found: dict[str, Used]
) -> None:
    rows = select(ledger.ending, ledger.by_model).where(
        *_within(span), day, ledger.by_model.is_not(None)
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
