"""What tokens cost: PRICES_FILE first, then the snapshot inside the package genai-prices. Nothing is downloaded."""

import time
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from genai_prices.data_snapshot import find_provider_by_id, get_snapshot
from genai_prices.types import ModelInfo, Provider, TieredPrices
from genai_prices.types import Usage as PricedUsage

from service.chat.events import Usage
from service.llm import price_file
from service.llm.price_file import Table

# many providers speak OpenAI's API: the address decides whose prices apply
OPENAI = "openai"
PRICED_AS = {
    "google_genai": "google",
    "google_vertexai": "google",
    "azure_openai": "azure",
    "mistralai": "mistral",
    "xai": "x-ai",
    "bedrock": "aws",
    "bedrock_converse": "aws",
}
Found = tuple[Provider, ModelInfo]
ONE_OF_EACH = Usage(1, 1, "reported")
NOTHING = Usage(0, 0, "reported")


@dataclass(frozen=True)
class Rates:
    """US dollars per token, of a model at which each token of a kind costs the same."""

    input: Decimal
    output: Decimal
    cache_read: Decimal
    cache_written: Decimal

    def cost(self, usage: Usage) -> Decimal | None:
        """None: the package has to decide whether these counts are possible."""
        read = min(usage.cached_input_tokens or 0, usage.input_tokens)
        written = usage.cache_written_tokens or 0
        plain = usage.input_tokens - read - written
        if plain < 0:
            return None
        at_cache = read * self.cache_read + written * self.cache_written
        return plain * self.input + at_cache + usage.output_tokens * self.output


@dataclass(frozen=True)
class Prices:
    """The prices of models at one address: another provider may charge differently for the same model."""

    table: Table
    address: str = ""
    provider: str | None = None

    def at(self, address: str) -> "Prices":
        return replace(self, address=address)

    def of(self, provider: str, address: str) -> "Prices":
        """provider: as in LLM_MODEL; ignored if genai-prices does not know it."""
        known = find_provider_by_id(get_snapshot().providers, PRICED_AS.get(provider, provider))
        priced = None if provider == OPENAI or known is None else known.id
        return replace(self, address=address, provider=priced)

    def knows(self, model: str) -> bool:
        return self.cost(model, ONE_OF_EACH) is not None

    def cost(self, model: str, usage: Usage) -> float | None:
        """US dollars, or None for a model without a price. Never raises: no price list may fail a turn."""
        own = price_file.find(self.table, model)
        dollars = own.cost(usage) if own else self._published(model, usage)
        return None if dollars is None else float(dollars)

    def _published(self, model: str, usage: Usage) -> Decimal | None:
        # some prices depend on the time of day
        minute = int(time.time() // 60)
        rates = _rates(model, self.provider, self.address, minute)
        cost = rates.cost(usage) if rates else None
        if cost is not None:
            return cost
        return _published(model, self.provider, self.address, usage, minute)


def load_prices(override: Path | None) -> Prices:
    """Raises UnusablePrices. Called at start, because reading the snapshot takes a tenth of a second."""
    get_snapshot()
    return Prices(price_file.read(override))


def snapshot() -> str:
    """Describes the snapshot, for the log."""
    return f"genai-prices {version('genai-prices')}, latest price of {_latest_change()}"


def _latest_change() -> date:
    """The date of its newest price in force, because the package does not say when it was made."""
    today = datetime.now(UTC).date()
    starts = (
        getattr(condition.constraint, "start_date", None)
        for provider in get_snapshot().providers
        for model in provider.models
        if isinstance(model.prices, list)
        for condition in model.prices
    )
    return max((start for start in starts if start and start <= today), default=date.min)


@lru_cache(maxsize=256)
def _rates(model: str, provider: str | None, address: str, _minute: int) -> Rates | None:
    """The package takes 0.1 ms for each sum. None: no price, or one by tiers or per request."""
    found = _find(model, provider, address)
    return None if found is None else rates_of(*found)


def rates_of(provider: Provider, model: ModelInfo) -> Rates | None:
    prices = vars(model.get_prices(datetime.now(UTC)))
    if any(isinstance(price, TieredPrices) for price in prices.values()):
        return None
    ones = (
        Usage(1, 0, "reported"),
        Usage(0, 1, "reported"),
        Usage(1, 0, "reported", 1),
        Usage(1, 0, "reported", 0, 1),
    )
    costs = [total(usage, provider, model) for usage in ones]
    known = [cost for cost in costs if cost is not None]
    if len(known) < len(ones) or total(NOTHING, provider, model) != 0:
        return None
    return Rates(*known)


@lru_cache(maxsize=256)
def _published(
    model: str, provider: str | None, address: str, usage: Usage, _minute: int
) -> Decimal | None:
    """Cached, because each model call is estimated more than once."""
    found = _find(model, provider, address)
    return None if found is None else total(usage, *found)


@lru_cache(maxsize=1024)
def _find(model: str, provider: str | None, address: str) -> Found | None:
    """Looks the model up at this address's provider, or else at the provider its name belongs to."""
    if provider is not None:
        return _look_up(model, provider, None)
    if by_address := _look_up(model, None, address):
        return by_address
    named, name = _provider_and_name(model)
    # a tag as in deepseek-r1:8b marks a self-hosted model
    if ":" in name:
        return None
    # the snapshot finds chat models by name alone, but embeddings only with their provider
    return _look_up(name, named, None) or (None if named else _look_up(name, OPENAI, None))


def _look_up(model: str, provider: str | None, address: str | None) -> Found | None:
    try:
        return get_snapshot().find_provider_model(model, None, provider, address)
    except LookupError:
        return None


def total(usage: Usage, provider: Provider, model: ModelInfo) -> Decimal | None:
    try:
        counts = PricedUsage(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_read_tokens=min(usage.cached_input_tokens or 0, usage.input_tokens),
            cache_write_tokens=usage.cache_written_tokens or 0,
        )
        return model.calc_price(counts, provider).total_price
    # impossible counts
    except (LookupError, ValueError):
        return None


def _provider_and_name(model: str) -> tuple[str | None, str]:
    """Splits names that include their provider, such as openai/gpt-4o and anthropic:claude-sonnet-4-5."""
    for mark in ("/", ":"):
        provider, found, name = model.partition(mark)
        if found and find_provider_by_id(get_snapshot().providers, provider):
            return provider, name
    return None, model
