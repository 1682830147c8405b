"""Price files: the operator's PRICES_FILE, and the shipped one that complements genai-prices.

gunicorn's master reads them to report a bad one in one sentence, so nothing here may import an HTTP client.
"""

import re
import tomllib
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from service.chat.events import Usage

SHIPPED = Path(__file__).with_name("prices.toml")
PER_TOKENS = 1_000_000
KINDS = ("input", "cached_input", "output")
DATED_NAME = re.compile(r"-\d{4}-?\d{2}-?\d{2}$")


class UnusablePrices(ValueError):
    """A price file is unreadable or incomplete."""


@dataclass(frozen=True)
class Price:
    """US dollars per million tokens, as published on `as_of`."""

    input: Decimal
    cached_input: Decimal
    output: Decimal
    as_of: date

    def cost(self, usage: Usage) -> Decimal:
        cached = min(usage.cached_input_tokens or 0, usage.input_tokens)
        dollars = (
            (usage.input_tokens - cached) * self.input
            + cached * self.cached_input
            + usage.output_tokens * self.output
        )
        return dollars / PER_TOKENS


Table = dict[str, Price]


def read(override: Path | None) -> Table:
    """The shipped table, with the override's entries on top. Raises UnusablePrices."""
    return _read(SHIPPED) | (_read(override) if override else {})


def find(table: Table, model: str) -> Price | None:
    """A dated name (gpt-4o-2024-08-06) falls back to the undated one."""
    return table.get(model) or table.get(DATED_NAME.sub("", model))


def _read(path: Path) -> Table:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
        return {name: _price(name, entry) for name, entry in _models(document).items()}
    # invalid UTF-8 and invalid TOML are ValueErrors
    except (OSError, ValueError) as error:
        raise UnusablePrices(f"{path.name} is no price list: {error}") from None


def _models(document: dict[str, Any]) -> dict[str, Any]:
    models = document.get("models")
    if isinstance(models, dict):
        return models
    raise ValueError('it has no [models."name"] tables')


def _price(name: str, entry: Any) -> Price:
    as_of = entry.get("as_of") if isinstance(entry, dict) else None
    if not as_of or not isinstance(as_of, date):
        raise ValueError(f"{name} needs as_of, a date")
    input_, cached_input, output = (_dollars(name, entry, kind) for kind in KINDS)
    return Price(input_, cached_input, output, as_of)


def _dollars(name: str, entry: dict[str, Any], kind: str) -> Decimal:
    value = entry.get(kind)
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        dollars = Decimal(value)
        if dollars.is_finite() and dollars >= 0:
            return dollars
    raise ValueError(f"{name} needs {kind}, US dollars per million tokens")
