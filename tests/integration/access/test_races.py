"""Four workers with 200 callers each, all at once: never one more than allowed, and none refused that was allowed."""

from contextlib import ExitStack

import pytest
from sqlalchemy import func, select

from service.access import schema
from service.access.allowance import Limits
from tests.support.access_worker import AccessWorker
from tests.unit.access.allowance_model import Arrivals

WORKERS = 4
CALLERS = 200


@pytest.fixture
def workers(address, database, create, tmp_path):
    """Started when the keys are there."""
    with ExitStack() as stack:

        def start(**fields):
            create("team-a", **fields)
            return [
                stack.enter_context(AccessWorker(address, tmp_path / "spool"))
                for _ in range(WORKERS)
            ]

        yield start


def all_at_once(workers, **each):
    """What became of all turns. each: arguments, or a function of the worker's number that gives them."""
    for worker in workers:
        assert worker.ask("heard")["dependency"] == [[True, None]]
    for worker in workers:
        worker.tell("turns", count=CALLERS, keep=True, **each)
    turns = [turn for worker in workers for turn in worker.answer()]
    for worker in workers:
        assert worker.ask("heard")["dependency"] == [[True, None]]
    assert {turn[0] for turn in turns} <= {None, "rate_limited", "budget_exceeded"}
    return turns


def admitted(turns):
    return sum(code is None for code, *_ in turns)


def test_money_is_given_out_to_the_last_cent_and_no_further(workers, store):
    running = workers(limits=Limits(budget_month=100))
    assert admitted(all_at_once(running, cost=1)) == 100
    # what was held in vain comes back, to the last cent, too
    assert sum(worker.ask("end", cost=0) for worker in running) == 100
    assert all(worker.ask("flush") for worker in running)
    turns = all_at_once(running, cost=2)
    assert admitted(turns) == 50
    [worker.ask("end", cost=2) for worker in running]
    assert all(worker.ask("flush") for worker in running)
    running[0].until("usage", {"spent": 100, "reserved": 0, "open": 0})
    with store.database.reading() as connection:
        assert connection.scalar(select(func.sum(schema.ledger.c.cost))) == 100
        assert connection.scalar(select(func.count()).select_from(schema.ledger)) == 1600


def test_as_many_answers_are_open_as_may_be(workers):
    running = workers(limits=Limits(open_answers=77))
    assert admitted(all_at_once(running)) == 77


def test_requests_per_minute_are_exact_in_the_stores_time(workers):
    running = workers(limits=Limits(requests_per_minute=300))
    turns = all_at_once(running)
    reference = Arrivals()
    # of one transaction, and so of one time, are those who were admitted the first
    for code, _, _, at_us in sorted(turns, key=lambda turn: (turn[3], turn[0] or "")):
        allowed = reference.fits(at_us, 300, 1)
        assert (code is None) == allowed
        if allowed:
            reference.take(at_us, 300, 1)
    assert admitted(turns) >= 300


def test_users_of_a_key_do_not_wait_for_each_other_in_circles(workers, store, postgres):
    running = workers(limits=Limits(open_answers=500), per_user=Limits(open_answers=30))
    users = [f"user-{number:04}" for number in range(4)]
    for number, worker in enumerate(running):
        names = users if number % 2 else users[::-1]
        for user in names:
            worker.tell("turns", count=CALLERS // 4, keep=True, user=user)
    turns = [turn for worker in running for _ in users for turn in worker.answer()]
    assert admitted(turns) == 4 * 30
    if not store.database.is_sqlite:
        assert postgres.sql("SELECT sum(deadlocks) FROM pg_stat_database", "postgres") == "0"
