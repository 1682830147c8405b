"""Rows for a person, a spreadsheet or a program: a table, CSV or JSON."""

import csv
import io
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal

import orjson

from service.access.money import picodollars, shown

Form = Literal["table", "csv", "json"]
Row = Mapping[str, Any]
NOTHING = "-"


def as_json(value: Any) -> str:
    """Money is a number without an exponent."""
    return orjson.dumps(value, default=_plain, option=orjson.OPT_INDENT_2).decode()


def printed(rows: Sequence[Row], form: Form, columns: Sequence[str] = ()) -> str:
    """columns: the header if there are no rows. The result has no trailing newline."""
    if form == "json":
        return as_json(list(rows))
    return _csv(rows, columns) if form == "csv" else _table(rows)


def listed(row: Row) -> str:
    """One row, with a line per column."""
    width = max(map(len, row))
    return "\n".join(f"{name.ljust(width)}  {_shown(value)}" for name, value in row.items())


def _plain(value: Any) -> Any:
    return orjson.Fragment(f"{value:f}") if isinstance(value, Decimal) else str(value)


def _csv(rows: Sequence[Row], columns: Sequence[str]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue().rstrip("\n")


def _cell(value: Any) -> Any:
    if isinstance(value, Decimal):
        return _shown(value)
    # a spreadsheet would take a user name that begins like this for a formula
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value


def _table(rows: Sequence[Row]) -> str:
    if not rows:
        return "nothing"
    lines = [list(rows[0]), *([_shown(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(_aligned(line, widths, rows[0]) for line in lines)


def _aligned(line: Sequence[str], widths: Sequence[int], row: Row) -> str:
    """Right-aligns numbers."""
    cells = [
        cell.rjust(width) if isinstance(value, int | Decimal) else cell.ljust(width)
        for cell, width, value in zip(line, widths, row.values(), strict=True)
    ]
    return "  ".join(cells).rstrip()


def _shown(value: Any) -> str:
    if isinstance(value, Decimal):
        return shown(picodollars(value))
    if isinstance(value, list | dict):
        pairs = value.items() if isinstance(value, dict) else value
        return ", ".join(_shown(one) for one in pairs) or NOTHING
    if isinstance(value, tuple):
        return "=".join(map(_shown, value))
    return NOTHING if value is None or value == "" else str(value)
