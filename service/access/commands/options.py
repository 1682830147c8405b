"""Command-line values: limits, money, times. What cannot be parsed gets a one-sentence error."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import click

from service.access.allowance import Limits
from service.access.keys import NAME_SHAPE
from service.access.money import MOST_USD, picodollars
from service.access.periods import MICROSECONDS, Calendar

NO_LIMIT: Final = "none"
MOST_PER_MINUTE = 10**10
MOST_DIGITS = 100
AGE = re.compile(r"([0-9]{1,5})([hdw])")
HOURS = {"h": 1, "d": 24, "w": 24 * 7}

Command = Callable[..., Any]


class PlainCommand(click.Command):
    """Reports wrong options in one sentence, without the usage text that --help prints."""

    def make_context(self, *arguments: Any, **extra: Any) -> click.Context:
        try:
            return super().make_context(*arguments, **extra)
        except click.UsageError as error:
            raise Mistake(error.format_message()) from None


class Mistake(click.ClickException):
    exit_code = click.UsageError.exit_code


class Count(click.ParamType[Any]):
    """A whole number from 1, or none."""

    name = "count"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if value == NO_LIMIT:
            return value
        digits = str(value)
        if not (digits.isascii() and digits.isdigit()):
            self.fail(f"{value!r} is not a whole number, or 'none'", param, ctx)
        # Python refuses to convert thousands of digits
        if len(digits) > MOST_DIGITS or not 1 <= int(digits) <= MOST_PER_MINUTE:
            self.fail(f"must be from 1 to {MOST_PER_MINUTE}, or 'none'", param, ctx)
        return int(digits)


class Usd(click.ParamType[Any]):
    """US dollars, converted to picodollars, or none."""

    name = "usd"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if value == NO_LIMIT:
            return value
        digits = str(value)
        try:
            # Decimal also reads 1_000 and other scripts' digits, which may be slips of the hand
            amount = Decimal(digits if digits.isascii() and "_" not in digits else "nan")
        except InvalidOperation:
            amount = Decimal("nan")
        if not (amount.is_finite() and 0 <= amount <= MOST_USD):
            self.fail(f"must be US dollars from 0 to {MOST_USD}, or 'none'", param, ctx)
        return picodollars(amount)


class Name(click.ParamType[Any]):
    """The name of a key."""

    name = "name"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if not NAME_SHAPE.fullmatch(value):
            self.fail(
                "a key's name has 1 to 64 lower-case letters, digits, dots, dashes or underscores,"
                " the first a letter or digit",
                param,
                ctx,
            )
        return value


class Names(click.ParamType[Any]):
    """Names separated by commas, or all."""

    name = "names"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if value == "all":
            return value
        names = frozenset(filter(None, map(str.strip, value.split(","))))
        if not names:
            self.fail("must be names separated by commas, or 'all'", param, ctx)
        return names


class Time(click.ParamType[Any]):
    """A day such as 2026-11-25, or how long ago or ahead, such as 30d; where it is optional, also none."""

    name = "time"

    def __init__(self, *, optional: bool = False) -> None:
        self._optional = optional

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if isinstance(value, date | timedelta) or (self._optional and value == NO_LIMIT):
            return value
        if age := AGE.fullmatch(value):
            return timedelta(hours=int(age[1]) * HOURS[age[2]])
        try:
            return date.fromisoformat(value)
        except ValueError:
            return self.fail("must be a day such as 2026-11-25, or 12h, 30d, 4w", param, ctx)


LIMITS = (
    ("requests-per-minute", "requests_per_minute", Count(), "Requests per minute."),
    ("tokens-per-minute", "tokens_per_minute", Count(), "Tokens per minute."),
    ("open-answers", "open_answers", Count(), "Concurrent answers."),
    ("budget-usd-day", "budget_day", Usd(), "US dollars per day."),
    ("budget-usd-month", "budget_month", Usd(), "US dollars per month."),
)


def limit_options(command: Command) -> Command:
    """Adds an option for everything a key can be limited to."""
    for option, field, kind, text in reversed(LIMITS):
        for_user = f"{text[:-1]}, for each X-User-ID."
        command = click.option(f"--per-user-{option}", f"user_{field}", type=kind, help=for_user)(
            command
        )
    for option, field, kind, text in reversed(LIMITS):
        command = click.option(f"--{option}", f"key_{field}", type=kind, help=text)(command)
    for add in (
        click.option(
            "--models", type=Names(), help="Models it may use, comma-separated, or 'all'."
        ),
        click.option(
            "--chains", type=Names(), help="Chains it may use, comma-separated, or 'all'."
        ),
        click.option(
            "--expires",
            type=Time(optional=True),
            help="A day, a duration from now such as 90d, or 'none'.",
        ),
        click.option(
            "--allow-unpriced/--refuse-unpriced",
            default=None,
            help="Whether models without a price may be used despite a budget.",
        ),
    ):
        command = add(command)
    return command


def limited(limits: Limits, given: dict[str, Any], prefix: str) -> Limits:
    """The limits with the given ones replaced."""
    fields = {field: given[f"{prefix}_{field}"] for _, field, _, _ in LIMITS}
    changed = {name: value for name, value in fields.items() if value is not None}
    return replace(
        limits,
        **{name: None if value == NO_LIMIT else value for name, value in changed.items()},
    )


def instant_us(when: date | timedelta, now_us: int, calendar: Calendar, direction: int) -> int:
    """The start of a day in the calendar's time zone, or a duration before (-1) or after (+1) now."""
    if isinstance(when, timedelta):
        return now_us + direction * int(when.total_seconds()) * MICROSECONDS
    return calendar.day_starts_us(when)


def shown_time(us: int | None) -> str | None:
    """In UTC, to the second."""
    if us is None:
        return None
    return datetime.fromtimestamp(us / MICROSECONDS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def unknown(names: frozenset[str] | None, known: Sequence[str]) -> str | None:
    """The first name that is not among the known ones."""
    return next((name for name in sorted(names or ()) if name not in known), None)
