"""Whether to query the store: after a failure, not until a probe has succeeded."""

from service.access.listener import Listener

DEPENDENCY = "database"


class StoreAway(Exception):
    """The store did not answer in time, or is currently not queried."""


class StoreReplaced(StoreAway):
    """The store is not the same as before, for example empty after a failover: its keys cannot be trusted."""


class Health:
    """One worker's view. It starts as up; the first query tells."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._said: tuple[bool, str | None] | None = None
        self.up = True

    def failed(self, cause: str) -> None:
        """cause: the kind of error, because its text may quote the address."""
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
    """The kind of an error, without its text."""
    return type(getattr(error, "orig", None) or error).__name__
