from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfoNotFoundError, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.access.periods import Calendar

ZONES = sorted(available_timezones())
# 2010 to 2040, with their days that were left out, midnights that came twice, and midnights that never came
TIMES_US = st.integers(1_262_304_000_000_000, 2_208_988_800_000_000)


def us(*when):
    return int(datetime(*when, tzinfo=UTC).timestamp() * 1_000_000)


def test_the_end_of_a_month_is_where_the_caller_is():
    when = us(2026, 10, 31, 16)
    assert Calendar("UTC").moment(when).month == "2026-10"
    assert Calendar("Asia/Seoul").moment(when).month == "2026-11"


def test_a_day_in_which_clocks_go_back_has_25_hours():
    day = Calendar("Europe/Berlin").moment(us(2026, 10, 25, 12))
    assert day.day == "2026-10-25"
    assert day.day_ends_us == us(2026, 10, 25, 23)
    assert Calendar("Europe/Berlin").moment(us(2026, 10, 24, 22)).day_ends_us == day.day_ends_us


def test_a_day_that_was_left_out_is_in_no_period():
    # Samoa went from the 29th to the 31st
    last = Calendar("Pacific/Apia").moment(us(2011, 12, 30, 9, 59, 59))
    assert last.day == "2011-12-29"
    assert Calendar("Pacific/Apia").moment(last.day_ends_us).day == "2011-12-31"


@given(st.sampled_from(ZONES), TIMES_US)
def test_periods_are_disjoint_and_cover_time(zone, when):
    calendar = Calendar(zone)
    moment = calendar.moment(when)
    assert when < moment.day_ends_us <= moment.month_ends_us
    assert calendar.moment(moment.day_ends_us - 1).day == moment.day
    tomorrow = calendar.moment(moment.day_ends_us)
    assert tomorrow.day > moment.day
    assert calendar.moment(moment.month_ends_us - 1).month == moment.month
    assert calendar.moment(moment.month_ends_us).month > moment.month


@given(st.sampled_from(ZONES), st.lists(TIMES_US, min_size=2, max_size=5))
def test_periods_are_in_the_order_of_times(zone, times):
    calendar = Calendar(zone)
    days = [calendar.moment(when).day for when in sorted(times)]
    assert days == sorted(days)


@given(st.sampled_from(ZONES), TIMES_US)
def test_what_was_asked_before_makes_no_difference(zone, when):
    fresh, used = Calendar(zone), Calendar(zone)
    for near in (when - 40_000_000_000, when + 40_000_000_000):
        used.moment(near)
    assert used.moment(when) == fresh.moment(when)


def test_time_passes_outside_of_what_calendars_hold():
    calendar = Calendar("Asia/Seoul")
    assert calendar.moment(-(10**18)).day == "1970-01-01"
    assert calendar.moment(10**18).day < "9999"


def test_an_unknown_zone_is_an_error():
    with pytest.raises((ZoneInfoNotFoundError, ValueError)):
        Calendar("Mars/Olympus")


def test_all_changes_of_a_zone_with_midnight_changes():
    calendar = Calendar("America/Havana")
    start = datetime(2026, 1, 1, tzinfo=UTC)
    hours = [start + timedelta(hours=n) for n in range(24 * 365)]
    days = [calendar.moment(int(hour.timestamp()) * 1_000_000).day for hour in hours]
    assert days == sorted(days)
    assert len(set(days)) == 366
