"""What a key, or a user under it, may do now: pure integer arithmetic on plain values.

Requests and tokens are meters: usage fills them, and they drain at the limit's rate; a full meter is one minute's
worth. Money is reserved before it is spent, and both count against the budget. A refusal changes nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from service.access.periods import Moment
from service.chat.account import LimitName

# meters count requests or tokens times this, so that they drain by whole numbers per microsecond
UNIT = 60_000_000
MINUTE_US = 60_000_000
DAY_US = 86_400_000_000
# a guess: nobody knows when an open answer will end
OPEN_ANSWER_US = 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """None: unlimited. Budgets are in picodollars."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    open_answers: int | None = None
    budget_day: int | None = None
    budget_month: int | None = None

    @property
    def any(self) -> bool:
        return self != UNLIMITED

    @property
    def money(self) -> bool:
        return self.budget_day is not None or self.budget_month is not None


UNLIMITED = Limits()


@dataclass(frozen=True, slots=True)
class State:
    """Usage at a point in time. day and month name the periods of spent_day and spent_month."""

    at_us: int = 0
    requests: int = 0
    tokens: int = 0
    open_answers: int = 0
    reserved: int = 0
    day: str = ""
    spent_day: int = 0
    month: str = ""
    spent_month: int = 0


@dataclass(frozen=True, slots=True)
class Amount:
    """Tokens and picodollars, either held or spent."""

    tokens: int = 0
    cost: int = 0


@dataclass(frozen=True, slots=True)
class Refusal:
    """wait_us: when the same request may succeed; None: never.

    spent: the money is spent, rather than held by open answers.
    """

    limit: LimitName
    wait_us: int | None
    spent: bool = False

    @property
    def is_held(self) -> bool:
        """Whether open answers hold what is missing."""
        return not self.spent and self.limit in ("open_answers", "budget_day", "budget_month")


@dataclass(frozen=True, slots=True)
class Meter:
    """One limit per minute, as shown to the caller."""

    limit: int
    remaining: int
    full_after_us: int


Rule = Callable[[State, Limits, Moment, Amount], State | Refusal]


def amount_of(
    input_tokens: int, output_tokens: int, cost: int, limits: Sequence[Limits]
) -> Amount | Refusal:
    """What an answer holds: at most a minute's worth of tokens, because its output is only a guess; anything above that
    is settled at its end. Without this cap, a longer input would always be refused."""
    most = min((one.tokens_per_minute for one in limits if one.tokens_per_minute), default=None)
    if most is not None and input_tokens > most:
        return Refusal("tokens_per_minute", None)
    tokens = input_tokens + output_tokens
    return Amount(tokens if most is None else min(tokens, most), cost)


def admit(state: State, limits: Limits, moment: Moment, amount: Amount) -> State | Refusal:
    """Begins an answer: returns the new state, or the refusal with the longest wait."""
    state = at(state, limits, moment)
    refusal = longest(
        [
            _rate("requests_per_minute", state.requests, limits.requests_per_minute, 1),
            _rate("tokens_per_minute", state.tokens, limits.tokens_per_minute, amount.tokens),
            _open(state, limits),
            *_budgets(state, limits, moment, amount.cost),
        ]
    )
    if refusal:
        return refusal
    requests = state.requests + UNIT if limits.requests_per_minute else 0
    return _hold(state, limits, amount, requests, state.open_answers + 1)


def top_up(
    state: State, limits: Limits, moment: Moment, amount: Amount, spent: int = 0
) -> State | Refusal:
    """Another model call of an open answer: only a budget can refuse it; its tokens count against later answers.

    spent: the part of the held amount that its calls have already cost.
    """
    state = at(state, limits, moment)
    refusal = longest(_budgets(_with_spent(state, spent), limits, moment, amount.cost))
    return refusal or _hold(state, limits, amount, state.requests, state.open_answers)


def everywhere(
    rule: Rule, levels: Sequence[tuple[State, Limits]], moment: Moment, amount: Amount
) -> list[State] | Refusal:
    """Applies a rule to a key and its user: either both states change, or neither."""
    answers = [rule(state, limits, moment, amount) for state, limits in levels]
    refusals = [answer for answer in answers if isinstance(answer, Refusal)]
    return longest(refusals) or [answer for answer in answers if isinstance(answer, State)]


def settle(
    state: State, limits: Limits, moment: Moment, held: Amount | None, spent: Amount, day: str
) -> State:
    """Ends an answer of this day: releases what it held (None: nothing) and counts what it spent."""
    state = at(state, limits, moment)
    # after a clock went back over midnight, today is before the state's day
    first_day, first_month = min(state.day, moment.day), min(state.month, moment.month)
    tokens, open_answers, reserved = _released(state, limits, held, spent)
    return replace(
        state,
        tokens=tokens,
        open_answers=open_answers,
        reserved=reserved,
        spent_day=state.spent_day + (spent.cost if day >= first_day else 0),
        spent_month=state.spent_month + (spent.cost if day[:7] >= first_month else 0),
    )


def at(state: State, limits: Limits, moment: Moment) -> State:
    """The state after time has passed. A clock that goes back changes nothing."""
    elapsed = max(0, moment.us - state.at_us)
    new_day, new_month = moment.day > state.day, moment.month > state.month
    return State(
        at_us=max(moment.us, state.at_us),
        requests=_drained(state.requests, limits.requests_per_minute, elapsed),
        tokens=_drained(state.tokens, limits.tokens_per_minute, elapsed),
        open_answers=state.open_answers,
        reserved=state.reserved,
        day=moment.day if new_day else state.day,
        spent_day=0 if new_day else state.spent_day,
        month=moment.month if new_month else state.month,
        spent_month=0 if new_month else state.spent_month,
    )


def with_clock_corrected(state: State, moment: Moment) -> State:
    """After a clock that was far ahead was set back: what was used then counts as used now, so that nobody is kept out
    until that time comes."""
    ahead_us = state.at_us - moment.us
    if ahead_us > DAY_US:
        state = replace(state, day=moment.day, month=moment.month)
    return replace(state, at_us=moment.us) if ahead_us > MINUTE_US else state


def clamp(state: State, limits: Limits) -> State:
    """After limits were lowered: usage under the old ones makes nobody wait for more than a minute."""
    return replace(
        state,
        requests=min(state.requests, (limits.requests_per_minute or 0) * UNIT),
        tokens=min(state.tokens, (limits.tokens_per_minute or 0) * UNIT),
    )


def idle(state: State, limits: Limits, moment: Moment) -> bool:
    """Whether the state equals a new one."""
    state = at(state, limits, moment)
    spent = limits.money and (state.spent_day or state.spent_month)
    return not (state.requests or state.tokens or state.open_answers or state.reserved or spent)


def longest(refusals: Sequence[Refusal | None]) -> Refusal | None:
    """The one with the longest wait: a retry before that would be refused again."""
    given = [refusal for refusal in refusals if refusal]
    return max(given, key=_length, default=None)


def request_meter(state: State, limits: Limits) -> Meter | None:
    return _meter(state.requests, limits.requests_per_minute)


def token_meter(state: State, limits: Limits) -> Meter | None:
    return _meter(state.tokens, limits.tokens_per_minute)


def _length(refusal: Refusal) -> float:
    return float("inf") if refusal.wait_us is None else refusal.wait_us


def _hold(state: State, limits: Limits, held: Amount, requests: int, open_answers: int) -> State:
    return replace(
        state,
        requests=requests,
        tokens=state.tokens + held.tokens * UNIT if limits.tokens_per_minute else 0,
        open_answers=open_answers,
        reserved=state.reserved + held.cost,
    )


def _released(
    state: State, limits: Limits, held: Amount | None, spent: Amount
) -> tuple[int, int, int]:
    """Tokens, open answers and reserved money after an answer's end."""
    if held is None:
        return state.tokens, state.open_answers, state.reserved
    tokens = max(0, state.tokens + (spent.tokens - held.tokens) * UNIT)
    return (
        tokens if limits.tokens_per_minute else 0,
        max(0, state.open_answers - 1),
        max(0, state.reserved - held.cost),
    )


def _with_spent(state: State, spent: int) -> State:
    """The state as if an open answer's spending so far were settled."""
    return replace(
        state,
        reserved=max(0, state.reserved - spent),
        spent_day=state.spent_day + spent,
        spent_month=state.spent_month + spent,
    )


def _drained(used: int, per_minute: int | None, elapsed_us: int) -> int:
    return 0 if per_minute is None else max(0, used - per_minute * elapsed_us)


def _rate(name: LimitName, used: int, per_minute: int | None, wanted: int) -> Refusal | None:
    if per_minute is None:
        return None
    over = used + (wanted - per_minute) * UNIT
    return Refusal(name, -(-over // per_minute)) if over > 0 else None


def _open(state: State, limits: Limits) -> Refusal | None:
    full = limits.open_answers is not None and state.open_answers >= limits.open_answers
    return Refusal("open_answers", OPEN_ANSWER_US) if full else None


def _budgets(state: State, limits: Limits, moment: Moment, cost: int) -> list[Refusal | None]:
    day_left_us = moment.day_ends_us - moment.us
    month_left_us = moment.month_ends_us - moment.us
    return [
        _budget(
            "budget_day", limits.budget_day, state.spent_day, state.reserved, cost, day_left_us
        ),
        _budget(
            "budget_month",
            limits.budget_month,
            state.spent_month,
            state.reserved,
            cost,
            month_left_us,
        ),
    ]


def _budget(
    name: LimitName, budget: int | None, spent: int, reserved: int, cost: int, left_us: int
) -> Refusal | None:
    if budget is None or spent + reserved + cost <= budget:
        return None
    if spent + cost > budget:
        return Refusal(name, left_us, spent=True)
    return Refusal(name, OPEN_ANSWER_US)


def _meter(used: int, per_minute: int | None) -> Meter | None:
    if per_minute is None:
        return None
    remaining = max(0, per_minute * UNIT - used) // UNIT
    return Meter(per_minute, remaining, -(-used // per_minute))
