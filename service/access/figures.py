"""What a caller is told of limits: as headers, by `GET /usage`, and by an error where one is in the way."""

import math
from dataclasses import dataclass
from typing import Self

from service.access.admissions import Answer
from service.access.allowance import (
    Limits,
    Meter,
    Refusal,
    State,
    at,
    request_meter,
    token_meter,
)
from service.errors import BudgetExceeded, ChatError, Detail, PayloadTooLarge, RateLimited

SECOND_US = 1_000_000
# a longer wait overflows the timers of JavaScript, which then fire at once
MOST_RETRY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Figures:
    """requests and tokens: the tighter of the key's limit and the user's. levels: the key's, and the user's."""

    requests: Meter | None
    tokens: Meter | None
    levels: tuple[tuple[State, Limits], ...]

    @classmethod
    def of(cls, answer: Answer) -> Self:
        levels = [(at(state, limits, answer.moment), limits) for state, limits in answer.levels]
        return cls(
            _tighter([request_meter(*level) for level in levels]),
            _tighter([token_meter(*level) for level in levels]),
            tuple(levels),
        )


def error_of(refusal: Refusal) -> ChatError:
    """What the caller gets; the limit's name is for the log."""
    if refusal.wait_us is None:
        too_long = Detail("", "holds more tokens than this key may use in a minute")
        return PayloadTooLarge(details=(too_long,), cause=refusal.limit)
    seconds = min(max(1, math.ceil(refusal.wait_us / SECOND_US)), MOST_RETRY_SECONDS)
    kind = BudgetExceeded if refusal.spent else RateLimited
    return kind(retry_after_seconds=seconds, cause=refusal.limit)


def _tighter(meters: list[Meter | None]) -> Meter | None:
    given = [meter for meter in meters if meter]
    return min(given, key=lambda meter: meter.remaining, default=None)
