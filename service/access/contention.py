"""Waits for others that hold the same rows, as long as they make progress.

Busy workers and replicas do not mean that the store has failed. A lock that is never released does.
"""

import sqlite3
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from service.access.database import Database

# waiting for a lock, or the statement that did so, took too long
POSTGRESQL_STATES = ("55P03", "57014")
SQLITE_CODES = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
# a committed write changes a row's xmin; its xmax also changes for attempts that are blocked elsewhere. Refusals write
# nothing, and do not count.
WRITERS = text("SELECT key, xmin::text FROM access_states WHERE user_id = ''")

T = TypeVar("T")


def while_others_get_on(
    database: Database,
    attempt: Callable[[], T],
    most_unchanged: int,
    seconds: float,
    in_all_seconds: float,
) -> T:
    """Repeats an attempt that was blocked by a lock, until nothing has changed after this many attempts and seconds, or
    until it has taken too long in all."""
    before: object = None
    began = since = time.monotonic()
    unchanged = 0
    while True:
        try:
            return attempt()
        except DBAPIError as error:
            if not is_contended(error):
                raise
            seen = _seen(database)
            if before is None or seen == before:
                unchanged += 1
            else:
                unchanged, since = 1, time.monotonic()
                database.replied()
            now = time.monotonic()
            if unchanged > most_unchanged and now - since >= seconds:
                raise
            if now - began >= in_all_seconds:
                raise
            before = seen


def is_contended(error: DBAPIError) -> bool:
    """Whether somebody else holds what the statement needed."""
    if getattr(error.orig, "sqlstate", None) in POSTGRESQL_STATES:
        return True
    return (getattr(error.orig, "sqlite_errorcode", None) or 0) & 0xFF in SQLITE_CODES


def _seen(database: Database) -> object:
    """A value that changes whenever somebody else has got through."""
    if database.is_sqlite:
        return database.written_at()
    try:
        with database.reading() as connection:
            return {tuple(row) for row in connection.execute(WRITERS)}
    except DBAPIError as error:
        if not is_contended(error):
            raise
        # this table itself is locked
        return None
