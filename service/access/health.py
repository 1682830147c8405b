"""Whether to query the store: after one failure it is left alone until a probe succeeds."""

from service.access.listener import Listener

DEPENDENCY = "database"


class StoreAway(Exception):
    """The store did not answer in time, or is not asked now."""


class StoreReplaced(StoreAway):
    """It is not the store that it was, such as an empty one after a failover: what it says of keys is not true."""


class Health:
    """One worker's view. It starts as up; the first query finds out."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._said: tuple[bool, str | None] | None = None
        self.up = True

    def failed(self, cause: str) -> None:
        """cause: a kind of error; its text may quote the address."""
        self._is(up=False, cause=cause)

    def recovered(self) -> None:
        self._is(up=True, cause=None)

    def require(self) -> None:
        """Raises StoreAway."""
        if not self.up:
            raise StoreAway

    def _is(self, *, up: bool, cause: str | None) -> None:
        self.up = up
        if (up, cause) != self._said:
            self._said = up, cause
            self._listener.dependency_is(DEPENDENCY, up=up, cause=cause)


def kind_of(error: Exception) -> str:
    """What went wrong, without a word of the error's own text."""
    return type(getattr(error, "orig", None) or error).__name__
