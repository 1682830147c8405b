"""The store of one process: each of its methods is one transaction. They block; a worker calls them through a Lane."""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from service.access import admissions, closing, registry, upkeep
from service.access.admissions import Answer, Question
from service.access.contention import while_others_get_on
from service.access.database import Database
from service.access.ledger import LedgerRow
from service.access.periods import Calendar
from service.chat.account import BudgetPeriod

# PostgreSQL ends one of two transactions that wait for each other, which ours do not, and asks for another attempt
TRY_AGAIN = ("40001", "40P01")
# looks at others who hold a row of PostgreSQL: two seconds, since a worker on a busy machine may hold it for so long
MOST_UNCHANGED = 40
# nobody is that slow with an SQLite file, and rows can wait on the disk
MOST_UNCHANGED_ELSEWHERE = 2

T = TypeVar("T")


class Store:
    """worker: who holds the leases that are given here."""

    def __init__(self, database: Database, calendar: Calendar, worker: str) -> None:
        self.database = database
        self.calendar = calendar
        self.worker = worker

    def decide(self, asked: Sequence[Question]) -> list[Answer]:
        return self._write(
            lambda connection: admissions.decide(connection, self.calendar, self.worker, asked)
        )

    def close(self, rows: Iterable[LedgerRow]) -> int:
        """How many were new."""
        ended = list(rows)
        return self._write(
            lambda connection: closing.close(connection, self.calendar, ended), background=True
        )

    def restore(self, rows: Iterable[LedgerRow]) -> int:
        """Rows of any age, also of keys that are not here any more; how many were new."""
        ended = list(rows)
        return self._write(
            lambda connection: closing.close(connection, self.calendar, ended, known_keys=False),
            background=True,
        )

    def changes_since(self, number: int) -> registry.Changes:
        with self.database.reading() as connection:
            return registry.changes_since(connection, number)

    def beat(self) -> int:
        """The time in the store's clock."""
        return self._write(lambda connection: upkeep.beat(connection, self.worker))

    def sweep(self, running: Collection[str]) -> int:
        return self._write(
            lambda connection: upkeep.sweep(connection, self.calendar, self.worker, running),
            background=True,
        )

    def budgets(self) -> list[tuple[str, BudgetPeriod, float]]:
        with self.database.reading() as connection:
            return upkeep.budgets(connection, self.calendar)

    def forget_idle_users(self) -> int:
        with self.database.reading() as connection:
            names = upkeep.keys_with_users(connection)
        return sum(self._forget_idle_users(name) for name in names)

    def forget_old_rows(self, days: int) -> int:
        return self._write(
            lambda connection: upkeep.forget_old_rows(connection, days), background=True
        )

    def _forget_idle_users(self, key: str) -> int:
        return self._write(
            lambda connection: upkeep.forget_idle_users(connection, self.calendar, key)
        )

    def _write(self, job: Callable[[Connection], T], *, background: bool = False) -> T:
        def attempt() -> T:
            with self.database.writing(background=background) as connection:
                return job(connection)

        patient = not (background or self.database.is_sqlite)
        most_unchanged = MOST_UNCHANGED if patient else MOST_UNCHANGED_ELSEWHERE
        try:
            return while_others_get_on(self.database, attempt, most_unchanged)
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) not in TRY_AGAIN:
                raise
        return while_others_get_on(self.database, attempt, most_unchanged)
