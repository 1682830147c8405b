"""Every row reaches the store, or the disk until it can, and none stands in the way of others."""

import threading

import pytest
from sqlalchemy.exc import DataError, IntegrityError, OperationalError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from service.access import writer as writing
from service.access.health import Health, StoreAway
from service.access.lane import TooSlow
from service.access.ledger import Facts, LedgerRow
from service.access.spool import Spool, SpoolFull
from service.access.writer import MOST_AT_ONCE, Writer
from tests.unit.access.fakes import Heard, directly


def rows_of(*numbers):
    return [
        LedgerRow(Facts(f"turn-{number}", "r", "team-a", None, "/chat"), "completed", None, 0, 5)
        for number in numbers
    ]


AWAY = OperationalError("", {}, ConnectionError("canary"))


class Store:
    """Keeps what it closes; error: raised instead. bad: rows that it refuses."""

    def __init__(self):
        self.asked = []
        self.closed = []
        self.bad = []
        self.refusal = DataError("", {}, ValueError("canary"))
        self.error = None

    def close(self, rows):
        self.asked.append(len(rows))
        if self.error is not None:
            raise self.error
        if any(row in self.bad for row in rows):
            raise self.refusal
        self.closed += rows


class Desk:
    """A writer with its store and its folder."""

    def __init__(self, folder):
        self.store, self.heard, self.folder = Store(), Heard(), folder
        self.health = Health(self.heard)
        self.writer = self.another(Spool(folder))

    def another(self, spool):
        return Writer(self.store, self.health, directly, spool, directly, self.heard)

    def write(self, *numbers):
        self.writer.write(rows_of(*numbers))

    def keep(self, *numbers):
        """Rows that a process leaves behind, which has ended."""
        spool = Spool(self.folder)
        spool.add(rows_of(*numbers))
        spool._file.close()


@pytest.fixture
def desk(tmp_path, monkeypatch):
    # each round tries again, and looks for the rows of others
    monkeypatch.setattr(writing, "RETRY_SECONDS", 0.0)
    monkeypatch.setattr(writing, "ADOPT_SECONDS", 0.0)
    return Desk(tmp_path)


@pytest.mark.parametrize("error", [AWAY, TooSlow(), StoreAway(), PoolTimeout()])
def test_rows_wait_on_the_disk_for_a_store_that_is_away(desk, error):
    desk.store.error = error
    desk.write(1, 2)
    desk.write(3)
    desk.write()
    assert (desk.store.closed, desk.heard.waiting, desk.heard.dropped) == ([], 3, [])
    desk.store.error = None
    desk.write(4)
    assert (desk.store.closed, desk.heard.waiting) == (rows_of(4, 1, 2, 3), 0)
    desk.write()
    assert len(desk.store.closed) == 4


def test_a_store_that_failed_is_left_alone_for_a_moment(desk, monkeypatch):
    monkeypatch.setattr(writing, "RETRY_SECONDS", 600)
    desk.store.error = AWAY
    desk.write(1)
    desk.store.error = None
    desk.write(2)
    assert (desk.store.asked, desk.heard.waiting) == ([1], 2)


def test_the_ledger_is_stuck_until_it_takes_or_refuses_a_row(desk):
    desk.store.error = AWAY
    for number in range(2):
        assert not desk.writer.is_stuck
        desk.write(number)
    desk.write()
    assert desk.writer.is_stuck
    desk.store.error = None
    desk.store.bad = rows_of(0, 1)
    desk.write()
    assert (desk.heard.waiting, desk.writer.is_stuck) == (0, False)


def test_a_store_that_is_known_to_be_away_is_not_asked(desk):
    desk.health.failed("slow")
    desk.write(1)
    desk.write()
    assert (desk.store.asked, desk.heard.waiting) == ([], 1)
    desk.health.recovered()
    desk.write()
    assert (desk.store.closed, desk.heard.waiting) == (rows_of(1), 0)


@pytest.mark.parametrize(
    "refusal",
    [
        DataError("", {}, ValueError("canary")),
        IntegrityError("", {}, ValueError("canary")),
        # SQLAlchemy's and a driver's own, for what they cannot convert
        StatementError("", "", {}, ValueError("canary")),
        ValueError("canary"),
    ],
)
def test_bad_rows_are_dropped_and_all_others_written(desk, refusal):
    desk.store.refusal = refusal
    desk.store.bad = rows_of(2, 3)
    desk.write(1, 2, 3, 4)
    assert desk.store.closed == rows_of(1, 4)
    assert desk.heard.dropped == [(1, "ValueError")] * 2
    assert desk.heard.waiting == 0


def test_a_store_that_goes_away_between_rows_gets_all_of_them_later(desk):
    desk.store.bad = rows_of(1)
    close = desk.store.close

    def close_once(rows):
        close(rows)
        desk.store.error = AWAY

    desk.store.close = close_once
    desk.write(1, 2, 3)
    assert desk.store.closed == rows_of(2)
    desk.store.error, desk.store.close = None, close
    desk.write()
    assert desk.store.closed[1:] == rows_of(2, 3)


def test_rows_of_processes_that_are_gone_are_taken_over(desk):
    many = range(MOST_AT_ONCE + 1)
    desk.keep(*many)
    desk.keep(1000)
    desk.write(2000)
    assert {row.facts.turn_id for row in desk.store.closed} == {
        f"turn-{number}" for number in (*many, 1000, 2000)
    }
    assert max(desk.store.asked) == MOST_AT_ONCE
    assert not list(desk.folder.glob("*.rows"))


def test_rows_of_others_stay_while_the_store_does_not_take_them(desk):
    desk.keep(1)
    desk.keep(2)
    close = desk.store.close

    def close_ours(rows):
        if rows != rows_of(3):
            raise AWAY
        close(rows)

    desk.store.close = close_ours
    desk.write(3)
    assert len(list(desk.folder.glob("*.rows"))) == 2
    desk.store.close = close
    desk.write()
    assert sorted(row.facts.turn_id for row in desk.store.closed) == ["turn-1", "turn-2", "turn-3"]


def test_rows_of_others_are_looked_for_now_and_then(desk, monkeypatch):
    monkeypatch.setattr(writing, "ADOPT_SECONDS", 600)
    desk.write()
    desk.keep(1)
    desk.write()
    assert desk.store.closed == []
    # our own do not wait for that, and others are looked for beside them
    desk.store.error = AWAY
    desk.write(2)
    desk.store.error = None
    desk.write(3)
    assert desk.store.closed == rows_of(3, 2, 1)


def test_rows_stay_in_memory_while_the_disk_takes_none(desk):
    class Full(Spool):
        def add(self, _rows):
            raise SpoolFull

    writer = desk.another(Full(desk.folder))
    desk.store.error = AWAY
    writer.write(rows_of(1, 2))
    assert (desk.heard.waiting, desk.heard.dropped) == (2, [])
    assert not writer.flush(0)
    desk.store.error = None
    writer.start()
    assert writer.flush(60)
    assert desk.store.closed == rows_of(1, 2)


def test_a_folder_that_cannot_be_read_stops_no_row(desk):
    class Broken(Spool):
        def left_behind(self):
            raise PermissionError

    writer = desk.another(Broken(desk.folder))
    writer.write(rows_of(1))
    writer.write(rows_of(2))
    assert desk.store.closed == rows_of(1, 2)
    assert desk.heard.dropped == [(0, "PermissionError")] * 2


def test_memory_has_an_end(desk, monkeypatch):
    monkeypatch.setattr(writing, "MOST_IN_MEMORY", 2)
    for row in rows_of(1, 2, 3):
        desk.writer.put(row)
    assert desk.heard.dropped == [(1, "memory")]
    desk.writer.start()
    assert desk.writer.flush(60)
    assert desk.store.closed == rows_of(1, 2)


def test_a_flush_waits_for_all_rows_that_came_before(desk):
    going, go_on = threading.Event(), threading.Event()
    close = desk.store.close

    def close_late(rows):
        going.set()
        assert go_on.wait(60)
        close(rows)

    desk.store.close = close_late
    desk.writer.start()
    desk.writer.put(rows_of(1)[0])
    assert going.wait(60)
    many = rows_of(*range(2, MOST_AT_ONCE + 3))
    for row in many:
        desk.writer.put(row)
    assert not desk.writer.flush(0)
    go_on.set()
    assert desk.writer.flush(60)
    assert desk.store.closed == rows_of(1) + many
    assert desk.store.asked == [1, MOST_AT_ONCE, 1]
