from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from service.access.money import dollars, picodollars, shown


def test_a_million_small_prices_add_up_exactly():
    # a REAL says 3.1499999999602
    assert sum(picodollars(3.15e-06) for _ in range(1_000_000)) == picodollars(Decimal("3.15"))


@given(st.integers(0, 10**18))
def test_an_amount_survives_being_shown(amount):
    assert picodollars(dollars(amount)) == amount
    assert picodollars(Decimal(shown(amount))) == amount


def test_amounts_are_shown_in_full_and_without_exponents():
    assert shown(0) == "0.00"
    assert shown(50 * 10**12) == "50.00"
    assert shown(1) == "0.000000000001"
    assert shown(picodollars(0.0026)) == "0.0026"
