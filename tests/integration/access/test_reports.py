"""What the database sums up day by day is what the ledger holds, whatever happened to its rows."""

import random
import time
import uuid
from datetime import UTC, datetime

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import NullPool, create_engine, delete, func, select, text

from service.access import reports, schema
from service.access.database import Database, database_url
from service.access.ledger import SUMS, Call, Facts, LedgerRow, columns
from service.access.migrate import FOLDER, migrate
from service.access.periods import Calendar
from service.access.reports import Span, Used

DAY_US = 86400 * 1_000_000
FIRST_US = int(datetime(2026, 10, 1, tzinfo=UTC).timestamp()) * 1_000_000
BY = ("key", "user", "day", "model")
KEYS, USERS, MODELS = ("team-a", "team-b"), (None, "user-1", "user-2"), ("main", "small", "spare")
ENDINGS = ("completed", "completed", "disconnected", "rejected")


def random_call(dice):
    cost = dice.choice([None, dice.randrange(10**12)])
    tokens = dice.randrange(1000), dice.randrange(1000), dice.randrange(10)
    return Call(dice.choice(MODELS), *tokens, estimated=dice.random() < 0.3, cost=cost)


def random_row(dice, *, lost=False):
    facts = Facts(
        str(uuid.UUID(int=dice.getrandbits(128))),
        "request-1",
        dice.choice(KEYS),
        dice.choice(USERS),
        "/chat",
    )
    at_us = FIRST_US + dice.randrange(4 * DAY_US)
    calls = tuple(random_call(dice) for _ in range(dice.randrange(4)))
    return LedgerRow(facts, dice.choice(ENDINGS), None, at_us, 10, calls, lost=lost)


def parts_of(row, by):
    if by != "model":
        names = {"key": row.key, "user": row.user_id or "", "day": row.day}
        return [(names[by], {name: getattr(row, name) for name in SUMS})]
    if row.by_model is None:
        return [(row.models, {name: getattr(row, name) for name in SUMS})]
    return [(part["model"], {name: part[name] for name in SUMS}) for part in row.by_model]


def expected(ledger, by, span):
    found = {}
    for row in ledger:
        in_span = span.since_us <= row.ended_at_us < span.until_us
        if in_span and span.key in (None, row.key):
            for name, sums in parts_of(row, by):
                found.setdefault(name, Used(name)).add(1, int(row.ending == "completed"), sums)
    return sorted(found.values(), key=lambda used: used.name)


def spans(dice, ledger):
    """Of whole days, from and to the middle of one, and around a row."""
    at_us = dice.choice(ledger).ended_at_us if ledger else FIRST_US
    yield Span(FIRST_US, FIRST_US + 4 * DAY_US)
    yield Span(FIRST_US + DAY_US, FIRST_US + 3 * DAY_US, "team-a")
    yield Span(FIRST_US + dice.randrange(DAY_US), FIRST_US + 3 * DAY_US + dice.randrange(DAY_US))
    yield Span(at_us, at_us + 1)
    yield Span(FIRST_US, at_us)


def assert_agree(database, dice):
    with database.reading() as connection:
        ledger = connection.execute(select(schema.ledger)).all()
        for span in spans(dice, ledger):
            for by in BY:
                assert reports.used(connection, by, span) == expected(ledger, by, span)
        kept = schema.usage.c
        turns = select(func.sum(kept.turns)).where(kept.kind.in_(("turn", "whole")))
        assert (connection.scalar(turns) or 0) == len(ledger)
        assert connection.scalar(select(func.count()).where(kept.turns == 0)) == 0


@pytest.mark.parametrize("seed", [1, 2])
def test_sums_are_those_of_the_rows_whatever_happens_to_them(store, database, seed):
    dice = random.Random(seed)
    known = [random_row(dice, lost=dice.random() < 0.3) for _ in range(60)]
    store.restore(known)
    store.restore(dice.sample(known, 20))
    assert_agree(database, dice)
    late = [random_row(dice) for _ in range(60)]
    found = [
        LedgerRow(old.facts, new.ending, None, new.ended_at_us, 10, new.calls)
        for old, new in zip(known, late, strict=True)
    ]
    assert store.restore(found) == 0
    assert_agree(database, dice)
    days_ago = (time.time_ns() // 1000 - FIRST_US - 2 * DAY_US) // DAY_US
    assert store.forget_old_rows(days_ago) > 0
    assert_agree(database, dice)
    with database.writing(background=True) as connection:
        connection.execute(delete(schema.ledger))
    assert_agree(database, dice)


def test_rows_of_an_older_version_are_summed_up_when_the_tables_are_migrated(address):
    url, dice = database_url(address), random.Random(3)
    ours = create_engine(url, poolclass=NullPool)
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    with ours.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    rows = [random_row(dice) for _ in range(40)]
    by_hand(ours, rows)
    migrate(url)
    database = Database(url)
    assert_agree(database, dice)
    by_hand(ours, [random_row(dice) for _ in range(10)])
    assert_agree(database, dice)
    database.forget()


def test_a_backup_of_an_older_version_is_summed_up_again(address):
    """As pg_restore leaves it: only the tables that the backup knows are replaced."""
    migrate(database_url(address))
    ours = create_engine(database_url(address), poolclass=NullPool)
    with ours.begin() as connection:
        connection.execute(text("UPDATE access_version SET version_num = '0001'"))
        schema.ledger.drop(connection)
        schema.ledger.create(connection)
    by_hand(ours, [random_row(random.Random(4))])
    migrate(database_url(address))
    database = Database(database_url(address))
    assert_agree(database, random.Random(4))
    database.forget()


def test_an_older_version_that_came_back_is_followed_by_this_one(address):
    """Its operator set the number of the tables back, and so left the sums and their triggers."""
    migrate(database_url(address))
    ours = create_engine(database_url(address), poolclass=NullPool)
    by_hand(ours, [random_row(random.Random(5))])
    with ours.begin() as connection:
        connection.execute(text("UPDATE access_version SET version_num = '0001'"))
    by_hand(ours, [random_row(random.Random(6))])
    migrate(database_url(address), wait_seconds=0)
    database = Database(database_url(address))
    assert_agree(database, random.Random(6))
    by_hand(ours, [random_row(random.Random(7))])
    assert_agree(database, random.Random(7))
    database.forget()


def by_hand(engine, rows):
    """As a worker of the older version writes them."""
    with engine.begin() as connection:
        connection.execute(schema.ledger.insert(), [columns(row, Calendar("UTC")) for row in rows])
