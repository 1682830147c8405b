"""200 callers at once at two replicas of two workers each: never one more than allowed, and none refused that was."""

import time
from collections import Counter
from contextlib import ExitStack

import pytest
from sqlalchemy import func, select

from service.access import schema
from service.access.allowance import Limits
from service.access.database import Database, database_url
from service.access.migrate import migrate
from tests.support.access_store import make_key
from tests.support.callers import Callers
from tests.support.service import Service
from tests.support.simulator import directive

CALLERS = 200
OUTPUT_TOKENS = 100
PRICES = '[models."sim"]\ninput = 1\ncached_input = 1\noutput = 100\nas_of = 2026-01-01\n'
OUTPUT_COST = 100 * OUTPUT_TOKENS * 10**6
# more than the question's input costs
SMALL_COST = 100 * 10**6
SLOW_ANSWER = directive(tokens=OUTPUT_TOKENS, gap=0.06)
# open until the last caller has asked, on a busy machine, too
LONG_ANSWER = directive(tokens=OUTPUT_TOKENS, gap=0.18)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def store(request, tmp_path_factory):
    """Its address; shared by the tests of this file."""
    if request.param == "sqlite":
        address = f"sqlite:///{tmp_path_factory.mktemp('store')}/access.sqlite3"
    else:
        address = request.getfixturevalue("postgres").address()
    migrate(database_url(address))
    return address


@pytest.fixture(scope="module")
def replicas(store, _simulator, tmp_path_factory):
    folder = tmp_path_factory.mktemp("replicas")
    (folder / "prices.toml").write_text(PRICES)
    settings = {
        "DATABASE_URL": store,
        "PRICES_FILE": folder / "prices.toml",
        "WEB_CONCURRENCY": 2,
        "MAX_CONCURRENT_TURNS": 2 * CALLERS,
        "MAX_OUTPUT_TOKENS": OUTPUT_TOKENS,
        "RETRY_ATTEMPTS": 1,
    }
    with ExitStack() as stack:
        running = [
            Service(_simulator.base_url, DATA_DIR=folder / f"data-{number}", **settings)
            for number in range(2)
        ]
        for service in running:
            stack.callback(service.stop)
        for service in running:
            service.wait_ready()
        yield running


def all_at_once(replicas, key, question):
    """How many were let in, and how long it took."""
    began = time.monotonic()
    with ExitStack() as stack:
        doors = [stack.enter_context(Callers(service.port)) for service in replicas]
        half = CALLERS // len(doors)
        waiting = [one for door in doors for one in door.stream(half, question, key)]
        answers = Counter((one.result(60).status, one.result().ending) for one in waiting)
    assert answers.keys() <= {(200, "done"), (429, "rate_limited")}, answers
    for service in replicas:
        assert service.metric("chat_dependency_up", dependency="database") == 1
    return answers[200, "done"], time.monotonic() - began


def rows_of(store, key):
    """All turns' rows, and their costs, once they have been written."""
    database = Database(database_url(store))
    own = schema.ledger.c.key == key
    until = time.monotonic() + 20
    while True:
        with database.reading() as connection:
            counted = select(func.count(), func.sum(schema.ledger.c.cost)).where(own)
            count, cost = connection.execute(counted).one()
        if count >= CALLERS or time.monotonic() > until:
            database.forget()
            return count, int(cost)
        time.sleep(0.05)


def test_answers_at_the_same_time(replicas, store):
    key = make_key(store, "open", limits=Limits(open_answers=77))
    assert all_at_once(replicas, key, LONG_ANSWER)[0] == 77
    assert rows_of(store, "open")[0] == CALLERS


def test_requests_per_minute(replicas, store):
    key = make_key(store, "requests", limits=Limits(requests_per_minute=60))
    count, seconds = all_at_once(replicas, key, directive(tokens=2))
    assert 60 <= count <= 60 + seconds
    assert rows_of(store, "requests")[0] == CALLERS


def test_tokens_per_minute(replicas, store):
    most = 6000
    other = make_key(store, "one-turn", limits=Limits(tokens_per_minute=most))
    headers = {"Authorization": f"Bearer {other}"}
    with replicas[0].stream(SLOW_ANSWER, headers=headers) as stream:
        each = most - int(stream.open().headers["x-ratelimit-remaining-tokens"])
    key = make_key(store, "tokens", limits=Limits(tokens_per_minute=most))
    count, seconds = all_at_once(replicas, key, SLOW_ANSWER)
    assert most // each <= count <= (most + seconds * most / 60) // each


def test_dollars(replicas, store):
    key = make_key(store, "dollars", limits=Limits(budget_day=40 * (OUTPUT_COST + SMALL_COST)))
    assert all_at_once(replicas, key, LONG_ANSWER)[0] == 40
    count, cost = rows_of(store, "dollars")
    assert count == CALLERS
    assert 40 * OUTPUT_COST < cost <= 40 * (OUTPUT_COST + SMALL_COST)
