"""Stores in a file, as a service is given them by the tests: open access is not limited there."""

import shutil
import tempfile
import threading
from functools import cache
from pathlib import Path

from service.access import registry
from service.access.database import Database, database_url, now_us
from service.access.keys import ANONYMOUS, Key
from service.access.migrate import migrate
from service.access.periods import Calendar
from service.access.secret import digest, new_secret

FILE = "access.sqlite3"
_one_at_a_time = threading.Lock()


def unlimited_store(folder: Path) -> Path:
    """Makes the folder, DATA_DIR, with a store in it that refuses nobody."""
    folder.mkdir(parents=True, exist_ok=True)
    # Alembic's context is one for the process, and the crash test starts several services at a time
    with _one_at_a_time:
        template = _template()
    shutil.copy(template, folder / FILE)
    return folder


def make_key(address: str, name: str, **fields: object) -> str:
    """In a store with its tables; the key's secret."""
    secret = new_secret()
    database = Database(database_url(address))
    with database.writing(background=True) as connection:
        registry.create(connection, Key(name, **fields), digest(secret), now_us(connection))
    database.forget()
    return secret


def change_key(address: str, key: Key) -> None:
    database = Database(database_url(address))
    with database.writing(background=True) as connection:
        registry.change(connection, Calendar("UTC"), key)
    database.forget()


@cache
def _template() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="store-"))
    address = f"sqlite:///{folder}/{FILE}"
    migrate(database_url(address))
    change_key(address, Key(ANONYMOUS, allow_unpriced=True))
    return folder / FILE
