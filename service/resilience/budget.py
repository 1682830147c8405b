"""A bound on retries: a browning-out upstream must not see a multiple of the callers' requests."""

CAPACITY = 10.0


class RetryBudget:
    """A bucket of one worker: full at start, each turn adds a share, each retry takes one.

    A retry that the model answers gives its own back, so that what is spent is what was asked in vain.
    """

    def __init__(self, share_per_turn: float) -> None:
        self._share = share_per_turn
        self._level = CAPACITY
        self._under_way = 0

    @property
    def may_refill(self) -> bool:
        """Whether a retry is under way that may give its own back."""
        return self._under_way > 0

    def earn(self) -> None:
        self._add(self._share)

    def draw(self) -> bool:
        """Whether one more retry may be made; if so, it is taken, and has to be ended."""
        if self._level < 1:
            return False
        self._level -= 1
        self._under_way += 1
        return True

    def end(self, *, answered: bool) -> None:
        """Of a retry that was drawn."""
        self._under_way -= 1
        if answered:
            self._add(1)

    def _add(self, amount: float) -> None:
        self._level = min(CAPACITY, self._level + amount)
