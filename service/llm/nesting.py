"""How deep data may be nested: what writes it as JSON gives up at some 250 levels."""

from collections.abc import Iterable
from typing import Any

MOST_LEVELS = 200


def is_too_deep(value: Any) -> bool:
    """value: plain JSON."""
    parts = [value]
    for _ in range(MOST_LEVELS + 1):
        parts = [inner for part in parts for inner in _inside(part)]
        if not parts:
            return False
    return True


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list | tuple) else ()
