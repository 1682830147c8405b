"""Who is let in, what a turn's account may do, and what its caller is told. One store in a file, real threads."""

import queue
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from service import errors
from service.access import registry, schema
from service.access.access import MOST_SETTLING, Access, Policy
from service.access.admissions import Look
from service.access.allowance import Limits
from service.access.database import Database, database_url
from service.access.health import StoreAway
from service.access.keys import ANONYMOUS, Key
from service.access.migrate import migrate
from service.access.periods import Calendar
from service.access.secret import digest, new_secret
from service.access.spool import Spool
from service.access.store import Store
from service.chat.events import Usage
from tests.unit.access.fakes import Asked, Heard, Said, attempt, directly, prompt_of

USAGE = Usage(10, 5, "reported", cached_input_tokens=4)


class Door:
    """An access with its store."""

    def __init__(self, folder, **policy):
        url = database_url(f"sqlite:///{folder}/access.sqlite3")
        migrate(url)
        self.database = Database(url)
        self.store = Store(self.database, Calendar("UTC"), uuid.uuid4().hex)
        self.heard = Heard()
        policy = {"store_seconds": 20} | policy
        self.access = Access(
            Policy(**policy), self.store, (directly, directly), Spool(folder), Said(), self.heard
        )
        self.access.start()

    def create(self, name="team-a", **fields):
        secret = new_secret()
        with self.database.writing() as connection:
            now_us = time.time_ns() // 1000
            assert registry.create(connection, Key(name, **fields), digest(secret), now_us)
        return secret

    def change(self, key):
        with self.database.writing() as connection:
            registry.change(connection, self.store.calendar, key)

    def identify(self, secret):
        return self.access.identify(None if secret is None else f"Bearer {secret}")

    def account(self, secret=None, user=None):
        return self.access.account(
            self.identify(secret),
            turn_id=str(uuid.uuid4()),
            request_id="request-1",
            user_id=user,
            address="192.0.2.7",
            route="/chat",
        )

    def left(self, key):
        [answer] = self.store.decide([Look(key, None)])
        return answer.levels[0][0]

    def rows(self):
        assert self.access.stop(10)
        with self.database.reading() as connection:
            return connection.execute(
                select(schema.ledger).order_by(schema.ledger.c.ended_at_us)
            ).all()


@pytest.fixture
def door(tmp_path):
    return Door(tmp_path)


def refused(problem, act, cause=None):
    with pytest.raises(problem) as caught:
        act()
    assert cause is None or caught.value.cause == cause
    return caught.value


# who asks


def test_a_new_service_is_open_until_somebody_has_a_key(door):
    assert door.access.is_open
    assert door.identify(None).name == ANONYMOUS
    # OpenAI's clients send somebody else's key, or anything at all
    assert door.identify("sk-somebody-elses").name == ANONYMOUS
    secret = door.create()
    assert door.identify(secret).name == "team-a"
    assert not door.access.is_open
    refused(errors.Unauthorized, lambda: door.identify(None), "no_key")
    refused(errors.Unauthorized, lambda: door.identify("sk-somebody-elses"), "malformed")
    assert door.heard.problems == ["no_key", "malformed"]


def test_a_service_for_keys_lets_nobody_else_in(tmp_path):
    door = Door(tmp_path, mode="keys")
    refused(errors.Unauthorized, lambda: door.identify(None), "no_key")


def test_an_open_service_still_knows_its_keys(tmp_path):
    door = Door(tmp_path, mode="open")
    secret = door.create()
    assert door.identify(secret).name == "team-a"
    assert door.identify(None).name == ANONYMOUS
    refused(errors.Unauthorized, lambda: door.identify(new_secret()), "unknown")


def test_open_access_can_be_disabled(door):
    door.change(Key(ANONYMOUS, disabled=True))
    door.access._keeper.look_again(20)
    refused(errors.Forbidden, lambda: door.identify(None), "disabled")


def test_a_disabled_key_is_refused_and_an_expired_one(door):
    secret = door.create()
    assert door.identify(secret).name == "team-a"
    door.change(Key("team-a", disabled=True))
    door.access._keeper.look_again(20)
    refused(errors.Forbidden, lambda: door.identify(secret), "disabled")
    door.change(Key("team-a", expires_at_us=1))
    door.access._keeper.look_again(20)
    refused(errors.Forbidden, lambda: door.identify(secret), "expired")
    assert door.heard.problems == ["disabled", "expired"]


def test_a_key_works_from_the_moment_it_is_made(door):
    for number in range(3):
        secret = door.create(f"team-{number}")
        assert door.identify(secret).name == f"team-{number}"


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic dTpw", "csk_" + "0" * 49, "Bearer csk_short", "Bearer a b"],
)
def test_a_header_that_holds_no_key_is_refused(tmp_path, header):
    door = Door(tmp_path, mode="keys")
    refused(errors.Unauthorized, lambda: door.access.identify(header))


def test_the_scheme_is_read_in_any_case(door):
    secret = door.create()
    assert door.access.identify(f"bearer  {secret} ").name == "team-a"


# a turn's account


def test_an_account_is_begun_charged_and_ended_once(door):
    account = door.account(door.create(limits=Limits(budget_month=10**12)), "user-0001")
    asked = Asked(100, 50, 10**11)
    account.begin(prompt_of(asked, "user-0001", chain="chat"))
    with account.hold(asked):
        account.attempt(attempt("main", USAGE, 10**10))
    account.attempt(attempt("embedding", Usage(7, 0, "estimated")))
    account.end("completed", None)
    account.end("failed", errors.Internal())
    [row] = door.rows()
    assert (row.key, row.user_id, row.chain) == ("team-a", "user-0001", "chat")
    assert (row.ending, row.code) == ("completed", None)
    assert (row.models, row.calls, row.cost) == ("main,embedding", 2, 10**10)
    assert (row.input_tokens, row.cached_input_tokens, row.output_tokens) == (17, 4, 5)
    assert (row.estimated_tokens, row.unpriced_tokens) == (7, 7)
    left = door.left("team-a")
    assert (left.spent_month, left.reserved, left.open_answers) == (10**10, 0, 0)


def test_a_caller_sees_what_is_left(door):
    secret = door.create(limits=Limits(requests_per_minute=10, tokens_per_minute=1000))
    account = door.account(secret)
    account.begin(prompt_of(Asked(300, 100)))
    assert (account.figures.requests.limit, account.figures.requests.remaining) == (10, 9)
    assert (account.figures.tokens.limit, account.figures.tokens.remaining) == (1000, 600)
    assert account.figures.tokens.full_after_us == 24_000_000
    account.end("completed", None)


def test_the_tighter_limit_of_key_and_user_is_shown(door):
    secret = door.create(
        limits=Limits(tokens_per_minute=1000), per_user=Limits(tokens_per_minute=100)
    )
    account = door.account(secret)
    account.begin(prompt_of(Asked(), "user-0001"))
    assert account.figures.tokens.limit == 100
    account.end("completed", None)


def test_the_users_of_open_access_are_addresses(door):
    per_user = Limits(open_answers=1)
    door.change(Key(ANONYMOUS, per_user=per_user, allow_unpriced=True))
    first = door.account()
    first.begin(prompt_of(Asked(), "user-0001", address="2001:db8::1"))
    assert first.user == "2001:db8::/64"
    second = door.account()
    about = {"user": "user-0002", "address": "2001:db8::2"}
    refused(errors.RateLimited, lambda: second.begin(prompt_of(Asked(), **about)), "open_answers")
    door.account().begin(prompt_of(Asked(), address="2001:db8:0:1::1"))


def test_what_a_key_may_use_and_has_used_is_told(door):
    limits = Limits(requests_per_minute=10, budget_month=5 * 10**12)
    secret = door.create(limits=limits, per_user=Limits(open_answers=3), models=frozenset({"main"}))
    account = door.account(secret)
    account.begin(prompt_of(Asked(cost=10**12), "user-0001"))
    told = door.access.usage(account.key, "user-0001", "192.0.2.7")
    assert (told["key"], told["models"], told["chains"]) == ("team-a", ["main"], None)
    assert told["limits"] == {"requests_per_minute": 10, "budget_usd_month": 5.0}
    assert told["remaining"] == {"requests": 9, "tokens": None, "usd_day": None, "usd_month": 4.0}
    assert (told["open_answers"], told["user"]["id"]) == (1, "user-0001")
    assert told["user"]["limits"] == {"open_answers": 3}


@pytest.mark.parametrize(
    ("limits", "asked", "cause"),
    [
        (Limits(requests_per_minute=1), Asked(), "requests_per_minute"),
        (Limits(tokens_per_minute=100), Asked(60, 40), "tokens_per_minute"),
        (Limits(open_answers=1), Asked(), "open_answers"),
        # the first answer, which is still open, holds it
        (Limits(budget_day=15), Asked(cost=10), "budget_day"),
    ],
)
def test_the_second_answer_is_refused_with_the_time_to_wait(door, limits, asked, cause):
    secret = door.create(limits=limits)
    first, second = door.account(secret), door.account(secret)
    first.begin(prompt_of(asked))
    error = refused(errors.RateLimited, lambda: second.begin(prompt_of(asked)), cause)
    assert 1 <= error.retry_after_seconds <= 60
    assert second.figures is not None
    second.end(error.ending, error)
    assert door.heard.refused == [("team-a", cause)]
    [row] = door.rows()
    assert (row.ending, row.code, row.cost) == ("rejected", "rate_limited", 0)
    first.end("completed", None)


def test_who_asks_one_question_after_the_other_has_one_open_answer(door):
    secret = door.create(limits=Limits(open_answers=1, budget_day=15))
    for _ in range(5):
        account = door.account(secret)
        account.begin(prompt_of(Asked(cost=15)))
        account.attempt(attempt(cost=0))
        account.end("completed", None)


def test_refused_questions_that_wait_for_an_end_fill_no_worker(door, monkeypatch):
    secret = door.create(limits=Limits(open_answers=1))
    door.account(secret).begin(prompt_of(Asked()))
    over, refusals = threading.Event(), queue.Queue()
    monkeypatch.setattr(door.access._writer, "flush", lambda _seconds: over.wait(60))

    def ask():
        refusals.put(
            refused(errors.RateLimited, lambda: door.account(secret).begin(prompt_of(Asked())))
        )

    with ThreadPoolExecutor(3 * MOST_SETTLING) as crowd:
        asking = [crowd.submit(ask) for _ in range(3 * MOST_SETTLING)]
        try:
            for _ in range(2 * MOST_SETTLING):
                refusals.get(timeout=60)
        finally:
            over.set()
        for one in asking:
            one.result()


def test_a_row_that_no_database_accepts_is_dropped_alone(door):
    for tokens in (10**30, 5):
        account = door.account()
        account.begin(prompt_of(Asked()))
        account.attempt(attempt(usage=Usage(tokens, 5, "reported"), cost=1))
        account.end("completed", None)
    assert [row.input_tokens for row in door.rows()] == [5]
    assert door.heard.dropped == [(1, "OverflowError")]


def test_money_that_is_spent_is_waited_for_a_day_at_most(door):
    secret = door.create(limits=Limits(budget_month=5))
    dear = prompt_of(Asked(cost=6))
    error = refused(errors.BudgetExceeded, lambda: door.account(secret).begin(dear))
    assert 1 <= error.retry_after_seconds <= 86400
    assert not error.retryable


def test_a_question_that_is_longer_than_a_minutes_tokens_is_too_large(door):
    secret = door.create(limits=Limits(tokens_per_minute=100))
    long = prompt_of(Asked(101))
    error = refused(errors.PayloadTooLarge, lambda: door.account(secret).begin(long))
    assert error.details


def test_a_longer_answer_than_a_minutes_tokens_takes_the_whole_minute(door):
    secret = door.create(limits=Limits(tokens_per_minute=100))
    account = door.account(secret)
    account.begin(prompt_of(Asked(10, 4096)))
    assert account.figures.tokens.remaining == 0
    account.end("completed", None)


def hold(account, asked):
    with account.hold(asked):
        pass


def test_a_model_without_a_price_is_not_for_a_key_with_a_budget(door):
    secret = door.create(limits=Limits(budget_day=10**12))
    unpriced = Asked(cost=None)
    refused(errors.Forbidden, lambda: door.account(secret).begin(prompt_of(unpriced)))
    account = door.account(secret)
    account.begin(prompt_of(Asked()))
    refused(errors.Forbidden, lambda: hold(account, unpriced))
    free = door.create("team-b", limits=Limits(budget_day=10**12), allow_unpriced=True)
    door.account(free).begin(prompt_of(unpriced))


def test_a_key_for_some_models_and_chains_is_not_for_others(door):
    secret = door.create(models=frozenset({"small"}), chains=frozenset({"chat"}))
    small = Asked(model="small")
    for wrong in (prompt_of(Asked(), chain="chat"), prompt_of(small, chain="x")):
        account = door.account(secret)
        refused(errors.Forbidden, lambda: account.begin(wrong))  # noqa: B023
    door.account(secret).begin(prompt_of(small, chain="chat"))


def test_an_agent_spends_its_budget_and_no_more(door):
    """Twenty calls at ten cents, five callers, one dollar."""
    call = Asked(cost=10**11)
    secret = door.create(limits=Limits(budget_day=10**12))
    accounts = [door.account(secret) for _ in range(5)]
    for account in accounts:
        account.begin(prompt_of(call))
    spent, stopped = 0, 0
    for _ in range(20):
        for account in list(accounts):
            try:
                with account.hold(call):
                    account.attempt(attempt(cost=call.cost))
                    spent += 10
            except (errors.BudgetExceeded, errors.RateLimited) as error:
                stopped += 1
                account.end(error.ending, error)
                accounts.remove(account)
    assert (spent, stopped) == (100, 5)
    assert sum(row.cost for row in door.rows()) == 10**12
    left = door.left("team-a")
    assert (left.spent_day, left.reserved, left.open_answers) == (10**12, 0, 0)


def test_calls_side_by_side_each_hold_their_own(door):
    secret = door.create(limits=Limits(budget_day=30))
    account = door.account(secret)
    call = Asked(cost=10)
    account.begin(prompt_of(call))
    with account.hold(call), account.hold(call):
        with account.hold(call):
            refused(errors.RateLimited, lambda: hold(account, Asked(cost=1)))
        hold(account, call)
    account.end("completed", None)
    assert len(door.rows()) == 1
    assert door.left("team-a").reserved == 0


def test_each_call_of_an_agent_counts_while_the_store_is_away(door, monkeypatch):
    secret = door.create(limits=Limits(tokens_per_minute=1000, budget_day=100))
    account = door.account(secret)

    def away(_):
        raise StoreAway

    monkeypatch.setattr(door.access.lane, "put", away)
    call = Asked(tokens=100, cost=1)
    account.begin(prompt_of(call))
    for _ in range(9):
        with account.hold(call):
            account.attempt(attempt(usage=Usage(100, 0, "reported"), cost=1))
    account.end("completed", None)
    with pytest.raises(errors.RateLimited):
        door.account(secret).begin(prompt_of(Asked(tokens=900)))
