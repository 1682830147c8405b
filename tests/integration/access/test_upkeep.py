"""What workers do in the background, whatever there is to do and whoever holds the tables."""

import threading
import time
import uuid
from contextlib import contextmanager

import pytest
from sqlalchemy import func, insert, select, update

from service.access import schema
from service.access.admissions import Begin
from service.access.database import Database, database_url
from service.access.health import Health
from service.access.keeper import MOST_DELETES, Keeper
from service.access.keyring import Keyring
from service.access.ledger import Facts, LedgerRow, columns
from service.access.secret import new_secret
from service.access.store import Store
from service.access.upkeep import BATCH
from tests.support.access_store import make_key
from tests.support.access_worker import AccessWorker
from tests.unit.access.fakes import Heard, directly

LONG_AGO_US = 1_000_000


class Worker:
    """The one that a keeper serves."""

    running = frozenset()

    def looked(self):
        pass


def facts(key="team-a"):
    return Facts(str(uuid.uuid4()), "request-1", key, None, "/chat", model="sim")


def count(store, table):
    with store.database.reading() as connection:
        return connection.scalar(select(func.count()).select_from(table))


def add_old_rows(store, number):
    rows = [LedgerRow(facts(), "completed", None, LONG_AGO_US, 1) for _ in range(number)]
    with store.database.writing(background=True) as connection:
        connection.execute(insert(schema.ledger), [columns(row, store.calendar) for row in rows])


def keeper_of(store, heard):
    return Keeper(store, Keyring(), Health(heard), directly, Worker(), heard, 400)


def test_a_backlog_of_old_rows_goes_bit_by_bit_and_holds_up_no_heartbeat(store, monkeypatch):
    # however slow this disk is
    monkeypatch.setattr("service.access.keeper.DELETES_SECONDS", 60)
    add_old_rows(store, BATCH * MOST_DELETES + 1)
    heard = Heard()
    keeper = keeper_of(store, heard)
    keeper.look()
    assert count(store, schema.ledger) == 1
    keeper.look()
    assert count(store, schema.ledger) == 0
    assert heard.dependency == [(True, None)]


def test_deletes_on_a_slow_disk_hold_up_no_heartbeat(store, monkeypatch):
    monkeypatch.setattr("service.access.keeper.DELETES_SECONDS", 0)
    add_old_rows(store, BATCH + 1)
    keeper = keeper_of(store, Heard())
    keeper.look()
    assert count(store, schema.ledger) == 1
    keeper.look()
    assert count(store, schema.ledger) == 0


def test_a_worker_with_many_running_answers_closes_those_of_a_dead_one(store, create, database):
    create("team-a")
    running = [facts() for _ in range(BATCH)]
    store.beat()
    store.decide([Begin(one, 1, 0, 0) for one in running])
    Store(database, store.calendar, "worker-2").decide([Begin(facts(), 1, 0, 0)])
    with database.writing() as connection:
        connection.execute(update(schema.leases).values(began_at_us=LONG_AGO_US))
    assert store.sweep({one.turn_id for one in running}) == 1
    assert count(store, schema.leases) == BATCH


@pytest.fixture
def own_postgres(own_postgres):
    """It has a key."""
    make_key(own_postgres.address(), "team-a")
    return own_postgres


@contextmanager
def traffic(worker):
    """Turns, one after the other."""
    over = threading.Event()

    def ask():
        while not over.is_set():
            worker.ask("turns")

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        over.set()
        asking.join()


def test_a_locked_ledger_stops_no_heartbeat_and_hides_no_new_key(own_postgres, tmp_path):
    address = own_postgres.address()
    seen = "SELECT min(seen_at_us) FROM access_workers"
    with (
        own_postgres.locked("LOCK TABLE access_ledger"),
        AccessWorker(address, tmp_path) as busy,
        AccessWorker(address, tmp_path) as one,
    ):
        one.ask("turns")
        busy.ask("turns")
        with traffic(busy):
            heartbeats = set()
            until = time.monotonic() + 60
            # each of the two may have given one before it met the lock
            while len(heartbeats) < 4:
                heartbeats.add(own_postgres.sql(seen))
                assert time.monotonic() < until
            one.until("identify", "unauthorized: unknown", key=new_secret())
            one.until("identify", "team-b", key=make_key(address, "team-b"))


def test_rows_go_to_the_disk_while_the_ledger_stays_locked(own_postgres, tmp_path):
    address = own_postgres.address()
    with AccessWorker(address, tmp_path) as busy, AccessWorker(address, tmp_path) as one:
        with own_postgres.locked("LOCK TABLE access_ledger"), traffic(busy):
            one.ask("turns", count=7)
            one.until("flush", wanted=True, timeout=60)
        for worker in (one, busy):
            # the last rows are counted only once they have left the memory
            worker.until("flush", wanted=True, timeout=60)
            worker.until("waiting", 0, timeout=60)
    database = Database(database_url(address))
    with database.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(schema.leases)) == 0
    database.forget()
