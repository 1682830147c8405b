"""`flask ledger`: shows a turn's row, and adds rows from a log or a disk."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any, TextIO

import click

from service.access import reports
from service.access.commands.keys import as_json_option
from service.access.commands.office import Office
from service.access.commands.options import PlainCommand, shown_time
from service.access.commands.printed import as_json, listed
from service.access.ledger import LedgerRow
from service.access.money import dollars
from service.access.restore import rows_of
from service.access.spool import Spool
from service.access.store import Store

BATCH = 500


@dataclass
class Count:
    """new: rows that were not in the ledger. unusable: lines without everything a row needs."""

    read: int = 0
    new: int = 0
    unusable: int = 0


def group(office: Office) -> click.Group:
    ledger = click.Group("ledger", help="Show and complete the ledger, which has one row per turn.")
    for add in (_show, _restore, _replay):
        ledger.add_command(add(office))
    return ledger


def _show(office: Office) -> click.Command:
    @click.command("show", PlainCommand, help="Show the rows of a request ID.")
    @click.argument("request_id")
    @as_json_option
    def show(request_id: str, *, in_json: bool) -> None:
        if not request_id.isascii():
            raise _no_turn()
        with office.store() as store, store.database.reading(background=True) as connection:
            rows = [_described(row) for row in reports.of_request(connection, request_id)]
        if not rows:
            raise _no_turn()
        click.echo(as_json(rows) if in_json else "\n\n".join(map(listed, rows)))

    return show


def _no_turn() -> click.ClickException:
    return click.ClickException("The ledger has no turn with this request ID.")


def _restore(office: Office) -> click.Command:
    @click.command(
        "restore",
        PlainCommand,
        help="Add missing rows from the service's log: ... < LOG",
    )
    @click.argument("log", type=click.File(encoding="utf-8", errors="replace"), default="-")
    @as_json_option
    def restore(log: TextIO, *, in_json: bool) -> None:
        with office.store() as store:
            count = _store_all(store, rows_of(log))
        _tell(count, in_json=in_json)

    return restore


def _replay(office: Office) -> click.Command:
    @click.command(
        "replay",
        PlainCommand,
        help="Add rows that ended processes left on this disk.",
    )
    @as_json_option
    def replay(*, in_json: bool) -> None:
        count = Count()
        with office.store() as store:
            for rows in Spool(office.folder).left_behind():
                found = _store_all(store, rows)
                count.read += found.read
                count.new += found.new
        _tell(count, in_json=in_json)

    return replay


def _store_all(store: Store, rows: Iterable[LedgerRow | None]) -> Count:
    count = Count()
    left = iter(rows)
    while batch := list(islice(left, BATCH)):
        usable = [row for row in batch if row is not None]
        count.read += len(batch)
        count.unusable += len(batch) - len(usable)
        count.new += store.restore(usable)
    return count


def _tell(count: Count, *, in_json: bool) -> None:
    if in_json:
        click.echo(as_json(vars(count)))
        return
    click.echo(f"{count.read} turns read, {count.new} were missing and have been added.")
    if count.unusable:
        click.echo(f"{count.unusable} lines do not contain everything a row needs.", err=True)


def _described(row: dict[str, Any]) -> dict[str, Any]:
    ended = shown_time(row["ended_at_us"])
    rest = {name: value for name, value in row.items() if name not in ("ended_at_us", "cost")}
    return {**rest, "ended": ended, "cost_usd": dollars(row["cost"])}
