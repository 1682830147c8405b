"""What tokens cost: the shipped table, the override on top of it, and price lists that are none."""

import math
from datetime import date
from pathlib import Path

import pytest

from service.chat.events import Usage
from service.llm.prices import Price, Prices, UnusablePrices, load_prices

ENTRY = '[models."mine"]\ninput = 3\ncached_input = 1.5\noutput = 6\nas_of = 2026-01-02\n'


def price_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "prices.toml"
    path.write_text(text, encoding="utf-8")
    return path


def prices(**table: Price) -> Prices:
    return Prices(table)


def test_input_cached_input_and_output_have_prices_of_their_own():
    table = prices(m=Price(2.0, 0.5, 8.0, date(2026, 1, 1)))
    usage = Usage(1000, 10, "reported", cached_input_tokens=400)
    assert table.cost("m", usage) == pytest.approx((600 * 2 + 400 * 0.5 + 10 * 8) / 1_000_000)


def test_usage_that_names_no_cached_tokens_has_none():
    table = prices(m=Price(2.0, 0.5, 8.0, date(2026, 1, 1)))
    assert table.cost("m", Usage(1000, 0, "estimated")) == pytest.approx(0.002)


def test_more_cached_tokens_than_tokens_never_make_a_negative_bill():
    table = prices(m=Price(2.0, 0.5, 8.0, date(2026, 1, 1)))
    assert table.cost("m", Usage(10, 0, "reported", 1000)) == pytest.approx(10 * 0.5 / 1_000_000)


def test_a_model_without_a_price_costs_an_unknown_sum():
    assert prices().cost("m", Usage(1, 1, "reported")) is None


def test_a_free_model_costs_nothing_which_is_not_unknown():
    assert load_prices(None).cost("smollm2-135m-instruct", Usage(10, 10, "reported")) == 0


def test_a_dated_name_has_the_price_of_the_undated_one():
    shipped = load_prices(None)
    assert shipped.price("gpt-4o-mini-2024-07-18") == shipped.price("gpt-4o-mini")
    assert shipped.price("gpt-4o-mini-preview") is None


def test_a_dated_name_may_have_a_price_of_its_own():
    own, undated = (Price(x, x, x, date(2026, 1, 1)) for x in (1.0, 2.0))
    table = Prices({"m": undated, "m-2026-01-01": own})
    assert table.price("m-2026-01-01") == own


def test_every_shipped_price_is_plausible_and_dated():
    shipped = load_prices(None)._table
    assert "gpt-4o-mini" in shipped
    for name, price in shipped.items():
        assert 0 <= price.cached_input <= price.input <= price.output, name
        assert date(2024, 1, 1) < price.as_of <= date.today(), name  # noqa: DTZ011


def test_the_override_wins_and_leaves_the_others(tmp_path):
    text = ENTRY + ENTRY.replace("mine", "gpt-4o-mini")
    table = load_prices(price_file(tmp_path, text))
    assert table.price("gpt-4o-mini") == table.price("mine") == Price(3, 1.5, 6, date(2026, 1, 2))
    assert table.price("gpt-4o") == load_prices(None).price("gpt-4o")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "[models"),
        ("models = 5\n", "[models"),
        (ENTRY.replace("models", "model"), "[models"),
        ("this is no TOML", "key"),
        ("[models]\nmine = 5\n", "mine needs as_of"),
        (ENTRY.replace("as_of = 2026-01-02\n", ""), "mine needs as_of"),
        (ENTRY.replace("2026-01-02", '"today"'), "mine needs as_of"),
        (ENTRY.replace("input = 3\n", "", 1), "mine needs input"),
        (ENTRY.replace("cached_input = 1.5\n", ""), "mine needs cached_input"),
        (ENTRY.replace("output = 6", 'output = "6"'), "mine needs output"),
        (ENTRY.replace("output = 6", "output = -6"), "mine needs output"),
        (ENTRY.replace("output = 6", "output = true"), "mine needs output"),
        (ENTRY.replace("output = 6", "output = nan"), "mine needs output"),
        (ENTRY.replace("output = 6", f"output = {math.inf}"), "mine needs output"),
    ],
)
def test_what_is_no_price_list_is_refused_with_a_reason(tmp_path, text, said):
    with pytest.raises(UnusablePrices, match=r"prices\.toml is no price list: ") as refusal:
        load_prices(price_file(tmp_path, text))
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_file_that_is_not_text_is_refused(tmp_path):
    path = tmp_path / "prices.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UnusablePrices, match=r"prices\.toml is no price list"):
        load_prices(path)
