"""The store of one process. Each method is one transaction and blocks; workers call them through a Lane."""

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from service.access import admissions, closing, registry, upkeep
from service.access.admissions import Answer, Question
from service.access.contention import is_contended, while_others_get_on
from service.access.database import Database
from service.access.ledger import LedgerRow
from service.access.periods import Calendar
from service.chat.account import BudgetPeriod

# PostgreSQL's errors for deadlocks and serialization failures: try again
TRY_AGAIN = ("40001", "40P01")
# how long a PostgreSQL lock may be held without progress: a worker on a busy machine may take that long
BLOCKED_SECONDS = 1.8
# a late event loop makes fewer attempts in that time
MOST_UNCHANGED = 10
# nobody holds an SQLite file for that long, and rows can wait on the disk
MOST_UNCHANGED_ELSEWHERE = 2
# turns go on while maintenance keeps the ledger locked, and its rows are safer on the disk than in memory
BACKGROUND_SECONDS = 5.0

T = TypeVar("T")
C = TypeVar("C")


class Store:
    """worker: the holder of the leases granted here."""

    def __init__(self, database: Database, calendar: Calendar, worker: str) -> None:
        self.database = database
        self.calendar = calendar
        self.worker = worker
        # once the keys have been read
        self.identity: str | None = None

    def decide(self, asked: Sequence[Question]) -> list[Answer]:
        return self._write(
            self.database.writing_turns,
            lambda connection: admissions.decide(
                connection, self.calendar, self.worker, asked, self.identity
            ),
        )

    def close(self, rows: Iterable[LedgerRow]) -> int:
        """Returns how many were new."""
        ended = list(rows)
        return self._write(
            self.database.writing_turns,
            lambda connection: closing.close(
                connection, self.calendar, ended, identity=self.identity
            ),
            background=True,
            in_all_seconds=BACKGROUND_SECONDS,
        )

    def restore(self, rows: Iterable[LedgerRow]) -> int:
        """Adds rows of any age, even of deleted keys; returns how many were new."""
        ended = list(rows)
        return self._write(
            self.database.writing,
            lambda connection: closing.close(connection, self.calendar, ended, known_keys=False),
            background=True,
        )

    def changes_since(self, number: int) -> registry.Changes:
        with self.database.reading() as connection:
            changes = registry.changes_since(connection, number)
        self.identity = self.identity or changes.identity
        return changes

    def beat(self) -> int:
        """Returns the time of the store's clock."""
        return self._write(
            self.database.writing, lambda connection: upkeep.beat(connection, self.worker)
        )

    def sweep(self, running: Collection[str]) -> int:
        return self._if_free(
            lambda connection: upkeep.sweep(connection, self.calendar, self.worker, running)
        )

    def budgets(self) -> list[tuple[str, BudgetPeriod, float]]:
        with self.database.reading() as connection:
            return upkeep.budgets(connection, self.calendar)

    def forget_idle_users(self) -> int:
        with self.database.reading() as connection:
            names = upkeep.keys_with_users(connection)
        return sum(self._forget_idle_users(name) for name in names)

    def forget_old_rows(self, days: int) -> int:
        return self._if_free(lambda connection: upkeep.forget_old_rows(connection, days))

    def _forget_idle_users(self, key: str) -> int:
        return self._if_free(
            lambda connection: upkeep.forget_idle_users(connection, self.calendar, key)
        )

    def _if_free(self, job: Callable[[Connection], int]) -> int:
        """Upkeep can come later: heartbeats and changed keys must not wait behind a table that somebody has locked."""
        try:
            with self.database.writing(background=True) as connection:
                return job(connection)
        except DBAPIError as error:
            if not (is_contended(error) or _is_worth_another_try(error)):
                raise
            return 0

    def _write(
        self,
        writing: Callable[..., AbstractContextManager[C]],
        job: Callable[[C], T],
        *,
        background: bool = False,
        in_all_seconds: float = math.inf,
    ) -> T:
        def attempt() -> T:
            with writing(background=background) as connection:
                return job(connection)

        patient = not (background or self.database.is_sqlite)
        unchanged = (MOST_UNCHANGED, BLOCKED_SECONDS) if patient else (MOST_UNCHANGED_ELSEWHERE, 0)
        most = (*unchanged, in_all_seconds)
        try:
            return while_others_get_on(self.database, attempt, *most)
        except DBAPIError as error:
            if not _is_worth_another_try(error):
                raise
        return while_others_get_on(self.database, attempt, *most)


def _is_worth_another_try(error: DBAPIError) -> bool:
    return getattr(error.orig, "sqlstate", None) in TRY_AGAIN
