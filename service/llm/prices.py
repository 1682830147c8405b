"""What tokens cost: a dated table."""

import math
import re
import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from service.chat.events import Usage

PER_TOKENS = 1_000_000
KINDS = ("input", "cached_input", "output")
DATED_NAME = re.compile(r"-\d{4}-\d{2}-\d{2}$")


class UnusablePrices(ValueError):
    """A price file does not say what its kind of file has to say."""


@dataclass(frozen=True)
class Price:
    """US dollars per million tokens, as published on `as_of`."""

    input: float
    cached_input: float
    output: float
    as_of: date


class Prices:
    """Prices by model name; a dated name (gpt-4o-2024-08-06) falls back to the undated one."""

    def __init__(self, table: dict[str, Price]) -> None:
        self._table = table

    def price(self, model: str) -> Price | None:
        return self._table.get(model) or self._table.get(DATED_NAME.sub("", model))

    def cost(self, model: str, usage: Usage) -> float | None:
        """US dollars, or None for a model without a price."""
        price = self.price(model)
        if price is None:
            return None
        cached = min(usage.cached_input_tokens or 0, usage.input_tokens)
        dollars = (
            (usage.input_tokens - cached) * price.input
            + cached * price.cached_input
            + usage.output_tokens * price.output
        )
        return round(dollars / PER_TOKENS, 10)


def load_prices(override: Path | None) -> Prices:
    """The shipped table, with the override's entries on top. Raises UnusablePrices."""
    table = _read(Path(__file__).with_name("prices.toml"))
    return Prices(table | (_read(override) if override else {}))


def _read(path: Path) -> dict[str, Price]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        return {name: _price(name, entry) for name, entry in _models(document).items()}
    # what is not UTF-8 or not TOML is a ValueError, too
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


def _dollars(name: str, entry: dict[str, Any], kind: str) -> float:
    value = entry.get(kind)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ValueError(f"{name} needs {kind}, US dollars per million tokens")
    return float(value)
