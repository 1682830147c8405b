"""The store is away: answers go on within limits or are refused, nothing waits, and no row is lost or written twice."""

import resource
import sqlite3
import threading
import time
from contextlib import contextmanager, suppress

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from service.access import registry, schema
from service.access.allowance import Limits
from service.access.database import Database, database_url
from service.access.keys import Key
from service.access.ledger import Facts, LedgerRow
from service.access.migrate import migrate
from service.access.periods import Calendar
from service.access.secret import digest, new_secret
from service.access.store import Store
from tests.support.access_worker import AccessWorker

# what a turn may wait for the store, and what this machine may add when it is busy
STORE_SECONDS = 0.25
SLACK_SECONDS = 0.75


@pytest.fixture
def away(own_postgres):
    """A database whose server may go."""
    return own_postgres.address()


def make_key(address, name="team-a", **fields):
    secret = new_secret()
    database = Database(database_url(address))
    with database.writing(background=True) as connection:
        registry.create(connection, Key(name, **fields), digest(secret), 0)
    database.forget()
    return secret


def count(address, table=schema.ledger):
    database = Database(database_url(address))
    with database.reading() as connection:
        found = connection.scalar(select(func.count()).select_from(table))
    database.forget()
    return found


def counted(address, rows, seconds=20):
    """Whether the ledger has so many, at last."""
    deadline = time.monotonic() + seconds
    while count(address) != rows and time.monotonic() < deadline:
        time.sleep(0.1)
    return count(address) == rows


def codes(turns):
    return {turn[0] for turn in turns}


def waits(turns):
    return [turn[2] for turn in turns]


def test_answers_go_on_while_postgresql_is_killed_and_every_row_arrives_once(
    own_postgres, away, tmp_path
):
    secret = make_key(away)
    with AccessWorker(away, tmp_path) as worker:
        assert worker.ask("identify", key=secret) == "team-a"
        assert codes(worker.ask("turns", count=20)) == {None}
        assert worker.ask("flush")
        own_postgres.kill()
        turns = worker.ask("turns", count=50, in_turn=True)
        assert codes(turns) == {None}
        assert max(waits(turns)) < STORE_SECONDS + SLACK_SECONDS
        assert worker.ask("identify", key=secret) == "team-a"
        assert worker.ask("identify", key=new_secret()) == "unavailable: database"
        assert worker.ask("flush")
        worker.until("waiting", 50)
        own_postgres.start()
        worker.until("up", wanted=True)
        worker.until("waiting", 0)
        assert codes(worker.ask("turns", count=10)) == {None}
        assert worker.ask("flush")
        worker.until("usage", {"spent": 80, "reserved": 0, "open": 0})
    assert count(away) == 80
    assert count(away, schema.leases) == 0


def test_a_server_that_holds_its_connections_and_says_nothing_delays_one_turn_alone(
    own_postgres, away, tmp_path
):
    make_key(away, limits=Limits(budget_month=1000))
    with AccessWorker(away, tmp_path) as worker:
        assert codes(worker.ask("turns", count=5)) == {None}
        own_postgres.pause()
        try:
            worker.ask("longest_gap")
            first = worker.ask("turns", count=1)
            turns = worker.ask("turns", count=300, in_turn=True)
        finally:
            own_postgres.resume()
        assert worker.ask("longest_gap") < SLACK_SECONDS
        assert codes(first) == {None}
        assert max(waits(first)) < STORE_SECONDS + SLACK_SECONDS
        assert sorted(waits(turns))[150] < 0.01
        assert codes(turns) == {None}
        worker.until("up", wanted=True)
        worker.until("waiting", 0)
        worker.until("usage", {"spent": 306, "reserved": 0, "open": 0})
    assert count(away) == 306


def test_budgets_are_held_to_while_the_store_is_away(own_postgres, away, tmp_path):
    make_key(away, limits=Limits(budget_month=100, requests_per_minute=50))
    with AccessWorker(away, tmp_path) as worker:
        assert codes(worker.ask("turns", count=3, cost=10)) == {None}
        own_postgres.kill()
        turns = worker.ask("turns", count=20, cost=10, in_turn=True)
        assert [turn[0] for turn in turns] == [None] * 7 + ["budget_exceeded"] * 13
        turns = worker.ask("turns", count=50, cost=0, in_turn=True)
        assert turns[-1][:2] == ["rate_limited", "requests_per_minute"]


def test_nobody_is_let_in_without_the_store_where_that_is_said(own_postgres, away, tmp_path):
    secret = make_key(away)
    with AccessWorker(away, tmp_path, serves_without_store=False) as worker:
        assert codes(worker.ask("turns", count=3)) == {None}
        own_postgres.kill()
        turns = worker.ask("turns", count=20, in_turn=True)
        assert codes(turns) == {"unavailable"}
        assert worker.ask("identify", key=secret) == "team-a"
        own_postgres.start()
        worker.until("up", wanted=True)
        assert codes(worker.ask("turns", count=3)) == {None}
        # who was refused is in the ledger, too
        assert counted(away, 26)


def test_an_empty_database_in_its_place_is_not_taken_for_it(own_postgres, away, tmp_path):
    secret = make_key(away)
    with AccessWorker(away, tmp_path) as worker:
        assert codes(worker.ask("turns", count=3)) == {None}
        assert worker.ask("flush")
        own_postgres.replace()
        assert codes(worker.ask("turns", count=5, in_turn=True)) == {None}
        # another replica starts, and makes the tables
        migrate(database_url(away))
        worker.until("up", wanted=False)
        assert codes(worker.ask("turns", count=5, in_turn=True)) == {None}
        assert worker.ask("identify", key=secret) == "team-a"
        assert worker.ask("identify", key=None) == "unauthorized: no_key"
        assert worker.ask("heard")["dependency"][-1][1] in (
            "replaced",
            "OperationalError",
            "UndefinedTable",
        )
        worker.until("waiting", 10)
    assert count(away) == 0


def test_rows_of_a_worker_that_was_killed_are_taken_over(own_postgres, away, tmp_path):
    make_key(away)
    with AccessWorker(away, tmp_path) as worker:
        worker.until("up", wanted=True)
        own_postgres.kill()
        assert codes(worker.ask("turns", count=30)) == {None}
        assert worker.ask("flush")
        worker.until("waiting", 30)
        worker.kill()
    own_postgres.start()
    with AccessWorker(away, tmp_path) as heir:
        assert codes(heir.ask("turns", count=1)) == {None}
        assert heir.ask("flush")
        assert counted(away, 31)
    assert not list(tmp_path.glob("*.rows"))


def test_callers_who_leave_in_the_middle_leave_nothing_behind(own_postgres, away, tmp_path):
    make_key(away, limits=Limits(open_answers=1000))
    row = "SELECT * FROM access_states WHERE key = 'team-a' FOR UPDATE"
    with AccessWorker(away, tmp_path) as worker:
        assert codes(worker.ask("turns", count=1)) == {None}
        with own_postgres.locked(row):
            assert worker.ask("killed_turns", count=50, seconds=0.05) > 0
            time.sleep(3)
            # who writes the ledger waits for the row, too, but gives up and comes again
            lingering = (
                "SELECT count(*) FROM pg_stat_activity WHERE usename = 'chat' AND state <> 'idle'"
                " AND clock_timestamp() - xact_start > interval '2.5 seconds'"
            )
            assert own_postgres.sql(lingering) == "0"
        worker.until("up", wanted=True)
        assert worker.ask("flush")
        worker.until("waiting", 0)
        worker.until("usage", {"spent": 1, "reserved": 0, "open": 0})
        assert worker.ask("connections") == 0
    assert count(away) == 51


def test_a_locked_ledger_holds_up_no_turn(own_postgres, away):
    make_key(away)
    store = Store(Database(database_url(away)), Calendar("UTC"), "worker-1")
    row = LedgerRow(
        Facts("turn-0001", "request-1", "team-a", None, "/chat"), "completed", None, 0, 1
    )
    over = threading.Event()

    def close_again_and_again():
        while not over.is_set():
            with suppress(DBAPIError):
                store.close([row])

    closing = threading.Thread(target=close_again_and_again)
    with own_postgres.locked("LOCK TABLE access_ledger"):
        closing.start()
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'chat' AND wait_event_type = 'Lock'"
        until = time.monotonic() + 60
        try:
            while own_postgres.sql(waiting) == "0":
                assert time.monotonic() < until
            own_postgres.sql("SELECT 1 FROM access_states WHERE key = 'team-a' FOR UPDATE NOWAIT")
        finally:
            over.set()
    closing.join()
    store.database.forget()


@contextmanager
def full_disk(server):
    """No new row of the ledger fits, though others can still be changed."""
    server.sql(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'disk_full'; END $$"
    )
    server.sql("CREATE TRIGGER fails BEFORE INSERT ON access_ledger EXECUTE FUNCTION fail()")
    try:
        yield
    finally:
        server.sql("DROP TRIGGER fails ON access_ledger")


def stuck(worker, open_answers):
    """Fills the key's open answers, and asks until the worker knows that they will not be given back."""
    assert codes(worker.ask("turns", count=open_answers, in_turn=True)) == {None}
    until = time.monotonic() + 60
    while codes(worker.ask("turns")) != {None}:
        assert time.monotonic() < until


@pytest.mark.parametrize(
    "failure",
    [full_disk, lambda server: server.locked("LOCK TABLE access_ledger")],
    ids=["full disk", "lock"],
)
def test_ended_answers_hold_no_key_up_while_the_ledger_takes_no_row(
    own_postgres, away, tmp_path, failure
):
    make_key(away, limits=Limits(open_answers=2))
    with AccessWorker(away, tmp_path) as worker:
        with failure(own_postgres):
            stuck(worker, open_answers=2)
            assert codes(worker.ask("turns", count=6, in_turn=True)) == {None}
            # the limit still applies
            assert codes(worker.ask("turns", count=2, keep=True)) == {None}
            assert codes(worker.ask("turns")) == {"rate_limited"}
            assert worker.ask("end", cost=1) == 2
            assert worker.ask("flush")
        worker.until("waiting", 0)
        worker.until("usage", {"spent": 11, "reserved": 0, "open": 0})
    assert count(away, schema.leases) == 0


def test_limits_hold_for_each_worker_while_the_ledger_takes_no_row(own_postgres, away, tmp_path):
    make_key(away, limits=Limits(open_answers=2, tokens_per_minute=100_000))
    make_key(away, "team-b", limits=Limits(open_answers=1, budget_month=100))
    with AccessWorker(away, tmp_path / "1") as before:
        assert codes(before.ask("turns", key="team-b", cost=90)) == {None}
        before.until("usage", {"spent": 90, "reserved": 0, "open": 0}, key="team-b")
        with full_disk(own_postgres), AccessWorker(away, tmp_path / "2") as worker:
            stuck(worker, open_answers=2)
            assert codes(worker.ask("turns", count=2, keep=True)) == {None}
            # no refusal gives back what others hold
            assert codes(worker.ask("turns", count=3, in_turn=True)) == {"rate_limited"}
            assert codes(worker.ask("turns", tokens=200_000)) == {"payload_too_large"}
            assert codes(worker.ask("turns", count=3, in_turn=True)) == {"rate_limited"}
            # what was spent before this worker's first look counts, too
            assert codes(before.ask("turns", key="team-b", cost=1)) == {None}
            assert codes(worker.ask("turns", key="team-b", cost=8)) == {None}
            assert codes(worker.ask("turns", key="team-b", cost=8)) == {"budget_exceeded"}


@pytest.mark.parametrize("table", ["access_leases", "access_states"])
def test_turns_of_two_workers_do_not_wait_for_a_table_that_stays_locked(
    own_postgres, away, tmp_path, table
):
    make_key(away)
    with AccessWorker(away, tmp_path / "1") as one, AccessWorker(away, tmp_path / "2") as two:
        workers = (one, two)
        for worker in workers:
            assert codes(worker.ask("turns", count=1)) == {None}
        with own_postgres.locked(f"LOCK TABLE {table}", most_seconds=20):
            for worker in workers:
                worker.tell("turns", count=20)
            turns = [turn for worker in workers for turn in worker.answer()]
        assert codes(turns) == {None}
        # two seconds, and what a busy machine adds
        assert max(waits(turns)) < 10
        for worker in workers:
            worker.until("up", wanted=True)
        assert counted(away, 42)


def test_callers_who_leave_at_any_time_keep_no_connection(address, database, create, tmp_path):
    create("team-a")
    with AccessWorker(address, tmp_path) as worker:
        for round_ in range(20):
            worker.ask("killed_turns", count=50, seconds=0.001 * round_)
        assert worker.ask("flush")
        # a turn whose lease comes after its end is written after that
        assert counted(address, 1000)
        worker.until("connections", 0)
    assert count(address, schema.leases) == 0


def test_a_file_that_somebody_else_holds_stops_no_stream(tmp_path):
    address = f"sqlite:///{tmp_path}/access.sqlite3"
    migrate(database_url(address))
    make_key(address)
    with AccessWorker(address, tmp_path) as worker:
        assert codes(worker.ask("turns", count=3)) == {None}
        assert worker.ask("flush")
        holder = sqlite3.connect(tmp_path / "access.sqlite3", isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        worker.ask("longest_gap")
        turns = worker.ask("turns", count=50, in_turn=True)
        worker.until("up", wanted=False)
        worker.until("waiting", 50)
        # SQLite's own wait is longer than this
        assert worker.ask("longest_gap") < 0.2
        assert codes(turns) == {None}
        assert max(waits(turns)) < STORE_SECONDS + SLACK_SECONDS
        holder.execute("ROLLBACK")
        worker.until("up", wanted=True)
        worker.until("waiting", 0)
    assert count(address) == 53


def test_a_full_disk_loses_no_answer_and_no_row(tmp_path):
    address = f"sqlite:///{tmp_path}/access.sqlite3"
    migrate(database_url(address))
    make_key(address)
    with AccessWorker(address, tmp_path / "spool") as worker:
        assert codes(worker.ask("turns", count=3)) == {None}
        assert worker.ask("flush")
        log = tmp_path / "access.sqlite3-wal"
        unlimited = resource.prlimit(worker.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (log.stat().st_size, unlimited[1]))
        turns = worker.ask("turns", count=20, in_turn=True)
        assert worker.ask("flush")
        worker.until("waiting", 20)
        resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, unlimited)
        worker.until("up", wanted=True)
        worker.until("waiting", 0)
        assert codes(turns) == {None}
    assert count(address) == 23


def test_a_server_that_can_only_be_read_loses_no_row(own_postgres, away, tmp_path):
    make_key(away)
    with AccessWorker(away, tmp_path) as worker:
        assert codes(worker.ask("turns", count=3)) == {None}
        own_postgres.forbid_writing()
        worker.until("up", wanted=False)
        assert codes(worker.ask("turns", count=20, in_turn=True)) == {None}
        own_postgres.allow_writing()
        worker.until("up", wanted=True)
        worker.until("waiting", 0)
    assert count(away) == 23
