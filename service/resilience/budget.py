"""Limits retries: an upstream that is failing must not receive a multiple of the callers' requests."""

CAPACITY = 10.0


class RetryBudget:
    """A token bucket per worker: full at start; each turn adds a share, and each retry takes one.

    A retry that the model answers is given back, so only failed retries are spent.
    """

    def __init__(self, share_per_turn: float) -> None:
        self._share = share_per_turn
        self._level = CAPACITY
        self._under_way = 0

    @property
    def may_refill(self) -> bool:
        """Whether a running retry may still be given back."""
        return self._under_way > 0

    def earn(self) -> None:
        self._add(self._share)

    def draw(self) -> bool:
        """Takes one retry if there is one; the caller must end() it."""
        if self._level < 1:
            return False
        self._level -= 1
        self._under_way += 1
        return True

    def end(self, *, answered: bool) -> None:
        """Ends a retry that was drawn."""
        self._under_way -= 1
        if answered:
            self._add(1)

    def _add(self, amount: float) -> None:
        self._level = min(CAPACITY, self._level + amount)
