"""Writes the ledger in the background: the end of a turn waits for nothing, and its row is stored a moment later.

While the store is unavailable, rows wait in a file on the local disk, and in memory while that is full. A row may be
sent twice but is written once.
"""

import itertools
import queue
import threading
import time
from collections.abc import Iterable, Sequence

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError, StatementError

from service.access.health import Health, StoreAway, kind_of
from service.access.lane import Runner, TooSlow
from service.access.ledger import LedgerRow
from service.access.listener import Listener
from service.access.spool import Spool
from service.access.store import Store

MOST_AT_ONCE = 100
# rows that arrive within this time are written together
GATHER_SECONDS = 0.02
WRITE_SECONDS = 5.0
RETRY_SECONDS = 1.0
# how often to look for rows of processes that are gone
ADOPT_SECONDS = 30.0
MOST_IN_MEMORY = 20_000


class Writer:
    """One background thread per worker. disk: runs jobs that a slow disk could delay."""

    def __init__(
        self,
        store: Store,
        health: Health,
        run: Runner,
        spool: Spool,
        disk: Runner,
        listener: Listener,
    ) -> None:
        self._store = store
        self._health = health
        self._run = run
        self._spool = spool
        self._disk = disk
        self._listener = listener
        self._rows: queue.Queue[LedgerRow] = queue.Queue()
        self._nothing_in_memory = threading.Event()
        self._nothing_in_memory.set()
        self._retry_at = 0.0
        self._failures = 0
        self._adopt_at = 0.0

    def start(self) -> None:
        """Called in the worker, after its fork."""
        threading.Thread(target=self._serve, name="ledger", daemon=True).start()

    def put(self, row: LedgerRow) -> None:
        if self._rows.qsize() >= MOST_IN_MEMORY:
            self._listener.rows_dropped(1, "memory")
            return
        self._nothing_in_memory.clear()
        self._rows.put(row)

    def flush(self, seconds: float) -> bool:
        """Whether every row has reached the store or at least the disk."""
        return self._nothing_in_memory.wait(seconds)

    @property
    def is_stuck(self) -> bool:
        """Whether no row can be written: a second attempt has failed, too. Ended turns hold what they have reserved."""
        return self._failures > 1

    def write(self, rows: Sequence[LedgerRow]) -> None:
        """One round: writes new rows to the store, or to the disk; then the rows that have waited there."""
        if time.monotonic() < self._retry_at or not self._reaches_store(rows):
            self._keep(rows)
        elif self._spool.rows or time.monotonic() >= self._adopt_at:
            self._replay()
        self._listener.ledger_waiting(self._rows.qsize() + self._spool.rows)

    def _serve(self) -> None:
        while True:
            self.write(self._gather())
            if self._rows.empty():
                self._nothing_in_memory.set()

    def _gather(self) -> list[LedgerRow]:
        try:
            rows = [self._rows.get(timeout=RETRY_SECONDS)]
        except queue.Empty:
            return []
        time.sleep(GATHER_SECONDS)
        while len(rows) < MOST_AT_ONCE and not self._rows.empty():
            rows.append(self._rows.get())
        return rows

    def _reaches_store(self, rows: Sequence[LedgerRow]) -> bool:
        if not rows:
            return self._health.up
        try:
            self._health.require()
            self._run(lambda: self._store.close(rows), WRITE_SECONDS)
        except Exception as error:  # noqa: BLE001 - drivers raise their own for values they cannot convert
            return self._without_bad_ones(rows, error) if _is_about_rows(error) else self._later()
        self._failures = 0
        return True

    def _later(self) -> bool:
        self._retry_at = time.monotonic() + RETRY_SECONDS
        self._failures += 1
        return False

    def _without_bad_ones(self, rows: Sequence[LedgerRow], error: Exception) -> bool:
        """Drops rows that no database accepts, so that they do not block the others."""
        if len(rows) == 1:
            self._listener.rows_dropped(1, kind_of(error))
            self._failures = 0
            return True
        return all(self._reaches_store([row]) for row in rows)

    def _keep(self, rows: Sequence[LedgerRow]) -> None:
        if not rows:
            return
        try:
            self._disk(lambda: self._spool.add(rows), WRITE_SECONDS)
        except OSError:
            self._wait_for_a_disk(rows)

    def _wait_for_a_disk(self, rows: Sequence[LedgerRow]) -> None:
        for row in rows:
            self.put(row)
        time.sleep(RETRY_SECONDS)

    def _replay(self) -> None:
        self._adopt_at = time.monotonic() + ADOPT_SECONDS
        try:
            if self._spool.rows and self._all_reach_store(self._spool.own_rows()):
                self._spool.clear()
            for rows in self._spool.left_behind():
                if not self._all_reach_store(rows):
                    break
        except OSError as error:
            self._listener.rows_dropped(0, kind_of(error))

    def _all_reach_store(self, rows: Iterable[LedgerRow]) -> bool:
        left = iter(rows)
        while batch := list(itertools.islice(left, MOST_AT_ONCE)):
            if not self._reaches_store(batch):
                return False
        return True


def _is_about_rows(error: Exception) -> bool:
    """Whether a value is at fault, and not the store."""
    if isinstance(error, DBAPIError):
        return isinstance(error, DataError | IntegrityError)
    if isinstance(error, StatementError):
        return True
    return not isinstance(error, SQLAlchemyError | StoreAway | TooSlow)
