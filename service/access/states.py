"""The state rows of one transaction, locked: keys first and in order, then all users under each key.

A transaction that changes a user's row, a lease or the ledger of a key holds that key's row. So nothing else needs a
lock, and transactions cannot deadlock.
"""

import time
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from sqlalchemy import bindparam, insert, literal_column, select, update

from service.access import schema
from service.access.allowance import Limits, State, with_clock_corrected
from service.access.database import POSTGRESQL_CLOCK
from service.access.direct import AnyConnection
from service.access.keys import limits_of
from service.access.periods import Calendar, Moment

# a caller may claim to be any number of users; beyond this number, they share one row
MOST_USERS = 1000
# not a valid name for a user
OTHER_USERS = "*"

STATE_COLUMNS = [schema.states.c[field.name] for field in fields(State)]
LOCK = (
    select(schema.states, schema.keys.c.limits, schema.keys.c.per_user)
    .join(schema.keys)
    .where(schema.states.c.key.in_(bindparam("names", expanding=True)))
    .where(schema.states.c.user_id == "")
    .order_by(schema.states.c.key)
    .with_for_update(of=schema.states)
    .subquery()
)
# read outside the subquery, so that it is the time after waiting for the lock
LOCK_POSTGRESQL = select(LOCK, literal_column(POSTGRESQL_CLOCK).label("now_us"))
LOCK_SQLITE = select(LOCK, bindparam("now_us").label("now_us"))
USERS = (
    select(schema.states)
    .where(schema.states.c.key.in_(bindparam("names", expanding=True)))
    .where(schema.states.c.user_id.in_(bindparam("users", expanding=True)))
    .where(schema.states.c.user_id != "")
)
CHANGE = (
    update(schema.states)
    .where(schema.states.c.key == bindparam("of_key"))
    .where(schema.states.c.user_id == bindparam("of_user"))
)
NEW = insert(schema.states).values(users=0)
COUNT_USERS = (
    update(schema.states)
    .where(schema.states.c.key == bindparam("of_key"))
    .where(schema.states.c.user_id == "")
    .values(users=bindparam("count"))
)

Place = tuple[str, str]


def state_of(row: Any) -> State:
    return State(*(getattr(row, column.name) for column in STATE_COLUMNS))


class LockedStates:
    """The rows a transaction may read and change; save() writes the changes. A user of "" means none."""

    def __init__(
        self, connection: AnyConnection, calendar: Calendar, wanted: Iterable[Place]
    ) -> None:
        places = set(wanted)
        names = sorted({name for name, _ in places})
        self._connection = connection
        self._limits: dict[str, tuple[Limits, Limits]] = {}
        self._users: dict[str, int] = {}
        self._states: dict[Place, State] = {}
        self._stored: dict[Place, State] = {}
        self._counted: dict[str, int] = {}
        self.moment = self._lock(names, calendar)
        self._read_users(sorted({user for _, user in places if user}))

    def has(self, key: str) -> bool:
        """Whether the database knows this key."""
        return key in self._limits

    def limits(self, key: str) -> Limits:
        return self._limits[key][0]

    def per_user(self, key: str) -> Limits:
        return self._limits[key][1]

    def place(self, key: str, user: str | None) -> str:
        """The name of the user's row; "" if the key has no per-user limits."""
        if not user or not self.per_user(key).any:
            return ""
        known = (key, user) in self._states
        return user if known or self._users[key] < MOST_USERS else OTHER_USERS

    def levels(self, key: str, place: str) -> list[tuple[State, Limits]]:
        """State and limits of the key and its user."""
        levels = [(self._states[key, ""], self.limits(key))]
        if place:
            levels.append((self._states.get((key, place), State()), self.per_user(key)))
        return levels

    def put(self, key: str, place: str, states: list[State]) -> None:
        """Stores states in the order of levels()."""
        self._states[key, ""] = states[0]
        if place:
            if (key, place) not in self._states:
                self._users[key] += 1
            self._states[key, place] = states[1]

    def forget_users(self, key: str, count: int) -> None:
        """Updates the key's number of users after rows were deleted."""
        self._users[key] -= count

    def save(self) -> None:
        changed = [
            place for place, state in self._states.items() if state != self._stored.get(place)
        ]
        new = [place for place in changed if place not in self._stored]
        old = [place for place in changed if place in self._stored]
        counts = [key for key, count in self._users.items() if count != self._counted[key]]
        if old:
            self._connection.execute(
                CHANGE, [self._row(place, "of_key", "of_user") for place in old]
            )
        if new:
            self._connection.execute(NEW, [self._row(place, "key", "user_id") for place in new])
        if counts:
            self._connection.execute(
                COUNT_USERS, [{"of_key": key, "count": self._users[key]} for key in counts]
            )

    def _lock(self, names: list[str], calendar: Calendar) -> Moment:
        sqlite = self._connection.dialect.name == "sqlite"
        now_us = time.time_ns() // 1000
        statement, values = (LOCK_SQLITE, {"now_us": now_us}) if sqlite else (LOCK_POSTGRESQL, {})
        rows = list(self._connection.execute(statement, {"names": names, **values}))
        moment = calendar.moment(rows[-1].now_us if rows else now_us)
        for row in rows:
            self._limits[row.key] = limits_of(row.limits), limits_of(row.per_user)
            self._users[row.key] = self._counted[row.key] = row.users
            self._remember(row, moment)
        return moment

    def _read_users(self, users: list[str]) -> None:
        names = [name for name, count in self._users.items() if count]
        if names and users:
            values = {"names": names, "users": [*users, OTHER_USERS]}
            for row in self._connection.execute(USERS, values):
                self._remember(row, self.moment)

    def _remember(self, row: Any, moment: Moment) -> None:
        state = state_of(row)
        self._stored[row.key, row.user_id] = state
        self._states[row.key, row.user_id] = with_clock_corrected(state, moment)

    def _row(self, place: Place, key: str, user: str) -> dict[str, Any]:
        state = self._states[place]
        values = {column.name: getattr(state, column.name) for column in STATE_COLUMNS}
        return {**values, key: place[0], user: place[1]}
