"""What the store decides, keeps and gives back, the same in SQLite and in PostgreSQL."""

import time
import uuid
from datetime import date

import pytest
from sqlalchemy import delete, select, update

from service.access import registry, schema
from service.access.admissions import Begin, Look, More
from service.access.allowance import Amount, Limits
from service.access.health import StoreReplaced
from service.access.keys import ANONYMOUS, Key
from service.access.ledger import Call, Facts, LedgerRow
from service.access.periods import Calendar
from service.access.states import MOST_USERS, OTHER_USERS
from service.access.store import Store
from service.access.upkeep import LEASE_SECONDS

DOLLAR = 10**12
DAY = date(2026, 11, 25)


def facts(key="team-a", user=None, **changes):
    fields = {"turn_id": str(uuid.uuid4()), "request_id": "request-1", "route": "/chat"}
    return Facts(**fields | {"key": key, "user_id": user, "model": "sim"} | changes)


def begin(one, *, tokens=100, cost=0):
    return Begin(one, tokens, 0, cost)


def ended(one, *calls, ending="completed", at_us=None):
    at_us = time.time_ns() // 1000 if at_us is None else at_us
    return LedgerRow(one, ending, None, at_us, 1500, tuple(calls))


def state(store, key="team-a", user=None):
    """The key's state, or its user's."""
    [answer] = store.decide([Look(key, user)])
    return answer.levels[1 if user else 0][0]


def rows(store, table=schema.ledger):
    with store.database.reading() as connection:
        return connection.execute(select(table)).all()


def count(store, table):
    return len(rows(store, table))


def test_a_turn_holds_what_it_may_cost_and_settles_what_it_cost(store, create):
    create("team-a", limits=Limits(tokens_per_minute=1000, budget_day=DOLLAR))
    one = facts()
    [answer] = store.decide([begin(one, tokens=400, cost=DOLLAR // 2)])
    assert answer.refusal is None
    assert answer.held == Amount(400, DOLLAR // 2)
    assert (state(store).open_answers, state(store).reserved) == (1, DOLLAR // 2)
    assert store.close([ended(one, Call("sim", 60, 40, cost=DOLLAR // 4))]) == 1
    settled = state(store)
    assert (settled.open_answers, settled.reserved, settled.spent_day) == (0, 0, DOLLAR // 4)
    assert settled.tokens <= 100 * 60_000_000
    assert count(store, schema.leases) == 0


def test_a_row_says_everything_of_a_turn(store, create):
    create("team-a")
    one = facts(user="user-0001", chain="search", route="/chat/stream")
    calls = [
        Call("main", 10, 5, cached_input_tokens=4, cost=7),
        Call("small", 1, 1, estimated=True),
        Call("main", 10, 5, cost=8),
    ]
    store.close([ended(one, *calls, at_us=Calendar("UTC").day_starts_us(DAY))])
    [row] = rows(store)
    assert row.turn_id == one.turn_id
    assert (row.key, row.user_id, row.route, row.chain) == (
        "team-a",
        "user-0001",
        "/chat/stream",
        "search",
    )
    assert (row.models, row.calls, row.day, row.duration_ms) == (
        "main,small",
        3,
        "2026-11-25",
        1500,
    )
    assert (row.input_tokens, row.output_tokens, row.cached_input_tokens) == (21, 11, 4)
    assert (row.estimated_tokens, row.unpriced_tokens, row.cost) == (2, 2, 15)
    assert [(part["model"], part["cost"]) for part in row.by_model] == [("main", 15), ("small", 0)]


def test_a_turn_that_is_closed_twice_counts_once(store, create):
    create("team-a")
    one = facts()
    store.decide([begin(one)])
    row = ended(one, Call("sim", 1, 1, cost=5))
    assert store.close([row, row]) == 1
    assert store.close([row]) == 0
    assert count(store, schema.ledger) == 1
    assert (state(store).spent_month, state(store).open_answers) == (5, 0)


def test_a_request_id_that_is_always_the_same_hides_no_turn(store, create):
    create("team-a")
    turns = [facts(request_id="the-same-id") for _ in range(100)]
    store.decide([begin(one) for one in turns])
    assert store.close([ended(one, Call("sim", 1, 1, cost=3)) for one in turns]) == 100
    assert (count(store, schema.ledger), state(store).spent_day) == (100, 300)


def test_all_who_ask_at_once_are_decided_in_their_order(store, create):
    create("team-a", limits=Limits(open_answers=3))
    create("team-b", limits=Limits(budget_month=10))
    asked = [begin(facts()) for _ in range(5)] + [begin(facts("team-b"), cost=6) for _ in range(2)]
    answers = store.decide(asked)
    limits = [answer.refusal and answer.refusal.limit for answer in answers]
    assert limits == [None, None, None, "open_answers", "open_answers", None, "budget_month"]
    assert count(store, schema.leases) == 4


def test_later_model_calls_hold_more_until_the_budget_ends(store, create):
    create("team-a", limits=Limits(budget_day=10, tokens_per_minute=100))
    one = facts()
    store.decide([begin(one, tokens=50, cost=4)])
    [more] = store.decide([More(one, Amount(500, 5), spent=4)])
    assert more.refusal is None
    [refused] = store.decide([More(one, Amount(1, 2), spent=9)])
    assert (refused.refusal.limit, refused.refusal.spent) == ("budget_day", True)
    [refused] = store.decide([More(one, Amount(1, 2), spent=0)])
    # what the answer holds may come back
    assert (refused.refusal.limit, refused.refusal.spent) == ("budget_day", False)
    store.close([ended(one, Call("sim", 300, 100, cost=9))])
    after = state(store)
    assert (after.reserved, after.spent_day) == (0, 9)
    # the tokens of an answer that went on count against the next one
    assert after.tokens > 300 * 60_000_000


def test_limits_of_users_are_beside_those_of_the_key(store, create):
    create("team-a", limits=Limits(open_answers=3), per_user=Limits(open_answers=2))
    users = ["user-0001"] * 3 + ["user-0002"] * 2
    answers = store.decide([begin(facts(user=user)) for user in users])
    assert [bool(answer.refusal) for answer in answers] == [False, False, True, False, True]
    assert state(store, user="user-0001").open_answers == 2
    assert state(store, user="user-0002").open_answers == 1


def test_a_clock_that_was_years_ahead_keeps_nobody_out(store, create, database):
    create("team-a", limits=Limits(requests_per_minute=1, budget_day=DOLLAR))
    store.decide([begin(facts(), cost=DOLLAR)])
    ahead = {"at_us": schema.states.c.at_us + 5 * 365 * 86_400_000_000, "day": "2031-11-25"}
    with database.writing() as connection:
        connection.execute(update(schema.states).values(ahead))
    store.decide([begin(facts())])
    seen = state(store)
    assert seen.at_us < time.time_ns() // 1000 + 86_400_000_000
    assert seen.day < "2031"


def test_users_beyond_the_most_share_one_row(store, create):
    create("team-a", per_user=Limits(requests_per_minute=1))
    for first in range(0, MOST_USERS + 20, 100):
        names = [f"user-{number:05}" for number in range(first, first + 100)]
        store.decide([begin(facts(user=name)) for name in names])
    assert count(store, schema.states) <= MOST_USERS + 3
    [answer] = store.decide([begin(facts(user="somebody-else"))])
    assert answer.refusal.limit == "requests_per_minute"
    [answer] = store.decide([begin(facts(user=OTHER_USERS))])
    assert answer.refusal


def test_users_that_say_nothing_any_more_are_forgotten(store, create):
    create("team-a", per_user=Limits(requests_per_minute=10_000_000, open_answers=5))
    one, two = facts(user="user-0001"), facts(user="user-0002")
    store.decide([begin(one), begin(two)])
    store.close([ended(one)])
    assert store.forget_idle_users() == 1
    assert state(store, user="user-0002").open_answers == 1
    store.close([ended(two)])
    assert store.forget_idle_users() == 1
    users = select(schema.states.c.users).where(schema.states.c.key == "team-a")
    with store.database.reading() as connection:
        assert connection.scalar(users) == 0


def test_a_user_keeps_its_row_while_limits_of_users_come_and_go(store, create, database):
    create("team-a", per_user=Limits(open_answers=5))
    one = facts(user="user-0001")
    store.decide([begin(one)])
    for per_user in (Limits(), Limits(open_answers=1)):
        with database.writing() as connection:
            registry.change(connection, store.calendar, Key("team-a", per_user=per_user))
    [answer] = store.decide([begin(facts(user="user-0001"))])
    assert answer.refusal.limit == "open_answers"
    store.close([ended(one)])
    assert state(store, user="user-0001").open_answers == 0


def test_a_lowered_limit_leaves_nobody_waiting_for_what_the_old_one_allowed(
    store, create, database
):
    create(
        "team-a", limits=Limits(requests_per_minute=1000), per_user=Limits(tokens_per_minute=9000)
    )
    store.decide([begin(facts(user="user-0001"), tokens=90) for _ in range(100)])
    lower = Key("team-a", Limits(requests_per_minute=2), Limits(tokens_per_minute=10))
    with database.writing() as connection:
        registry.change(connection, store.calendar, lower)
    [answer] = store.decide([begin(facts(user="user-0001"), tokens=1)])
    assert answer.refusal.wait_us <= 30_000_000


def test_a_key_that_the_store_does_not_have_is_another_stores(store, create):
    with pytest.raises(StoreReplaced):
        store.decide([begin(facts("team-z"))])
    with pytest.raises(StoreReplaced):
        store.close([ended(facts("team-z"))])
    assert store.restore([ended(facts("team-z"))]) == 1


def test_a_key_that_somebody_deleted_is_known_no_more_and_stops_no_other(store, create, database):
    create("team-a")
    create("team-b")
    store.changes_since(-1)
    one, open_one = facts(), facts()
    store.decide([begin(one), begin(open_one)])
    with database.writing() as connection:
        for table in (schema.leases, schema.secrets, schema.states):
            connection.execute(delete(table).where(table.c.key == "team-a"))
        connection.execute(delete(schema.keys).where(schema.keys.c.name == "team-a"))
    of_a, of_b = store.decide([begin(facts()), begin(facts("team-b"))])
    assert of_a.levels == []
    assert of_b.levels
    assert of_b.refusal is None
    assert store.close([ended(one), ended(facts("team-b"))]) == 2


def test_answers_of_a_worker_that_died_are_closed_and_its_money_is_free(store, create, database):
    create("team-a", limits=Limits(open_answers=1, budget_day=10))
    other = Store(database, store.calendar, "worker-2")
    other.beat()
    one = facts()
    other.decide([begin(one, cost=4)])
    other.decide([More(one, Amount(1, 5), spent=3)])
    store.beat()
    assert store.sweep(()) == 0
    silence(database, "worker-2")
    assert store.sweep(()) == 1
    assert (state(store).open_answers, state(store).reserved, state(store).spent_day) == (0, 0, 3)
    [row] = rows(store)
    assert (row.ending, row.code, row.cost, row.lost) == ("failed", "internal", 3, True)


def test_a_row_that_comes_after_its_worker_was_taken_for_dead_replaces_what_was_known(
    store, create, database
):
    create("team-a")
    one = facts()
    other = Store(database, store.calendar, "worker-2")
    other.beat()
    other.decide([begin(one, cost=4)])
    other.decide([More(one, Amount(1, 5), spent=3)])
    silence(database, "worker-2")
    store.sweep(())
    assert store.close([ended(one, Call("sim", 10, 10, cost=8))]) == 0
    assert store.close([ended(one, Call("sim", 10, 10, cost=8))]) == 0
    [row] = rows(store)
    assert (row.ending, row.cost, row.lost) == ("completed", 8, False)
    assert state(store).spent_day == 8


def test_a_worker_closes_what_it_has_forgotten_and_keeps_what_it_is_doing(store, create, database):
    create("team-a")
    running, forgotten = facts(), facts()
    store.beat()
    store.decide([begin(running), begin(forgotten)])
    with database.writing() as connection:
        connection.execute(update(schema.leases).values(began_at_us=1))
    assert store.sweep({running.turn_id}) == 1
    assert [row.turn_id for row in rows(store, schema.leases)] == [running.turn_id]


def test_a_call_whose_lease_was_swept_is_asked_for_and_holds_nothing(store, create):
    create("team-a", limits=Limits(budget_day=10))
    [more] = store.decide([More(facts(), Amount(1, 5), spent=0)])
    [refused] = store.decide([More(facts(), Amount(1, 50), spent=0)])
    assert (more.refusal, refused.refusal.limit) == (None, "budget_day")
    assert state(store).reserved == 0


def test_old_rows_go_and_the_others_stay(store, create):
    create("team-a")
    old, new = facts(), facts()
    month_ago = time.time_ns() // 1000 - 31 * 86400 * 1_000_000
    store.close([ended(old, at_us=month_ago), ended(new)])
    assert store.forget_old_rows(30) == 1
    assert store.forget_old_rows(30) == 0
    assert [row.turn_id for row in rows(store)] == [new.turn_id]


def test_a_new_store_lets_addresses_in_within_limits(store):
    with store.database.reading() as connection:
        [stored] = registry.listed(connection)
    assert stored.key.name == ANONYMOUS
    assert stored.key.limits == Limits(budget_day=20 * DOLLAR)
    assert stored.key.per_user == Limits(tokens_per_minute=200_000)
    assert stored.key.allow_unpriced


def silence(database, worker):
    """It has not been seen for long enough to be dead."""
    past = schema.workers.c.seen_at_us - (LEASE_SECONDS + 1) * 1_000_000
    with database.writing() as connection:
        connection.execute(
            update(schema.workers).where(schema.workers.c.id == worker).values(seen_at_us=past)
        )
