"""What every command shares: the store, opened on first use, and one-sentence errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
from sqlalchemy.exc import SQLAlchemyError

from service.access.database import Database, UnusableDatabase, database_url
from service.access.health import kind_of
from service.access.keys import Key
from service.access.migrate import migrate
from service.access.periods import Calendar
from service.access.registry import StoredKey
from service.access.store import Store

NOBODY = "commands"
WAIT_SECONDS = 5.0


@dataclass(frozen=True)
class Office:
    """models: those that a key may be limited to. folder: where rows wait while the store is unavailable."""

    address: str
    folder: Path
    zone: str
    models: tuple[str, ...]

    @contextmanager
    def store(self) -> Iterator[Store]:
        """The store; creates its tables if there are none yet."""
        try:
            url = database_url(self.address)
            migrate(url, WAIT_SECONDS)
            database = Database(url)
            try:
                yield Store(database, Calendar(self.zone), NOBODY)
            finally:
                database.forget()
        except UnusableDatabase as refusal:
            raise click.ClickException(f"The database (DATABASE_URL) {refusal}.") from None
        except SQLAlchemyError as error:
            raise click.ClickException(
                f"The database (DATABASE_URL) failed: {kind_of(error)}."
            ) from None


def existing(found: StoredKey | None, name: str) -> StoredKey:
    """The key, or an error if there is none."""
    if found is None:
        raise click.ClickException(f'There is no key named "{name}".')
    return found


def state_of_key(key: Key, now_us: int) -> str:
    if key.disabled:
        return "disabled"
    return "active" if key.is_usable(now_us) else "expired"
