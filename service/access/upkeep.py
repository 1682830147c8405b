"""Periodic work: worker heartbeats, closing the answers of dead workers, deleting old rows."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from service.access import schema
from service.access.allowance import at, idle
from service.access.closing import close
from service.access.database import now_us
from service.access.keys import limits_of
from service.access.ledger import Call, Facts, LedgerRow
from service.access.periods import MICROSECONDS, Calendar
from service.access.states import LockedStates, state_of
from service.chat.account import BudgetPeriod

# a worker without a heartbeat for this long is considered dead
LEASE_SECONDS = 30
# more at once would delay answers
BATCH = 200
DAY_SECONDS = 86400


def beat(connection: Connection, worker: str) -> int:
    """Records a worker's heartbeat; returns the time of the database's clock."""
    now = now_us(connection)
    seen = update(schema.workers).where(schema.workers.c.id == worker).values(seen_at_us=now)
    if not connection.execute(seen).rowcount:
        connection.execute(insert(schema.workers), {"id": worker, "seen_at_us": now})
    return now


def sweep(connection: Connection, calendar: Calendar, worker: str, running: Collection[str]) -> int:
    """Closes abandoned answers: those of dead workers, and those of this worker that it does not know.

    Called only after LEASE_SECONDS of uninterrupted heartbeats: when the database comes back, everybody's last
    heartbeat is old. Returns how many there were.
    """
    now = now_us(connection)
    dead = schema.workers.c.seen_at_us < now - LEASE_SECONDS * MICROSECONDS
    joined = schema.leases.outerjoin(schema.workers, schema.leases.c.worker == schema.workers.c.id)
    own = schema.leases.c.worker == worker
    old = schema.leases.c.began_at_us < now - LEASE_SECONDS * MICROSECONDS
    ended = connection.execute(
        select(schema.leases, schema.workers.c.seen_at_us)
        .select_from(joined)
        .where(dead | schema.workers.c.id.is_(None) | (own & old))
        # before the limit: running answers may be more than that
        .where(schema.leases.c.turn_id.not_in(running))
        .limit(BATCH)
    ).all()
    if ended:
        rows = [_lost(lease, now) for lease in ended]
        close(connection, calendar, rows, known_keys=False)
    _forget_workers(connection, now)
    return len(ended)


def forget_idle_users(connection: Connection, calendar: Calendar, key: str) -> int:
    """Deletes the rows of idle users."""
    locked = LockedStates(connection, calendar, [(key, "")])
    if not locked.has(key):
        return 0
    of_users = select(schema.states).where(
        schema.states.c.key == key, schema.states.c.user_id != ""
    )
    gone = [
        row.user_id
        for row in connection.execute(of_users)
        if idle(state_of(row), locked.per_user(key), locked.moment)
    ]
    for first in range(0, len(gone), BATCH):
        some = schema.states.c.user_id.in_(gone[first : first + BATCH])
        connection.execute(delete(schema.states).where(schema.states.c.key == key, some))
    locked.forget_users(key, len(gone))
    locked.save()
    return len(gone)


def budgets(connection: Connection, calendar: Calendar) -> list[tuple[str, BudgetPeriod, float]]:
    """The share of its budget that each key has spent or holds."""
    moment = calendar.moment(now_us(connection))
    rows = connection.execute(
        select(schema.states, schema.keys.c.limits)
        .join(schema.keys)
        .where(schema.states.c.user_id == "", schema.keys.c.disabled.is_(False))
        .order_by(schema.states.c.key)
    )
    shares: list[tuple[str, BudgetPeriod, float]] = []
    for row in rows:
        limits = limits_of(row.limits)
        state = at(state_of(row), limits, moment)
        if limits.budget_day:
            used = state.spent_day + state.reserved
            shares.append((row.key, "day", used / limits.budget_day))
        if limits.budget_month:
            used = state.spent_month + state.reserved
            shares.append((row.key, "month", used / limits.budget_month))
    return shares


def keys_with_users(connection: Connection) -> list[str]:
    counted = select(schema.states.c.key).where(schema.states.c.users > 0)
    return list(connection.scalars(counted))


def forget_old_rows(connection: Connection, days: int) -> int:
    """Deletes a batch of the oldest ledger rows beyond this age; returns how many, 0 if there are none left."""
    before = now_us(connection) - days * DAY_SECONDS * MICROSECONDS
    ledger = schema.ledger.c
    oldest = select(ledger.turn_id).where(ledger.ended_at_us < before).limit(BATCH)
    return connection.execute(delete(schema.ledger).where(ledger.turn_id.in_(oldest))).rowcount


def _forget_workers(connection: Connection, now: int) -> None:
    """Deletes workers not seen for a day; leases are found without them, too."""
    old = schema.workers.c.seen_at_us < now - DAY_SECONDS * MICROSECONDS
    connection.execute(delete(schema.workers).where(old))


def _lost(lease: Any, now: int) -> LedgerRow:
    """The ledger row of an answer whose worker died."""
    facts = Facts(**lease.facts)
    ended_at_us = max(lease.seen_at_us or 0, lease.began_at_us)
    spent = Call(facts.model or "unknown", 0, 0, estimated=True, cost=lease.spent)
    return LedgerRow(
        facts=facts,
        ending="failed",
        code="internal",
        ended_at_us=min(ended_at_us, now),
        duration_ms=(ended_at_us - lease.began_at_us) // 1000,
        calls=(spent,) if lease.spent else (),
        lost=True,
    )
