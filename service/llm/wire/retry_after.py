"""When a server says to retry, and whether to retry at all."""

import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MOST_SECONDS = 3600.0
UNIT_SECONDS = {
    "d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9,
}  # fmt: skip
# durations in Go's format: 1s, 6m0s, 20ms, 1h2m3.5s
DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|us|µs|ns|d|h|m|s))+")
DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|d|h|m|s)")
LIMIT_RESET = re.compile(
    r"(?:llm_provider-)?(?:x-|x-ai-|[a-z]+-)?rate-?limit(?:bysize)?-(?:[a-z-]+-)?reset(?:-[a-z-]+)?"
)
# as the pattern takes long for long names
MOST_NAME = 64
# the headers that are meant for whoever waits, the one that counts first
IN_MILLISECONDS = ("retry-after-ms", "x-ms-retry-after-ms")
IN_SECONDS = (
    "retry-after", "x-retry-after", "x-ratelimit-retry-after", "llm_provider-retry-after",
)  # fmt: skip
# where a proxy has said it again
SAID_TWICE = re.compile(r"[\d.]+(?:, ?[\d.]+)+")
# RateLimit of the IETF's drafts: "day";r=9;t=3600, "minute";r=0;t=30, and limit=100, remaining=0, reset=30 before it
STRUCTURED_RESET = re.compile(r"(?:^|[;,\s])(?:t|reset)=(\d+)")
STRUCTURED_NOTHING = re.compile(r"(?:^|[;,\s])r=0(?!\d)")
# larger numbers are points in time: seconds or milliseconds since 1970
FIRST_EPOCH_SECONDS = 1e9
FIRST_EPOCH_MILLISECONDS = 1e11


# in a sentence
IN_WORDS = re.compile(
    r"(?:try again|retry|retrying|wait)(?: your request)? ?(?:in|after|for)? ?"
    r"(?:about |at least |approximately )?(?P<wait>(?!\d+-\d)\d[\d.]*) ?(?P<unit>[a-zµ]+)?(?P<more>[\d.hms]*)",
    re.IGNORECASE,
)
# the same in Korean, Chinese and Japanese
IN_CJK_WORDS = re.compile(
    r"(?P<wait>\d[\d.]*) ?(?P<unit>초|秒|분|分)(?:钟|鐘|間)? ?"
    r"(?:후|뒤|이후|后|後|之后|以后)"
)
WORDS_FOR_UNITS = {
    "": "s", "sec": "s", "secs": "s", "second": "s", "seconds": "s", "min": "m", "mins": "m", "minute": "m",
    "minutes": "m", "hr": "h", "hour": "h", "hours": "h", "millisecond": "ms", "milliseconds": "ms",
    "초": "s", "秒": "s", "분": "m", "分": "m",
}  # fmt: skip


def retry_after_seconds(
    headers: Mapping[str, str], clock: Callable[[], float] = time.time
) -> float | None:
    """From a refusal's headers (lower-case names), at most an hour; None if they contain nothing usable."""
    waits = (
        *(_milliseconds(headers.get(name, "")) for name in IN_MILLISECONDS),
        *(_moment_or_duration(headers.get(name, ""), clock) for name in IN_SECONDS),
        _limit_reset(headers, clock),
        _structured_reset(headers.get("ratelimit", "")),
    )
    return _bounded(next((wait for wait in waits if wait is not None), None))


def wait_in_fields(fields: Sequence[str]) -> float | None:
    """From fields of a refusal's body, if there is no header."""
    waits = (_moment_or_duration(each, time.time) for each in fields)
    return _bounded(next((wait for wait in waits if wait is not None), None))


def wait_in_words(text: str) -> float | None:
    """From a sentence that is meant for people."""
    found = IN_WORDS.search(text) or IN_CJK_WORDS.search(text)
    if found is None:
        return None
    said = found.groupdict()
    unit = (said["unit"] or "").lower()
    unit = WORDS_FOR_UNITS.get(unit, unit)
    written = f"{said['wait'].rstrip('.')}{unit}{said.get('more', '').rstrip('.')}"
    return _bounded(_moment_or_duration(written, time.time))


def _bounded(seconds: float | None) -> float | None:
    return None if seconds is None else max(0.0, min(MOST_SECONDS, seconds))


def forbids_retry(headers: Mapping[str, str]) -> bool:
    return headers.get("x-should-retry", "").strip().lower() == "false"


def _limit_reset(headers: Mapping[str, str], clock: Callable[[], float]) -> float | None:
    """Each limit has a reset time; the one that is used up counts."""
    resets = [
        (name, wait)
        for name, value in headers.items()
        if len(name) <= MOST_NAME
        and LIMIT_RESET.fullmatch(name)
        and (wait := _moment_or_duration(value, clock)) is not None
    ]
    used_up = [wait for name, wait in resets if _nothing_remains(headers, name)]
    if used_up:
        return max(used_up)
    return min((wait for _, wait in resets), default=None)


def _structured_reset(value: str) -> float | None:
    """Of the limit that is used up, if one is; otherwise of the first."""
    limits = value.split(",")
    spent = next((limit for limit in limits if STRUCTURED_NOTHING.search(limit)), value)
    reset = STRUCTURED_RESET.search(spent)
    return float(reset[1]) if reset else None


def _nothing_remains(headers: Mapping[str, str], reset: str) -> bool:
    return _number(headers.get(reset.replace("reset", "remaining"), "")) == 0


def _milliseconds(value: str) -> float | None:
    number = _number(value)
    return None if number is None else number / 1000


def _moment_or_duration(value: str, clock: Callable[[], float]) -> float | None:
    value = value.strip().strip('"')
    if SAID_TWICE.fullmatch(value):
        value = value.partition(",")[0]
    number = _number(value)
    if number is not None:
        return _from_number(number, clock)
    if DURATION.fullmatch(value):
        parts = DURATION_PART.findall(value)
        return sum(float(amount) * UNIT_SECONDS[unit] for amount, unit in parts)
    moment = _moment(value)
    return None if moment is None else moment.timestamp() - clock()


def _from_number(number: float, clock: Callable[[], float]) -> float:
    if number >= FIRST_EPOCH_MILLISECONDS:
        return number / 1000 - clock()
    return number - clock() if number >= FIRST_EPOCH_SECONDS else number


def _moment(value: str) -> datetime | None:
    """An HTTP date or ISO 8601; UTC if there is no time zone."""
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = read(value)
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None


def _number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
