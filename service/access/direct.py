"""The transactions of every turn on SQLite, on the driver's own connection.

SQLAlchemy writes their statements, each of them once. Executing them through it would take several times as long as
SQLite does.
"""

import sqlite3
from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Executable, Select
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

DIALECT = sqlite.dialect()

Values = Mapping[str, Any]
Converter = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Compiled:
    """order: the parameters, and what converts them. constant: those the statement sets itself. lists: the parameters
    for the items of each list. row: makes one from the driver's."""

    text: str
    order: Sequence[tuple[str, Converter | None]]
    constant: Values
    lists: Mapping[str, Sequence[str]]
    row: Converter | None

    def arguments(self, values: Values) -> list[Any]:
        if self.constant or self.lists:
            values = {**self.constant, **values}
            for name, items in self.lists.items():
                values.update(zip(items, _padded(values[name], len(items)), strict=True))
        return [convert(values[name]) if convert else values[name] for name, convert in self.order]


class DirectConnection:
    """What the transactions of every turn use of a Connection. replied: called after each statement."""

    dialect = DIALECT

    def __init__(self, cursor: DBAPICursor, replied: Callable[[], object]) -> None:
        self._cursor = cursor
        self._replied = replied

    def execute(
        self, statement: Executable, values: Values | list[dict[str, Any]] | None = None
    ) -> list[Any]:
        """Returns a query's rows. Several sets of values: for a change."""
        if isinstance(values, list):
            compiled = _compiled(statement, tuple(values[0]), ())
            self._cursor.executemany(compiled.text, [compiled.arguments(one) for one in values])
        else:
            values = values or {}
            compiled = _compiled(statement, tuple(values), _sizes(values))
            self._cursor.execute(compiled.text, compiled.arguments(values))
        self._replied()
        return [compiled.row(row) for row in self._cursor.fetchall()] if compiled.row else []

    def scalar(self, statement: Executable) -> Any:
        return next((row[0] for row in self.execute(statement)), None)


AnyConnection = Connection | DirectConnection


@contextmanager
def errors_wrapped() -> Iterator[None]:
    """Raises the driver's errors as SQLAlchemy does."""
    try:
        yield
    except sqlite3.Error as error:
        raise DBAPIError.instance(None, None, error, sqlite3.Error, dialect=DIALECT) from error


def _sizes(values: Values) -> tuple[tuple[str, int], ...]:
    """How many items to provide for in each list: powers of two, so that a statement has few texts."""
    return tuple(
        (name, 1 << (len(value) - 1).bit_length() if value else 0)
        for name, value in values.items()
        if isinstance(value, list)
    )


def _padded(items: list[Any], size: int) -> list[Any]:
    """Repeating an item changes nothing."""
    return items + items[-1:] * (size - len(items))


@lru_cache(maxsize=128)
def _compiled(
    statement: Any, names: tuple[str, ...], sizes: tuple[tuple[str, int], ...]
) -> Compiled:
    compiler: SQLCompiler = statement.compile(dialect=DIALECT, column_keys=names)
    lists = {name: [None] * size for name, size in sizes}
    if compiler.insert_prefetch or compiler.update_prefetch:
        raise TypeError(f"a column's default value is not applied here: {compiler}")
    state = compiler.construct_expanded_state({**dict.fromkeys(names), **lists})
    order = tuple(
        (name, state.processors[name] if name in state.processors else _binding(compiler, name))
        for name in state.positiontup or ()
    )
    given = {*names, *(name for items in state.parameter_expansion.values() for name in items)}
    constant = {name: value for name, value in state.parameters.items() if name not in given}
    row = _row(statement) if isinstance(statement, Select) else None
    return Compiled(state.statement, order, constant, state.parameter_expansion, row)


def _binding(compiler: SQLCompiler, name: str) -> Converter | None:
    if name not in compiler.binds:
        return None
    return _impl(compiler.binds[name].type).bind_processor(DIALECT)


def _row(statement: Select[Any]) -> Converter:
    columns = statement.selected_columns
    # typing.NamedTuple cannot be made from names known only now
    named = namedtuple("Row", columns.keys())  # type: ignore[misc]  # noqa: PYI024
    converters = [
        (index, convert)
        for index, column in enumerate(columns)
        if (convert := _impl(column.type).result_processor(DIALECT, None))
    ]

    def row(values: Sequence[Any]) -> Any:
        converted = list(values)
        for index, convert in converters:
            converted[index] = convert(converted[index])
        return named._make(converted)

    return row if converters else named._make


def _impl(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    return kind.dialect_impl(DIALECT)
