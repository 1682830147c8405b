"""Price lists in files: what one says, what wins, and what is refused."""

import math
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from service.chat.events import Usage
from service.llm.price_file import Price, UnusablePrices, find, read

ENTRY = '[models."mine"]\ninput = 3\ncached_input = 1.5\noutput = 6\nas_of = 2026-01-02\n'
PRICE = Price(Decimal(2), Decimal("0.5"), Decimal(8), date(2026, 1, 1))


def price_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "prices.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_input_cached_input_and_output_have_prices_of_their_own():
    usage = Usage(1000, 10, "reported", cached_input_tokens=400)
    assert PRICE.cost(usage) == Decimal(600 * 2 + 200 + 10 * 8) / 1_000_000


def test_usage_that_names_no_cached_tokens_has_none():
    assert PRICE.cost(Usage(1000, 0, "estimated")) == Decimal("0.002")


def test_more_cached_tokens_than_tokens_never_make_a_negative_bill():
    assert PRICE.cost(Usage(10, 0, "reported", 1000)) == Decimal("0.000005")


def test_a_price_is_what_the_file_says_to_the_last_digit(tmp_path):
    table = read(price_file(tmp_path, ENTRY.replace("input = 3\n", "input = 0.1\n")))
    assert table["mine"].cost(Usage(3, 0, "reported")) == Decimal("0.0000003")


def test_a_dated_name_has_the_price_of_the_undated_one_unless_it_has_its_own():
    own = Price(Decimal(1), Decimal(1), Decimal(1), date(2026, 1, 1))
    table = {"m": PRICE, "m-2026-01-01": own}
    assert find(table, "m-2026-01-01") == own
    assert find(table, "m-2025-01-01") == find(table, "m-20250101") == PRICE
    assert find(table, "m-preview") is None


def test_the_local_model_is_free():
    assert read(None)["smollm2-135m-instruct"].cost(Usage(10, 10, "reported")) == 0


def test_the_override_wins_and_leaves_the_others(tmp_path):
    table = read(price_file(tmp_path, ENTRY + ENTRY.replace("mine", "smollm2-135m-instruct")))
    assert table["mine"] == table["smollm2-135m-instruct"]
    assert table["mine"] == Price(Decimal(3), Decimal("1.5"), Decimal(6), date(2026, 1, 2))
    assert "smollm2-135m-instruct" in read(price_file(tmp_path, ENTRY))


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
        read(price_file(tmp_path, text))
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_file_that_is_not_text_is_refused(tmp_path):
    path = tmp_path / "prices.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UnusablePrices, match=r"prices\.toml is no price list"):
        read(path)
