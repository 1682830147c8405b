"""Reports limits to callers: as headers, in `GET /usage`, and as errors."""

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Self

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
from service.access.keys import Key
from service.access.money import dollars
from service.errors import BudgetExceeded, ChatError, Detail, PayloadTooLarge, RateLimited

SECOND_US = 1_000_000
# a longer wait would overflow JavaScript's timers, which then fire at once
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
    """The error for the caller; the limit's name is for the log."""
    if refusal.wait_us is None:
        too_long = Detail("", "holds more tokens than this key may use in a minute")
        return PayloadTooLarge(details=(too_long,), cause=refusal.limit)
    seconds = min(max(1, math.ceil(refusal.wait_us / SECOND_US)), MOST_RETRY_SECONDS)
    kind = BudgetExceeded if refusal.spent else RateLimited
    return kind(retry_after_seconds=seconds, cause=refusal.limit)


def described(key: Key, user: str | None, figures: Figures) -> dict[str, Any]:
    """For the key's holder: its limits, what is left of them, and what was spent. Money is in US dollars."""
    own, *of_user = [_level(*level) for level in figures.levels]
    expires = None if key.expires_at_us is None else key.expires_at_us // SECOND_US
    about = {"key": key.name, "expires_at": expires, "models": _names(key.models)}
    if of_user:
        own["user"] = {"id": user, **of_user[0]}
    return {**about, "chains": _names(key.chains), **own}


def limits_shown(limits: Limits) -> dict[str, Any]:
    """The limits that are set."""
    named = {
        "requests_per_minute": limits.requests_per_minute,
        "tokens_per_minute": limits.tokens_per_minute,
        "open_answers": limits.open_answers,
        "budget_usd_day": _usd(limits.budget_day),
        "budget_usd_month": _usd(limits.budget_month),
    }
    return {name: value for name, value in named.items() if value is not None}


def _level(state: State, limits: Limits) -> dict[str, Any]:
    requests, tokens = request_meter(state, limits), token_meter(state, limits)
    return {
        "limits": limits_shown(limits),
        "remaining": {
            "requests": requests.remaining if requests else None,
            "tokens": tokens.remaining if tokens else None,
            "usd_day": _left(limits.budget_day, state.spent_day, state.reserved),
            "usd_month": _left(limits.budget_month, state.spent_month, state.reserved),
        },
        "open_answers": state.open_answers,
        "spent_usd_day": _usd(state.spent_day),
        "spent_usd_month": _usd(state.spent_month),
    }


def _left(budget: int | None, spent: int, reserved: int) -> Decimal | None:
    return None if budget is None else _usd(max(0, budget - spent - reserved))


def _usd(amount: int | None) -> Decimal | None:
    return None if amount is None else dollars(amount)


def _names(names: frozenset[str] | None) -> list[str] | None:
    return None if names is None else sorted(names)


def _tighter(meters: list[Meter | None]) -> Meter | None:
    given = [meter for meter in meters if meter]
    return min(given, key=lambda meter: meter.remaining, default=None)
