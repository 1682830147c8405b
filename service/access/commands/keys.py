"""`flask keys`: create, list, limit, rotate and disable keys. The key itself is shown only once, when it is created."""

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import click

from service.access import registry
from service.access.allowance import at
from service.access.commands.office import Office, existing, state_of_key
from service.access.commands.options import (
    NO_LIMIT,
    Mistake,
    Name,
    PlainCommand,
    Time,
    instant_us,
    limit_options,
    limited,
    shown_time,
    unknown,
)
from service.access.commands.printed import as_json, listed, printed
from service.access.database import now_us
from service.access.figures import limits_shown
from service.access.keys import ANONYMOUS, Key
from service.access.money import dollars
from service.access.periods import Moment
from service.access.registry import StoredKey
from service.access.secret import digest, new_secret
from service.access.store import Store

DAY = timedelta(days=1)
as_json_option = click.option("--json", "in_json", is_flag=True, help="Print JSON.")
out_option = click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the key to this new file, which only you can read, instead of the terminal.",
)


def group(office: Office) -> click.Group:
    keys = click.Group("keys", help="Manage API keys and what each may use.")
    for add in (_create, _list, _show, _limit, _rotate, _disable, _enable):
        keys.add_command(add(office))
    return keys


def _create(office: Office) -> click.Command:
    @click.command(
        "create", PlainCommand, help="Create a key. It is printed once; only its hash is stored."
    )
    @click.option("--name", type=Name(), required=True)
    @limit_options
    @out_option
    @as_json_option
    def create(name: str, out: Path | None, *, in_json: bool, **given: Any) -> None:
        secret = new_secret()
        with office.store() as store, store.database.writing(background=True) as connection:
            now = now_us(connection)
            key = _changed(Key(name), given, office, store, now)
            if not registry.create(connection, key, digest(secret), now):
                raise click.ClickException(f'There is a key named "{name}" already.')
            _hand_out(secret, name, out, in_json=in_json)

    return create


def _list(office: Office) -> click.Command:
    @click.command("list", PlainCommand, help="All keys.")
    @as_json_option
    def list_(*, in_json: bool) -> None:
        with office.store() as store, store.database.reading(background=True) as connection:
            moment = store.calendar.moment(now_us(connection))
            described = [_described(one, moment) for one in registry.listed(connection)]
        if in_json:
            click.echo(as_json(described))
        else:
            click.echo(printed([_short(one) for one in described], "table"))

    return list_


def _show(office: Office) -> click.Command:
    @click.command("show", PlainCommand, help="Show everything about a key but the key itself.")
    @click.argument("name", type=Name())
    @as_json_option
    def show(name: str, *, in_json: bool) -> None:
        with office.store() as store, store.database.reading() as connection:
            moment = store.calendar.moment(now_us(connection))
            described = _described(existing(registry.find(connection, name), name), moment)
        click.echo(as_json(described) if in_json else listed(described))

    return show


def _limit(office: Office) -> click.Command:
    @click.command(
        "limit",
        PlainCommand,
        help="Change limits. Limits that are not named stay; 'none' removes one.",
    )
    @click.argument("name", type=Name())
    @limit_options
    @as_json_option
    def limit(name: str, *, in_json: bool, **given: Any) -> None:
        if all(value is None for value in given.values()):
            raise Mistake("Name a limit to change, such as --budget-usd-month 50.")

        def change(key: Key, store: Store, now: int) -> Key:
            return _changed(key, given, office, store, now)

        _change(office, name, change, in_json=in_json)

    return limit


def _rotate(office: Office) -> click.Command:
    @click.command(
        "rotate",
        PlainCommand,
        help="Create a new secret for a key. The old one keeps working for a while.",
    )
    @click.argument("name", type=Name())
    @click.option(
        "--overlap",
        type=Time(optional=True),
        default=DAY,
        help="How long, such as 24h (default 1d).",
    )
    @out_option
    @as_json_option
    def rotate(name: str, overlap: Any, out: Path | None, *, in_json: bool) -> None:
        if name == ANONYMOUS:
            raise click.ClickException("Open access has no key that could be rotated.")
        secret = new_secret()
        with office.store() as store, store.database.writing(background=True) as connection:
            existing(registry.find_to_change(connection, name), name)
            now = now_us(connection)
            ends = now if overlap == NO_LIMIT else instant_us(overlap, now, store.calendar, +1)
            if ends < now:
                raise click.ClickException("An overlap cannot end in the past; 'none' ends it now.")
            registry.rotate(connection, name, digest(secret), now, ends)
            _hand_out(secret, name, out, in_json=in_json)

    return rotate


def _disable(office: Office) -> click.Command:
    @click.command(
        "disable", PlainCommand, help="Disable a key. It is refused everywhere within seconds."
    )
    @click.argument("name", type=Name())
    @as_json_option
    def disable(name: str, *, in_json: bool) -> None:
        _change(office, name, lambda key, _, __: replace(key, disabled=True), in_json=in_json)

    return disable


def _enable(office: Office) -> click.Command:
    @click.command("enable", PlainCommand, help="Enable a disabled key.")
    @click.argument("name", type=Name())
    @as_json_option
    def enable(name: str, *, in_json: bool) -> None:
        _change(office, name, lambda key, _, __: replace(key, disabled=False), in_json=in_json)

    return enable


def _change(
    office: Office, name: str, change: Callable[[Key, Store, int], Key], *, in_json: bool
) -> None:
    with office.store() as store, store.database.writing(background=True) as connection:
        stored = existing(registry.find_to_change(connection, name), name)
        now = now_us(connection)
        registry.change(connection, store.calendar, change(stored.key, store, now))
        changed = existing(registry.find(connection, name), name)
        described = _described(changed, store.calendar.moment(now))
    click.echo(as_json(described) if in_json else listed(described))


def _changed(key: Key, given: dict[str, Any], office: Office, store: Store, now: int) -> Key:
    if name := unknown(_names(given["models"], key.models), office.models):
        raise click.ClickException(
            f'"{name}" is not a model of LLM_MODEL, LLM_MODELS or FALLBACK_MODEL.'
        )
    allow = given["allow_unpriced"]
    return replace(
        key,
        limits=limited(key.limits, given, "key"),
        per_user=limited(key.per_user, given, "user"),
        models=_names(given["models"], key.models),
        chains=_names(given["chains"], key.chains),
        allow_unpriced=key.allow_unpriced if allow is None else allow,
        expires_at_us=_expiry(given["expires"], key.expires_at_us, now, store),
    )


def _names(given: Any, stored: frozenset[str] | None) -> frozenset[str] | None:
    if given is None:
        return stored
    return None if given == "all" else given


def _expiry(
    given: date | timedelta | str | None, stored: int | None, now: int, store: Store
) -> int | None:
    if given is None:
        return stored
    if isinstance(given, str):
        return None
    expires = instant_us(given, now, store.calendar, +1)
    if expires <= now:
        raise click.ClickException(
            "A key cannot expire in the past; `flask keys disable` ends one."
        )
    return expires


def _hand_out(secret: str, name: str, out: Path | None, *, in_json: bool) -> None:
    if out is not None:
        _write(secret, out)
    elif in_json:
        click.echo(as_json({"key": secret, "name": name}))
    else:
        click.echo(secret)
        click.echo(f'This is the key "{name}". It is not shown again.', err=True)


def _write(secret: str, out: Path) -> None:
    try:
        descriptor = os.open(out, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except OSError as error:
        raise click.ClickException(f"{out} cannot be made: {error.strerror}.") from None
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secret + "\n")


def _described(stored: StoredKey, moment: Moment) -> dict[str, Any]:
    key = stored.key
    state = at(stored.state, key.limits, moment)
    return {
        "name": key.name,
        "state": state_of_key(key, moment.us),
        "created": shown_time(stored.created_at_us),
        "expires": shown_time(key.expires_at_us),
        "models": None if key.models is None else sorted(key.models),
        "chains": None if key.chains is None else sorted(key.chains),
        "allow_unpriced": key.allow_unpriced,
        "limits": limits_shown(key.limits),
        "per_user": limits_shown(key.per_user),
        "spent_usd_day": dollars(state.spent_day),
        "spent_usd_month": dollars(state.spent_month),
        "reserved_usd": dollars(state.reserved),
        "open_answers": state.open_answers,
        "secrets": [
            {"created": shown_time(created), "expires": shown_time(ends)}
            for created, ends in stored.secrets
        ],
    }


def _short(described: dict[str, Any]) -> dict[str, Any]:
    return {
        name: described[name]
        for name in ("name", "state", "expires", "limits", "per_user", "spent_usd_month")
    }
