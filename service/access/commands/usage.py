"""`flask usage`: usage by key, model, user or day."""

from datetime import date
from typing import Any

import click

from service.access import reports
from service.access.commands.office import Office, existing
from service.access.commands.options import Mistake, Name, PlainCommand, Time, instant_us
from service.access.commands.printed import Form, printed
from service.access.database import now_us
from service.access.money import dollars
from service.access.registry import find
from service.access.reports import By, Span, Used


def command(office: Office) -> click.Command:
    @click.command(
        "usage", PlainCommand, help="Show usage from the ledger. Days are in the time zone TZ."
    )
    @click.option(
        "--since", type=Time(), help="A day, or a duration ago such as 30d (default: this month)."
    )
    @click.option("--until", type=Time(), help="Until the start of this day (default: now).")
    @click.option("--by", type=click.Choice(["key", "model", "user", "day"]), default="key")
    @click.option("--key", type=Name(), help="Only this key.")
    @click.option("--csv", "form", flag_value="csv", help="Print CSV.")
    @click.option("--json", "form", flag_value="json", help="Print JSON.")
    def usage(since: Any, until: Any, by: By, key: str | None, form: Form | None) -> None:
        with office.store() as store, store.database.reading(background=True) as connection:
            now = now_us(connection)
            moment = store.calendar.moment(now)
            first = date.fromisoformat(moment.month + "-01") if since is None else since
            span = Span(
                instant_us(first, now, store.calendar, -1),
                now + 1 if until is None else instant_us(until, now, store.calendar, -1),
                key,
            )
            if span.until_us <= span.since_us:
                raise Mistake("--since must be before --until (default: now).")
            rows = [_row(by, used) for used in reports.used(connection, by, span)]
            if key is not None and not rows:
                existing(find(connection, key), key)
        columns = list(_row(by, Used("")))
        click.echo(printed(rows, form or "table", columns))

    return usage


def _row(by: By, used: Used) -> dict[str, Any]:
    return {
        by: used.name,
        "turns": used.turns,
        "completed": used.completed,
        "model_calls": used.calls,
        "input_tokens": used.input_tokens,
        "cached_input_tokens": used.cached_input_tokens,
        "output_tokens": used.output_tokens,
        "estimated_tokens": used.estimated_tokens,
        "unpriced_tokens": used.unpriced_tokens,
        "cost_usd": dollars(used.cost),
    }
