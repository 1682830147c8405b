"""Days and months in a time zone: the periods of budgets, and when the next one begins."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

MICROSECONDS = 1_000_000
# the last days of the calendar have no next day
LAST_US = int(datetime(9998, 1, 1, tzinfo=UTC).timestamp()) * MICROSECONDS


@dataclass(frozen=True, slots=True)
class Moment:
    """A time in microseconds since 1970, and the periods it is in. Their names sort chronologically."""

    us: int
    day: str
    month: str
    day_ends_us: int
    month_ends_us: int


class Calendar:
    """Raises ZoneInfoNotFoundError or ValueError for an unknown time zone."""

    def __init__(self, zone: str) -> None:
        self._zone = ZoneInfo(zone)
        self._last: Moment | None = None

    def moment(self, us: int) -> Moment:
        day = self._day(us)
        return Moment(us, day.day, day.month, day.day_ends_us, day.month_ends_us)

    def day_starts_us(self, day: date) -> int:
        """The first instant of a day, also where clocks skip midnight or show it twice."""
        midnight = datetime(day.year, day.month, day.day, tzinfo=self._zone)
        return int(midnight.timestamp()) * MICROSECONDS

    def _day(self, us: int) -> Moment:
        """The start of the day that contains this time."""
        last = self._last
        if last is None or not last.us <= us < last.day_ends_us:
            last = self._last = self._found(min(max(us, 0), LAST_US))
        return last

    def _found(self, us: int) -> Moment:
        day = datetime.fromtimestamp(us // MICROSECONDS, self._zone).date()
        # clocks that go back over midnight show yesterday's date again, but the new day has begun
        while self.day_starts_us(day + timedelta(days=1)) <= us:
            day += timedelta(days=1)
        next_month = (day.replace(day=1) + timedelta(days=31)).replace(day=1)
        return Moment(
            us=self.day_starts_us(day),
            day=day.isoformat(),
            month=day.isoformat()[:7],
            day_ends_us=self.day_starts_us(day + timedelta(days=1)),
            month_ends_us=self.day_starts_us(next_month),
        )
