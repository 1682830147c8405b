"""Whether an attempt is made again, and after how long."""

import itertools
import random

import pytest

from service import errors
from service.chat.deadline import Deadline
from service.resilience.budget import CAPACITY, RetryBudget
from service.resilience.retry import ALL_WAITS_SECONDS, FLOOR_SECONDS, RetryPolicy
from tests.unit.resilience.fakes import Clock, Heard

FAILURE = errors.UpstreamError(cause="HTTP 503")
KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.UpstreamFailure) and hasattr(kind, "code")
]


class Turn:
    """The retries of one turn at one model."""

    def __init__(self, attempts=3, seconds=120, budget=None, clock=None):
        self.heard = Heard()
        self.clock = clock or Clock()
        policy = RetryPolicy(attempts, budget or RetryBudget(0.2), self.heard)
        self.retries = policy.begin(Deadline.after(seconds, self.clock))
        self.retries.begin_route()

    def waits(self, failure=FAILURE):
        """All waits until there is no further attempt."""
        return list(iter(lambda: self.wait(failure), None))

    def wait(self, failure=FAILURE):
        """As the guard does it where nobody else's attempt is under way."""
        wait = self.retries.after(failure)
        return wait if wait is not None and self.retries.draw() else None

    @property
    def denied(self):
        return [reason for kind, reason in self.heard.told if kind == "denied"]


def limited(seconds):
    return errors.UpstreamRateLimited(retry_after_seconds=seconds)


@pytest.fixture(autouse=True)
def _same_jitter():
    random.seed(1)


@pytest.mark.parametrize("attempts", [1, 2, 3])
def test_a_model_is_asked_as_often_as_configured_the_first_time_included(attempts):
    turn = Turn(attempts)
    assert len(turn.waits()) == attempts - 1
    assert turn.denied == []


@pytest.mark.parametrize("kind", KINDS)
def test_only_failures_that_may_pass_are_repeated(kind):
    repeated = {
        errors.UpstreamRateLimited,
        errors.UpstreamError,
        errors.UpstreamConflict,
        errors.UpstreamUnavailable,
        errors.UpstreamUnreachable,
    }
    once = {errors.AnswerEmpty, errors.ConnectTimeout}
    assert len(Turn().waits(kind())) == (2 if kind in repeated else 1 if kind in once else 0)


@pytest.mark.parametrize("kind", [errors.AnswerEmpty, errors.ConnectTimeout])
def test_some_failures_are_asked_about_once_more_however_many_attempts_there_are(kind):
    assert len(Turn(attempts=5).waits(kind())) == 1


def test_a_server_that_forbids_it_is_not_asked_again():
    failure = errors.UpstreamUnavailable()
    failure.retry_forbidden = True
    turn = Turn()
    assert turn.waits(failure) == []
    assert turn.denied == []


def test_all_waits_of_a_call_are_under_three_seconds_whatever_the_routes():
    turn = Turn()
    first = turn.waits(limited(2))
    turn.retries.begin_route()
    second = turn.waits(limited(1.5))
    assert (first, second) == ([2], [])
    assert turn.denied == ["waits"] * 2


def test_a_route_has_as_many_attempts_as_the_one_before():
    turn = Turn()
    assert len(turn.waits()) == 2
    turn.retries.begin_route()
    assert len(turn.waits()) == 2


def test_waits_grow_from_a_floor_and_no_two_turns_wait_alike():
    firsts, seconds = zip(*(Turn().waits() for _ in range(200)), strict=True)
    assert FLOOR_SECONDS <= min(firsts) < max(firsts) <= 2 * FLOOR_SECONDS
    assert 2 * FLOOR_SECONDS <= min(seconds) < max(seconds) <= 3 * FLOOR_SECONDS
    assert len(set(firsts)) > 190


def test_all_waits_of_a_model_together_stay_under_three_seconds():
    turn = Turn(attempts=10)
    assert 2 < sum(turn.waits()) < 3
    assert turn.denied == ["waits"]


@pytest.mark.parametrize("seconds", [0, 0.02, 1, 1.25, 2])
def test_a_short_retry_after_is_waited_for(seconds):
    assert max(seconds, FLOOR_SECONDS) <= Turn().retries.after(limited(seconds)) <= 2


def test_a_second_retry_after_that_exceeds_all_waits_is_denied():
    turn = Turn()
    assert turn.waits(limited(2)) == [2]
    assert turn.denied == ["waits"]


@pytest.mark.parametrize("seconds", [2.01, 3, 60, 3600])
def test_a_long_retry_after_is_denied_at_once(seconds):
    turn = Turn()
    assert turn.waits(limited(seconds)) == []
    assert turn.denied == ["retry_after"]


def test_a_long_wait_in_words_is_no_reason_to_give_up():
    failure = limited(20)
    failure.retry_after_in_words = True
    turn = Turn()
    assert len(turn.waits(failure)) > 0
    assert "retry_after" not in turn.denied


def test_no_wait_goes_beyond_the_turns_deadline():
    turn = Turn(seconds=1)
    assert turn.retries.after(FAILURE) is not None
    turn.clock.sleep(0.8)
    assert turn.retries.after(FAILURE) is None
    assert turn.denied == ["deadline"]


def test_an_empty_budget_denies():
    budget = RetryBudget(0.2)
    made = list(itertools.takewhile(lambda _: budget.draw(), range(100)))
    assert len(made) == CAPACITY
    assert Turn(budget=budget).waits() == []
    for _ in range(5):
        budget.earn()
    assert len(Turn(budget=budget).waits()) == 1


@pytest.mark.parametrize("answered", [True, False])
def test_a_retry_gives_its_own_back_where_it_is_answered(answered):
    budget = RetryBudget(0)
    for _ in range(100):
        turn = Turn(budget=budget)
        if turn.wait() is None:
            break
        if answered:
            turn.retries.answered()
        turn.retries.close()
    assert not budget.may_refill
    assert sum(budget.draw() for _ in range(100)) == (CAPACITY if answered else 0)


@pytest.mark.parametrize("ends", [lambda one: one.after(FAILURE), lambda one: one.begin_route(),
                                  lambda one: one.close()])  # fmt: skip
def test_a_retry_is_under_way_until_it_ends(ends):
    budget = RetryBudget(0)
    turn = Turn(budget=budget)
    assert turn.wait() is not None
    assert budget.may_refill
    ends(turn.retries)
    assert not budget.may_refill


def test_who_waits_for_anothers_retry_does_so_within_all_waits():
    budget = RetryBudget(0)
    other = Turn(budget=budget)
    other.wait()
    turn = Turn(budget=budget)
    waited = turn.retries.after(FAILURE)
    while turn.retries.may_wait(0.25):
        waited += 0.25
    assert ALL_WAITS_SECONDS - 0.25 <= waited < ALL_WAITS_SECONDS
    other.retries.close()
    assert not Turn(budget=budget).retries.may_wait(0.25)
    assert not Turn(budget=budget, seconds=0.2).retries.may_wait(0.25)


def test_a_budget_never_holds_more_than_its_capacity():
    budget = RetryBudget(1)
    for _ in range(1000):
        budget.earn()
    assert sum(budget.draw() for _ in range(1000)) == CAPACITY


@pytest.mark.parametrize(
    ("attempts", "seconds", "failure"),
    [
        (1, 120, FAILURE),
        (3, 0.1, FAILURE),
        (3, 120, limited(60)),
        (3, 120, errors.UpstreamTimeout()),
    ],
)
def test_what_is_denied_for_another_reason_draws_nothing(attempts, seconds, failure):
    budget = RetryBudget(0)
    assert Turn(attempts, seconds, budget).waits(failure) == []
    assert sum(budget.draw() for _ in range(1000)) == CAPACITY


def test_turns_that_are_interleaved_do_not_count_for_each_other():
    """One that has failed once waits as for a first failure, however many fail beside it."""
    budget = RetryBudget(1)
    turns = []
    for _ in range(20):
        turns.append(Turn(attempts=3, budget=budget))
        budget.earn()
    waits = {id(turn): [] for turn in turns}
    for _ in range(3):
        for turn in turns:
            budget.earn()
            waits[id(turn)].append(turn.retries.after(FAILURE))
    for first, second, third in waits.values():
        assert FLOOR_SECONDS <= first <= 2 * FLOOR_SECONDS
        assert 2 * FLOOR_SECONDS <= second <= 3 * FLOOR_SECONDS
        assert third is None
