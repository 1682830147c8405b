"""Closes turns in the store: writes the ledger row, charges the budgets, and releases the lease.

It is idempotent: a row that exists already changes nothing, and its lease is gone.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, text, update

from service.access import schema
from service.access.allowance import Amount, settle
from service.access.direct import AnyConnection
from service.access.ledger import LedgerRow, columns
from service.access.periods import Calendar
from service.access.registry import require_same
from service.access.states import LockedStates

WRITTEN = select(schema.ledger.c.turn_id, schema.ledger.c.cost, schema.ledger.c.lost).where(
    schema.ledger.c.turn_id.in_(bindparam("turns", expanding=True))
)
LEASES = select(
    schema.leases.c.turn_id, schema.leases.c.user_id, schema.leases.c.tokens, schema.leases.c.cost
).where(schema.leases.c.turn_id.in_(bindparam("turns", expanding=True)))
GIVE_BACK = delete(schema.leases).where(schema.leases.c.turn_id == bindparam("of_turn"))
ADD = insert(schema.ledger)
LOCK_LEDGER = text("LOCK TABLE access_ledger, access_usage IN ROW EXCLUSIVE MODE")
REPLACE = update(schema.ledger).where(schema.ledger.c.turn_id == bindparam("of_turn"))


def close(
    connection: AnyConnection,
    calendar: Calendar,
    rows: Iterable[LedgerRow],
    *,
    known_keys: bool = True,
    identity: str | None = None,
) -> int:
    """Returns how many rows were new. Of two rows of a turn, the first counts.

    known_keys: raises StoreReplaced for an unknown key, unless the store has this identity: somebody deleted the key.
    """
    _wait_for_the_ledger(connection)
    ended = {row.facts.turn_id: row for row in reversed(list(rows))}
    wanted = {(row.facts.key, row.facts.user_id or "") for row in ended.values()}
    states = LockedStates(connection, calendar, wanted)
    if known_keys and not all(states.has(key) for key, _ in wanted):
        require_same(connection, identity)
    turns = {"turns": list(ended)}
    written = {row.turn_id: row for row in connection.execute(WRITTEN, turns)}
    leases = {row.turn_id: row for row in connection.execute(LEASES, turns)}
    new = [row for turn, row in ended.items() if turn not in written]
    found = [
        row for turn, row in ended.items() if turn in written and written[turn].lost > row.lost
    ]
    for row in [*new, *found]:
        known = written.get(row.facts.turn_id)
        _settle(states, row, leases.get(row.facts.turn_id), known.cost if known else 0, calendar)
    _write(connection, new, found, calendar)
    if leases:
        connection.execute(GIVE_BACK, [{"of_turn": turn} for turn in leases])
    states.save()
    return len(new)


def _wait_for_the_ledger(connection: AnyConnection) -> None:
    """Maintenance may lock it for long. Waiting for it later, with the keys' rows locked, would hold up their turns."""
    if connection.dialect.name == "postgresql":
        connection.execute(LOCK_LEDGER)


def _settle(
    states: LockedStates, row: LedgerRow, lease: Any, already_counted: int, calendar: Calendar
) -> None:
    key = row.facts.key
    if not states.has(key):
        return
    place = lease.user_id if lease else states.place(key, row.facts.user_id)
    held = Amount(lease.tokens, lease.cost) if lease else None
    spent = Amount(row.spent.tokens, row.spent.cost - already_counted)
    day = calendar.moment(row.ended_at_us).day
    settled = [
        settle(state, limits, states.moment, held, spent, day)
        for state, limits in states.levels(key, place)
    ]
    states.put(key, place, settled)


def _write(
    connection: AnyConnection,
    new: Sequence[LedgerRow],
    found: Sequence[LedgerRow],
    calendar: Calendar,
) -> None:
    if new:
        connection.execute(ADD, [columns(row, calendar) for row in new])
    if found:
        values = [{**columns(row, calendar), "of_turn": row.facts.turn_id} for row in found]
        connection.execute(REPLACE, values)
