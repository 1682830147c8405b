"""US dollars as whole picodollars: sums are exact, and equal on every database."""

from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache

PICODOLLARS = 10**12
# fits into a signed 64-bit column, with room for sums
MOST_USD = Decimal(1_000_000)


@lru_cache(maxsize=1024)
def picodollars(usd: float | Decimal) -> int:
    """Digits of a float beyond the twelfth are rounding noise."""
    return int((Decimal(usd) * PICODOLLARS).to_integral_value(ROUND_HALF_EVEN))


def dollars(amount: int) -> Decimal:
    return Decimal(amount) / PICODOLLARS


def shown(amount: int) -> str:
    """For people and CSV: all digits, at least two after the point."""
    whole, _, part = f"{dollars(amount):f}".partition(".")
    return f"{whole}.{part.rstrip('0'):0<2}"
