"""What is written and read directly is what SQLAlchemy writes and reads."""

import sqlite3
import uuid
from contextlib import closing

import pytest
from sqlalchemy import bindparam, select
from sqlalchemy.exc import IntegrityError, OperationalError

from service.access import schema
from service.access.closing import ADD
from service.access.database import Database, database_url
from service.access.ledger import Call, Facts, LedgerRow, columns
from service.access.periods import Calendar

TURNS = [str(uuid.uuid4()) for _ in range(5)]
FOUND = (
    select(schema.ledger)
    .where(schema.ledger.c.turn_id.in_(bindparam("turns", expanding=True)))
    .where(schema.ledger.c.ending != "failed")
    .order_by(schema.ledger.c.turn_id)
)


def row(turn, *, lost=False):
    facts = Facts(turn, "질문-1", "team-a", None, "/chat")
    calls = (Call("main", 1, 2, cost=5), Call("small", 3, 4))
    return columns(LedgerRow(facts, "completed", None, 7, 5, calls, lost), Calendar("UTC"))


def added(database, *statements):
    with database.writing_turns() as connection:
        for rows in statements:
            connection.execute(ADD, rows)


@pytest.fixture
def database(tmp_path):
    database = Database(database_url(f"sqlite:///{tmp_path}/access.sqlite3"), busy_seconds=0.01)
    with database.writing() as connection:
        schema.metadata.create_all(connection, [schema.ledger])
    yield database
    database.forget()


@pytest.fixture
def filled(database):
    added(database, [row(turn, lost=turn == TURNS[0]) for turn in TURNS])
    return database


@pytest.mark.parametrize("count", range(6))
def test_any_number_of_rows_is_found(filled, count):
    wanted = {"turns": TURNS[:count]}
    with filled.writing_turns() as connection:
        direct = connection.execute(FOUND, wanted)
    with filled.reading() as connection:
        through = connection.execute(FOUND, wanted).all()
    assert len(direct) == count
    assert [one._asdict() for one in direct] == [one._asdict() for one in through]


def test_rows_written_either_way_are_the_same(database):
    turn = TURNS[0]
    read = []
    for writing in (database.writing_turns, database.writing):
        with writing() as connection:
            connection.execute(ADD, [row(turn)])
        with database.writing() as connection:
            read.append(connection.exec_driver_sql("SELECT * FROM access_ledger").all())
            connection.execute(schema.ledger.delete())
    assert read[0] == read[1]
    assert read[0]


def test_what_fails_leaves_nothing_and_raises_an_error_of_sqlalchemy(filled):
    another = str(uuid.uuid4())
    with pytest.raises(IntegrityError):
        added(filled, [row(another)], [row(TURNS[0])])
    with filled.writing_turns() as connection:
        assert connection.execute(FOUND, {"turns": [another]}) == []


def test_a_locked_file_tells_its_code(filled):
    path = filled.url.database
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(OperationalError) as raised, filled.writing_turns():
            pass
    assert raised.value.orig.sqlite_errorcode == sqlite3.SQLITE_BUSY


def test_each_statement_is_a_reply(filled):
    before = filled.replies
    with filled.writing_turns() as connection:
        begun = filled.replies
        connection.execute(ADD, [row(str(uuid.uuid4()))])
    assert before < begun < filled.replies
