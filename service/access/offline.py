"""Limits while the store is unavailable: each worker enforces them on its own, from the last known state.

So a key may exceed its limits, at most by a factor of the number of workers; what was spent is charged once the store
is back.
"""

from collections import OrderedDict
from dataclasses import replace
from functools import partial

from service.access.admissions import Answer
from service.access.allowance import (
    Amount,
    Limits,
    Refusal,
    State,
    admit,
    amount_of,
    at,
    clamp,
    everywhere,
    settle,
    top_up,
)
from service.access.keys import Key
from service.access.periods import Moment

MOST_STATES = 10_000

Place = tuple[str, str]


class Offline:
    """What one worker remembers about keys and, up to a limit, their users."""

    def __init__(self) -> None:
        self._states: OrderedDict[Place, State] = OrderedDict()

    def saw(self, key: str, user: str | None, answer: Answer) -> None:
        """What was admitted here still counts, whether the store knows of it or not. Open answers of other workers do
        not, because their end would go unnoticed."""
        levels, moment = answer.levels, answer.moment
        for (state, limits), place in zip(levels, _places(key, user, levels), strict=True):
            here = at(self._states.get(place, State()), limits, moment)
            self._put(place, _known(at(state, limits, moment), clamp(here, limits)))

    def begin(
        self,
        key: Key,
        user: str | None,
        moment: Moment,
        input_tokens: int,
        output_tokens: int,
        cost: int,
    ) -> Answer:
        levels = self._levels(key, user)
        amount = amount_of(input_tokens, output_tokens, cost, [limits for _, limits in levels])
        if isinstance(amount, Refusal):
            return Answer(Amount(), amount, levels, moment)
        states = everywhere(admit, levels, moment, amount)
        if isinstance(states, Refusal):
            return Answer(Amount(), states, levels, moment)
        for state, place in zip(states, _places(key.name, user, levels), strict=True):
            self._put(place, state)
        return Answer(amount, None, self._levels(key, user), moment)

    def more(
        self, key: Key, user: str | None, moment: Moment, amount: Amount, spent: int
    ) -> Answer:
        """Only checks whether the money suffices: later calls of a turn reserve nothing."""
        levels = self._levels(key, user)
        states = everywhere(partial(top_up, spent=spent), levels, moment, amount)
        refusal = states if isinstance(states, Refusal) else None
        return Answer(Amount() if refusal else amount, refusal, levels, moment)

    def look(self, key: Key, user: str | None, moment: Moment) -> Answer:
        return Answer(Amount(), None, self._levels(key, user), moment)

    def end(
        self, key: Key, user: str | None, moment: Moment, held: Amount | None, spent: Amount
    ) -> None:
        """held None: the turn was begun in the store."""
        levels = self._levels(key, user)
        for (state, limits), place in zip(levels, _places(key.name, user, levels), strict=True):
            self._put(place, settle(state, limits, moment, held, spent, moment.day))

    def _levels(self, key: Key, user: str | None) -> list[tuple[State, Limits]]:
        levels = [(self._states.get((key.name, ""), State()), key.limits)]
        if user and key.per_user.any:
            levels.append((self._states.get((key.name, user), State()), key.per_user))
        return levels

    def _put(self, place: Place, state: State) -> None:
        self._states[place] = state
        self._states.move_to_end(place)
        while len(self._states) > MOST_STATES:
            self._states.popitem(last=False)


def _known(state: State, here: State) -> State:
    same_day, same_month = here.day == state.day, here.month == state.month
    return replace(
        state,
        requests=max(state.requests, here.requests),
        tokens=max(state.tokens, here.tokens),
        open_answers=here.open_answers,
        reserved=here.reserved,
        spent_day=max(state.spent_day, here.spent_day if same_day else 0),
        spent_month=max(state.spent_month, here.spent_month if same_month else 0),
    )


def _places(key: str, user: str | None, levels: list[tuple[State, Limits]]) -> list[Place]:
    return [(key, ""), (key, user or "")][: len(levels)]
