"""Waits for others that hold the same rows, as long as they make progress.

Busy workers and replicas do not mean that the store has failed. A lock that is never released does.
"""

import sqlite3
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from service.access.database import Database

# waiting for a lock, or the statement that did so, took too long
POSTGRESQL_STATES = ("55P03", "57014")
SQLITE_CODES = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
# taking a row's lock changes its xmax, and writing the row its xmin
HOLDERS = text("SELECT key, user_id, xmin::text, xmax::text FROM access_states WHERE user_id = ''")

T = TypeVar("T")


def while_others_get_on(database: Database, attempt: Callable[[], T], most_unchanged: int) -> T:
    """Repeats an attempt that was blocked by a lock, until nothing has changed after this many attempts."""
    before: object = None
    unchanged = 0
    while True:
        try:
            return attempt()
        except DBAPIError as error:
            if not _is_contended(error):
                raise
            seen = _seen(database)
            unchanged = unchanged + 1 if seen == before else 0
            if unchanged >= most_unchanged:
                raise
            if before is not None and not unchanged:
                database.replied()
            before = seen


def _is_contended(error: DBAPIError) -> bool:
    if getattr(error.orig, "sqlstate", None) in POSTGRESQL_STATES:
        return True
    return (getattr(error.orig, "sqlite_errorcode", None) or 0) & 0xFF in SQLITE_CODES


def _seen(database: Database) -> object:
    """A value that changes whenever somebody else has had the lock."""
    if database.is_sqlite:
        return database.written_at()
    with database.reading() as connection:
        return {tuple(row) for row in connection.execute(HOLDERS)}
