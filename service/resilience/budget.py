"""A bound on retries: a browning-out upstream must not see a multiple of the callers' requests."""

CAPACITY = 10.0


class RetryBudget:
    """A bucket of one worker: full at start, each turn adds a share, each retry takes one."""

    def __init__(self, share_per_turn: float) -> None:
        self._share = share_per_turn
        self._level = CAPACITY

    def earn(self) -> None:
        self._level = min(CAPACITY, self._level + self._share)

    def draw(self) -> bool:
        """Whether one more retry may be made; if so, it is taken."""
        if self._level < 1:
            return False
        self._level -= 1
        return True
