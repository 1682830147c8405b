"""Migrates the schema at each start: the first process does it while the others wait."""

import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, NullPool, create_engine, event, inspect, text
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    NotSupportedError,
    ProgrammingError,
)

from service.access import schema
from service.access.database import UnusableDatabase, prepare_file

FOLDER = Path(__file__).with_name("migrations")
# for a database that is starting or being migrated by another process
WAIT_SECONDS = 30.0
PAUSE_SECONDS = 0.1
# more, for whoever migrates already: a million rows of the ledger may take twenty
MIGRATION_SECONDS = 600.0
# any number that no other program uses
LOCK_ID = 0x63686174
# server errors that waiting will not fix
HOPELESS = {
    "password authentication failed": "refuses the user or the password",
    "no password supplied": "wants a password",
    "FATAL: +role": "does not know the user",
    "FATAL: +database .* does not exist": "does not have this database",
    "readonly database": "can only be read",
    "unable to open database file": "cannot be opened",
    "not a database": "is no database",
    "disk is full": "has no room on its disk",
    "No space left on device": "has no room on its disk",
    "disk I/O error": "cannot be read or written: its disk is full, or fails",
    "permission denied": "does not let this user make tables",
}
# what may pass while a stack starts; the driver's own words may quote the address
AWAY = {
    "failed to resolve host": "cannot be reached: its host name cannot be resolved",
    "Connection refused": "cannot be reached: nothing listens at its address",
}
# SQL that will never succeed here
REFUSED = (ProgrammingError, IntegrityError, DataError, NotSupportedError)


def migrate(url: URL, wait_seconds: float = WAIT_SECONDS) -> None:
    """Raises UnusableDatabase, with a sentence that does not quote the address."""
    if url.get_backend_name() == "sqlite":
        prepare_file(url)
    until = time.monotonic() + wait_seconds
    _patiently(lambda: _migrate_once(url, until), until)


def _migrate_once(url: URL, until: float) -> None:
    with _connection(url) as connection:
        if not _is_current(connection):
            with _locked(connection, until):
                if not _is_current(connection):
                    _upgrade(connection)


def _is_current(connection: Connection) -> bool:
    if not inspect(connection).has_table(schema.VERSION_TABLE):
        return False
    there = connection.scalar(text(f"SELECT version_num FROM {schema.VERSION_TABLE}"))  # noqa: S608 - a constant
    known = [path.name[1:5] for path in FOLDER.glob("versions/v????_*.py")]
    if there is not None and there not in known:
        raise UnusableDatabase(
            f"was migrated by a newer version of this service (to {there}, this one knows {max(known)});"
            " start that version, or restore a backup"
        )
    return bool(there == max(known))


def _upgrade(connection: Connection) -> None:
    # loaded only in the process that needs it
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


@contextmanager
def _connection(url: URL) -> Iterator[Connection]:
    sqlite = url.get_backend_name() == "sqlite"
    # waiting for a lock is done here, not in the driver
    options = {"timeout": 0} if sqlite else {"connect_timeout": 2}
    engine = create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args=options)
    if sqlite:
        event.listen(engine, "connect", _prepare_sqlite)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def _locked(connection: Connection, until: float) -> Iterator[None]:
    """Lets in one process at a time, in one transaction."""
    connection.rollback()
    if connection.dialect.name == "sqlite":
        with connection.begin():
            connection.exec_driver_sql("BEGIN EXCLUSIVE")
            yield
        return
    asked = text("SELECT pg_try_advisory_xact_lock(:id)")
    while True:
        with connection.begin():
            if connection.scalar(asked, {"id": LOCK_ID}):
                yield
                return
        if time.monotonic() > until + MIGRATION_SECONDS:
            raise UnusableDatabase("is being migrated by another process that does not finish")
        time.sleep(PAUSE_SECONDS)


def _patiently(attempt: Callable[[], None], until: float) -> None:
    while True:
        try:
            return attempt()
        except DBAPIError as error:
            reason = _hopeless(error)
            if reason or time.monotonic() > until:
                raise UnusableDatabase(reason or _away(error)) from None
        time.sleep(PAUSE_SECONDS)


def _hopeless(error: DBAPIError) -> str | None:
    said = str(error.orig)
    if reason := _known(HOPELESS, said):
        return reason
    # further lines may quote rows
    first_line, _, _ = said.partition("\n")
    return f"cannot be migrated: {first_line}" if _is_refused(error) else None


def _away(error: DBAPIError) -> str:
    return _known(AWAY, str(error.orig)) or f"does not answer ({_kind(error)})"


def _known(reasons: dict[str, str], said: str) -> str | None:
    return next((reason for words, reason in reasons.items() if re.search(words, said)), None)


def _is_refused(error: DBAPIError) -> bool:
    """SQLite's own kind for SQL it rejects is the one for locks, too."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    return isinstance(error, REFUSED) or code == sqlite3.SQLITE_ERROR


def _kind(error: DBAPIError) -> str:
    return type(error.orig).__name__


def _prepare_sqlite(connection: object, _record: object) -> None:
    # the driver's own transactions would end before a table is created
    connection.isolation_level = None  # type: ignore[attr-defined]
