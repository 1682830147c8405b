"""The store's side of running turns: begin one, or reserve more. Requests that come together share a transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from service.access import schema
from service.access.allowance import (
    Amount,
    Limits,
    Refusal,
    State,
    admit,
    amount_of,
    everywhere,
    top_up,
)
from service.access.direct import AnyConnection
from service.access.ledger import Facts
from service.access.periods import Calendar, Moment
from service.access.registry import require_same
from service.access.states import LockedStates

LEASE = insert(schema.leases)
LEASES = select(schema.leases.c.turn_id, schema.leases.c.user_id).where(
    schema.leases.c.turn_id.in_(bindparam("turns", expanding=True))
)
RAISE = (
    update(schema.leases)
    .where(schema.leases.c.turn_id == bindparam("of_turn"))
    .values(
        tokens=schema.leases.c.tokens + bindparam("more_tokens"),
        cost=schema.leases.c.cost + bindparam("more_cost"),
        spent=bindparam("spent_so_far"),
    )
)


@dataclass(frozen=True, slots=True)
class Begin:
    """Begins a turn with its first model call. cost: picodollars."""

    facts: Facts
    input_tokens: int
    output_tokens: int
    cost: int


@dataclass(frozen=True, slots=True)
class More:
    """Reserves for another model call of a turn that holds a lease. spent: what its calls have cost so far."""

    facts: Facts
    amount: Amount
    spent: int


@dataclass(frozen=True, slots=True)
class Look:
    """Reads what is left for a key, and for a user under it."""

    key: str
    user_id: str | None


Question = Begin | More | Look


@dataclass(frozen=True, slots=True)
class Answer:
    """refusal None: granted, with this amount held. levels: state and limits of the key and its user afterwards; none
    if somebody deleted the key."""

    held: Amount
    refusal: Refusal | None
    levels: list[tuple[State, Limits]]
    moment: Moment


def decide(
    connection: AnyConnection,
    calendar: Calendar,
    worker: str,
    asked: Sequence[Question],
    identity: str | None = None,
) -> list[Answer]:
    """Answers in the order of the questions. Raises StoreReplaced."""
    wanted = {_who(one) for one in asked}
    states = LockedStates(connection, calendar, wanted)
    if not all(states.has(key) for key, _ in wanted):
        require_same(connection, identity)
    places = _places_of_leases(connection, [one for one in asked if isinstance(one, More)])
    answers = [_answer(states, places, one) for one in asked]
    granted = [
        (one, answer)
        for one, answer in zip(asked, answers, strict=True)
        if answer.levels and not answer.refusal
    ]
    leases = [
        _lease(one.facts, places[one.facts.turn_id], worker, answer)
        for one, answer in granted
        if isinstance(one, Begin)
    ]
    raised = [_raised(one) for one, _ in granted if isinstance(one, More)]
    if leases:
        connection.execute(LEASE, leases)
    if raised:
        connection.execute(RAISE, raised)
    states.save()
    return answers


def _answer(states: LockedStates, places: dict[str, str], one: Question) -> Answer:
    """places: by turn, the user whose row holds its lease."""
    if not states.has(_who(one)[0]):
        return Answer(Amount(), None, [], states.moment)
    if isinstance(one, Begin):
        place = states.place(one.facts.key, one.facts.user_id)
        places[one.facts.turn_id] = place
        return _begin(states, place, one)
    if isinstance(one, More):
        return _more(states, places.get(one.facts.turn_id), one)
    levels = states.levels(one.key, states.place(one.key, one.user_id))
    return Answer(Amount(), None, levels, states.moment)


def _who(one: Question) -> tuple[str, str]:
    if isinstance(one, Look):
        return one.key, one.user_id or ""
    return one.facts.key, one.facts.user_id or ""


def _begin(states: LockedStates, place: str, one: Begin) -> Answer:
    levels = states.levels(one.facts.key, place)
    limits = [limits for _, limits in levels]
    amount = amount_of(one.input_tokens, one.output_tokens, one.cost, limits)
    if isinstance(amount, Refusal):
        return Answer(Amount(), amount, levels, states.moment)
    begun = everywhere(admit, levels, states.moment, amount)
    if isinstance(begun, Refusal):
        return Answer(Amount(), begun, levels, states.moment)
    states.put(one.facts.key, place, begun)
    return Answer(amount, None, states.levels(one.facts.key, place), states.moment)


def _more(states: LockedStates, place: str | None, one: More) -> Answer:
    """If its lease was swept, only checks whether the money would suffice: actual usage is settled later."""
    levels = states.levels(one.facts.key, place or "")
    held = everywhere(partial(top_up, spent=one.spent), levels, states.moment, one.amount)
    if isinstance(held, Refusal):
        return Answer(Amount(), held, levels, states.moment)
    if place is None:
        return Answer(one.amount, None, levels, states.moment)
    states.put(one.facts.key, place, held)
    return Answer(one.amount, None, states.levels(one.facts.key, place), states.moment)


def _places_of_leases(connection: AnyConnection, more: Sequence[More]) -> dict[str, str]:
    if not more:
        return {}
    turns = [one.facts.turn_id for one in more]
    return {row.turn_id: row.user_id for row in connection.execute(LEASES, {"turns": turns})}


def _lease(facts: Facts, place: str, worker: str, begun: Answer) -> dict[str, Any]:
    return {
        "turn_id": facts.turn_id,
        "key": facts.key,
        "user_id": place,
        "worker": worker,
        "began_at_us": begun.moment.us,
        "tokens": begun.held.tokens,
        "cost": begun.held.cost,
        "spent": 0,
        "facts": facts.as_json(),
    }


def _raised(one: More) -> dict[str, Any]:
    return {
        "of_turn": one.facts.turn_id,
        "more_tokens": one.amount.tokens,
        "more_cost": one.amount.cost,
        "spent_so_far": one.spent,
    }
