"""A host's clock was ahead, and is set right again: nobody is kept out until the wrong time comes."""

import pytest

from service.access.allowance import (
    Amount,
    Limits,
    Refusal,
    State,
    admit,
    settle,
    with_clock_corrected,
)
from service.access.periods import Calendar

HOUR_US = 3600 * 1_000_000
DAY_US = 24 * HOUR_US
NOON_US = 1_793_620_800_000_000
ANSWER = Amount(50, 40)
UTC = Calendar("UTC")


def after_two_answers(limits, at_us):
    state, moment = State(), UTC.moment(at_us)
    for _ in range(2):
        begun = admit(state, limits, moment, ANSWER)
        state = settle(begun, limits, moment, ANSWER, ANSWER, moment.day)
    return with_clock_corrected(state, UTC.moment(NOON_US))


@pytest.mark.parametrize("ahead_us", [HOUR_US // 30, HOUR_US, 13 * HOUR_US, 400 * DAY_US])
@pytest.mark.parametrize("limits", [Limits(requests_per_minute=2), Limits(tokens_per_minute=100)])
def test_a_minute_is_a_minute_again(limits, ahead_us):
    state = after_two_answers(limits, NOON_US + ahead_us)
    refused = admit(state, limits, UTC.moment(NOON_US), ANSWER)
    assert isinstance(refused, Refusal)
    assert refused.wait_us == 30_000_000
    later = UTC.moment(NOON_US + refused.wait_us)
    assert isinstance(admit(state, limits, later, ANSWER), State)


@pytest.mark.parametrize("ahead_us", [HOUR_US, 13 * HOUR_US, 40 * DAY_US, 400 * DAY_US])
def test_the_days_money_still_ends_and_comes_back_within_two_days(ahead_us):
    limits, moment = Limits(budget_day=100), UTC.moment(NOON_US)
    state = after_two_answers(limits, NOON_US + ahead_us)
    begun = admit(state, limits, moment, Amount(1, 20))
    state = settle(begun, limits, moment, Amount(1, 20), Amount(1, 20), moment.day)
    assert isinstance(admit(state, limits, moment, Amount(1, 1)), Refusal)
    in_two_days = UTC.moment(NOON_US + 2 * DAY_US)
    assert isinstance(admit(state, limits, in_two_days, Amount(1, 100)), State)


def test_a_step_of_seconds_changes_nothing():
    state = after_two_answers(Limits(requests_per_minute=2), NOON_US + 59_000_000)
    assert state.at_us == NOON_US + 59_000_000
