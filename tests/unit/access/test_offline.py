"""What a worker remembers while the store is away, and what it learns from it in between."""

import pytest

from service.access.admissions import Answer
from service.access.allowance import MINUTE_US, UNIT, Amount, Limits, State
from service.access.keys import Key
from service.access.offline import Offline
from service.access.periods import Calendar

MOMENT = Calendar("UTC").moment(1_000_000_000)


def key(**limits):
    return Key("team-a", limits=Limits(**limits))


def begin(offline, key, tokens=10, cost=1):
    return offline.begin(key, None, MOMENT, tokens, 0, cost)


def saw(offline, key, **state):
    levels = [(State(at_us=MOMENT.us, day=MOMENT.day, month=MOMENT.month, **state), key.limits)]
    offline.saw(key.name, None, Answer(Amount(), None, levels, MOMENT))


@pytest.mark.parametrize(
    "limits",
    [
        {"open_answers": 2},
        {"requests_per_minute": 2},
        {"tokens_per_minute": 20},
        {"budget_day": 2},
        {"budget_month": 2},
    ],
)
def test_what_was_admitted_here_counts_after_a_look_at_the_store(limits):
    offline, own = Offline(), key(**limits)
    for _ in range(2):
        assert begin(offline, own).refusal is None
        saw(offline, own)
    assert begin(offline, own).refusal.limit == next(iter(limits))


def test_what_ended_here_is_given_back_after_a_look_at_the_store():
    offline, own = Offline(), key(open_answers=1, budget_day=10)
    for _ in range(5):
        answer = begin(offline, own, cost=10)
        assert answer.refusal is None
        saw(offline, own)
        offline.end(own, None, MOMENT, answer.held, Amount(0, 0))


def test_open_answers_of_other_workers_do_not_count():
    offline, own = Offline(), key(open_answers=1, budget_day=10)
    saw(offline, own, open_answers=1, reserved=10)
    assert begin(offline, own).refusal is None


def test_usage_in_the_store_counts():
    offline, own = Offline(), key(requests_per_minute=10)
    saw(offline, own, requests=10 * UNIT)
    assert begin(offline, own).refusal.limit == "requests_per_minute"


def test_limits_that_were_lowered_make_nobody_wait_for_more_than_a_minute():
    offline, own = Offline(), key(requests_per_minute=1000)
    saw(offline, own, requests=1000 * UNIT)
    lowered = key(requests_per_minute=1)
    saw(offline, lowered, requests=UNIT)
    assert begin(offline, lowered).refusal.wait_us <= MINUTE_US
