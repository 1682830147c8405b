"""What tokens cost: by the provider's address, by the model's name, and never at the price of a turn."""

import re
import sys
import threading
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from genai_prices.data_snapshot import get_snapshot

from service.chat.events import Usage
from service.llm.price_file import Price
from service.llm.prices import Prices, Rates, load_prices, rates_of, snapshot, total

OPENAI = "https://api.openai.com/v1"
GEMINI = "https://generativelanguage.googleapis.com/v1beta/openai"
MILLION = Usage(1_000_000, 0, "reported")


@pytest.fixture(scope="module")
def prices():
    return load_prices(None)


@pytest.mark.parametrize("model", ["gpt-4o-mini", "gpt-4o-mini-2024-07-18", "openai/gpt-4o-mini"])
@pytest.mark.parametrize("address", [OPENAI, "", "http://gateway:4000/v1"])
def test_published_models_have_a_price_by_dated_and_by_prefixed_name(prices, model, address):
    usage = Usage(1000, 100, "reported", 200)
    cost = prices.at(address).cost(model, usage)
    assert cost == pytest.approx((800 * 0.15 + 200 * 0.075 + 100 * 0.6) / 1e6)


USAGES = (
    Usage(1000, 100, "reported"),
    Usage(123_457, 789, "reported", 1_003),
    Usage(123_457, 0, "reported", 0, 7),
    Usage(123_457, 12_345, "reported", 3, 123_000),
    Usage(0, 5, "reported"),
    Usage(10, 5, "reported", 11),
)


def test_rates_come_to_what_the_package_says_for_every_model():
    """Also where cached tokens have no price of their own, and where nothing costs."""
    with_rates = 0
    for provider in get_snapshot().providers:
        for model in provider.models:
            rates = rates_of(provider, model)
            if rates is not None:
                with_rates += 1
                wanted = [total(usage, provider, model) for usage in USAGES]
                assert [rates.cost(usage) for usage in USAGES] == wanted, model.id
    assert with_rates > 500


@pytest.mark.parametrize(("model", "priced"), [("gpt-4o-mini", True), ("claude-3-haiku", False)])
def test_counts_that_cannot_be_are_left_to_the_package(prices, model, priced):
    """More tokens were cached than there are: rates alone would make it cheap."""
    usage = Usage(10, 5, "reported", 4, 7)
    found = get_snapshot().find_provider_model(model, None, None, None)
    wanted = total(usage, *found)
    assert rates_of(*found).cost(usage) is None
    assert (wanted is not None) == priced
    assert prices.cost(model, usage) == (float(wanted) if priced else None)


def test_rates_are_looked_up_every_minute(prices, monkeypatch):
    """Some depend on the time of day."""
    monkeypatch.setattr("service.llm.prices.time.time", lambda: 60.0 * minute)
    monkeypatch.setattr("service.llm.prices.rates_of", lambda *_: Rates(*[Decimal(minute)] * 4))
    for minute in (7, 8):
        assert prices.cost("gpt-4o-mini", Usage(1, 0, "reported")) == minute


def test_a_provider_that_is_named_has_its_own_models_only(prices):
    assert prices.of("azure_openai", "").cost("gpt-4o", MILLION)
    for model in ("gemini-2.5-flash", "gemini-2.5-pro"):
        assert prices.of("google_genai", "").cost(model, MILLION)
        assert prices.of("azure_openai", "").cost(model, MILLION) is None


@pytest.mark.parametrize("usage", [MILLION, replace(MILLION, cache_written_tokens=1_000_001)])
def test_the_same_model_may_cost_differently_at_another_provider(prices, usage):
    """Also where the package decides."""
    name = "deepseek/deepseek-chat"
    by_provider = prices.at("https://openrouter.ai/api/v1").cost(name, usage)
    by_name = prices.at("").cost(name, usage)
    assert by_provider
    assert by_name
    assert by_provider != by_name


def test_a_long_input_has_the_price_of_its_tier(prices):
    here = prices.at(GEMINI)
    long, short = here.cost("gemini-2.5-pro", MILLION), here.cost("gemini-2.5-pro", Usage(1, 0, ""))
    assert long is not None
    assert short is not None
    assert long > short * 1_000_000


def test_other_providers_models_are_known_by_their_names(prices):
    plain = prices.cost("claude-sonnet-4-5", MILLION)
    assert plain
    assert prices.cost("anthropic:claude-sonnet-4-5", MILLION) == plain


@pytest.mark.parametrize(
    "model", ["sim", "deepseek-r1:8b", "", "gpt-4o-mini-preview", "a/b", "x" * 999]
)
def test_a_model_without_a_price_costs_an_unknown_sum(prices, model):
    assert prices.cost(model, MILLION) is None
    assert not prices.knows(model)


def test_a_free_model_costs_nothing_which_is_not_unknown(prices):
    assert prices.cost("smollm2-135m-instruct", MILLION) == 0
    assert prices.knows("smollm2-135m-instruct")


@pytest.mark.parametrize(
    "usage",
    [
        Usage(10, 0, "reported", 1000),
        Usage(-5, 3, "reported"),
        Usage(5, -3, "reported"),
        Usage(10**18, 10**18, "reported"),
    ],
)
def test_no_usage_fails_a_turn(prices, usage):
    prices.cost("gpt-4o-mini", usage)
    prices.cost("smollm2-135m-instruct", usage)


def test_the_own_list_wins_over_what_is_published():
    dollar = Price(Decimal(1), Decimal(1), Decimal(1), date(2026, 1, 1))
    prices = Prices({"gpt-4o": dollar}, OPENAI)
    assert prices.cost("gpt-4o-2024-08-06", MILLION) == 1
    assert prices.cost("gpt-4o-mini", MILLION) == 0.15


def test_nothing_is_fetched_and_the_log_can_say_which_prices_these_are():
    load_prices(None).cost("gpt-4o", MILLION)
    assert not [each for each in threading.enumerate() if "price" in each.name.lower()]
    assert sys.modules["genai_prices.data_snapshot"]._custom_snapshot is None
    said = re.fullmatch(r"genai-prices [\d.]+, latest price of (\d{4}-\d\d-\d\d)", snapshot())
    assert said
    latest = date.fromisoformat(said[1])
    assert date(2026, 1, 1) < latest <= date.today() + timedelta(days=1)  # noqa: DTZ011
