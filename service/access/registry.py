"""Creates, changes and reads keys in the store. Changes are numbered, so that workers read only new ones."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from service.access import schema
from service.access.allowance import State, clamp
from service.access.direct import AnyConnection
from service.access.health import StoreReplaced
from service.access.keys import Key, limits_of, stored_limits
from service.access.periods import Calendar
from service.access.states import CHANGE, STATE_COLUMNS, LockedStates, state_of

IDENTITY = select(schema.store.c.identity)
KEYS = select(schema.keys, *STATE_COLUMNS).join(schema.states).where(schema.states.c.user_id == "")


@dataclass(frozen=True, slots=True)
class StoredKey:
    """state: as it was stored. secrets: when each was created, and when it expires."""

    key: Key
    state: State
    created_at_us: int
    secrets: tuple[tuple[int, int | None], ...]


@dataclass(frozen=True, slots=True)
class Changes:
    """Keys that changed since a given number. secrets: the key's name and the expiry, by hash."""

    identity: str
    number: int
    keys: tuple[Key, ...]
    secrets: tuple[tuple[str, str, int | None], ...]


def create(connection: Connection, key: Key, secret_hash: str, now_us: int) -> bool:
    """False if the name is taken."""
    number = _next_change(connection)
    taken = connection.scalar(select(schema.keys.c.name).where(schema.keys.c.name == key.name))
    if taken:
        return False
    values = {"name": key.name, "created_at_us": now_us, **_values(key), "change": number}
    connection.execute(insert(schema.keys), values)
    connection.execute(insert(schema.states), {"key": key.name, "user_id": ""})
    _add_secret(connection, key.name, secret_hash, now_us)
    return True


def change(connection: Connection, calendar: Calendar, key: Key) -> None:
    """Replaces everything about a key except its secrets."""
    number = _next_change(connection)
    locked = LockedStates(connection, calendar, [(key.name, "")])
    [(state, _)] = locked.levels(key.name, "")
    locked.put(key.name, "", [clamp(state, key.limits)])
    locked.save()
    if locked.per_user(key.name) != key.per_user:
        _clamp_users(connection, key)
    statement = update(schema.keys).where(schema.keys.c.name == key.name)
    connection.execute(statement, {**_values(key), "change": number})


def rotate(
    connection: Connection, name: str, secret_hash: str, now_us: int, old_ends_at_us: int
) -> None:
    """A new secret; the existing ones stay valid for a while. Expired ones are deleted."""
    number = _next_change(connection)
    own = schema.secrets.c.key == name
    ends = schema.secrets.c.expires_at_us
    connection.execute(delete(schema.secrets).where(own, ends <= now_us))
    later = (ends.is_(None)) | (ends > old_ends_at_us)
    connection.execute(
        update(schema.secrets).where(own, later).values(expires_at_us=old_ends_at_us)
    )
    _add_secret(connection, name, secret_hash, now_us)
    connection.execute(update(schema.keys).where(schema.keys.c.name == name).values(change=number))


def find(connection: Connection, name: str) -> StoredKey | None:
    return next(iter(listed(connection, name)), None)


def find_to_change(connection: Connection, name: str) -> StoredKey | None:
    """Nobody else can change a key before the transaction ends."""
    connection.execute(select(schema.store).with_for_update())
    return find(connection, name)


def listed(connection: Connection, name: str | None = None) -> list[StoredKey]:
    """Sorted by name."""
    keys, secrets = KEYS.order_by(schema.keys.c.name), select(schema.secrets)
    if name is not None:
        keys = keys.where(schema.keys.c.name == name)
        secrets = secrets.where(schema.secrets.c.key == name)
    ends: dict[str, list[tuple[int, int | None]]] = {}
    for row in connection.execute(secrets.order_by(schema.secrets.c.created_at_us)):
        ends.setdefault(row.key, []).append((row.created_at_us, row.expires_at_us))
    return [
        StoredKey(_key(row), state_of(row), row.created_at_us, tuple(ends.get(row.name, [])))
        for row in connection.execute(keys)
    ]


def changes_since(connection: Connection, number: int) -> Changes:
    """A single small query if nothing has changed."""
    store = connection.execute(select(schema.store)).one()
    if store.changes == number:
        return Changes(store.identity, number, (), ())
    changed = schema.keys.c.change > number
    keys = tuple(_key(row) for row in connection.execute(select(schema.keys).where(changed)))
    secrets = select(schema.secrets).join(schema.keys).where(changed)
    found = tuple((row.hash, row.key, row.expires_at_us) for row in connection.execute(secrets))
    return Changes(store.identity, store.changes, keys, found)


def require_same(connection: AnyConnection, identity: str | None) -> None:
    """Raises StoreReplaced if this is another store than the one with this identity."""
    if connection.scalar(IDENTITY) != identity:
        raise StoreReplaced


def _next_change(connection: Connection) -> int:
    """Locks the store's row until the transaction ends, so that numbers are committed in order."""
    counted = update(schema.store).values(changes=schema.store.c.changes + 1)
    return int(connection.scalar(counted.returning(schema.store.c.changes)) or 0)


def _clamp_users(connection: Connection, key: Key) -> None:
    own = schema.states.c.key == key.name, schema.states.c.user_id != ""
    rows = connection.execute(select(schema.states).where(*own)).all()
    clamped = []
    for row in rows:
        state = clamp(State(requests=row.requests, tokens=row.tokens), key.per_user)
        place = {"of_key": row.key, "of_user": row.user_id}
        clamped.append({**place, "requests": state.requests, "tokens": state.tokens})
    if clamped:
        connection.execute(CHANGE, clamped)


def _add_secret(connection: Connection, name: str, secret_hash: str, now_us: int) -> None:
    values = {"hash": secret_hash, "key": name, "created_at_us": now_us}
    connection.execute(insert(schema.secrets), values)


def _values(key: Key) -> dict[str, Any]:
    return {
        "limits": stored_limits(key.limits),
        "per_user": stored_limits(key.per_user),
        "models": None if key.models is None else sorted(key.models),
        "chains": None if key.chains is None else sorted(key.chains),
        "allow_unpriced": key.allow_unpriced,
        "disabled": key.disabled,
        "expires_at_us": key.expires_at_us,
    }


def _key(row: Any) -> Key:
    return Key(
        name=row.name,
        limits=limits_of(row.limits),
        per_user=limits_of(row.per_user),
        models=None if row.models is None else frozenset(row.models),
        chains=None if row.chains is None else frozenset(row.chains),
        allow_unpriced=row.allow_unpriced,
        expires_at_us=row.expires_at_us,
        disabled=row.disabled,
    )
