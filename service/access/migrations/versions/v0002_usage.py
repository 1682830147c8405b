"""Sums of the ledger by day, which the database itself keeps: a report over a million rows reads a few hundred.

Triggers see every change of the ledger, also one by an older version that still runs beside this one.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

PLACE = ("kind", "day", "key", "user_id", "model")
SUMS = (
    "calls",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "estimated_tokens",
    "unpriced_tokens",
    "cost",
)
COUNTS = ("turns", "completed", *SUMS)
COMPLETED = "CASE WHEN {row}.ending = 'completed' THEN 1 ELSE 0 END"
PARTS = {
    "sqlite": "json_each({row}.by_model) AS part",
    "postgresql": "json_array_elements({row}.by_model) AS part",
}
FIELD = {"sqlite": "json_extract(part.value, '$.{name}')", "postgresql": "part.value->>'{name}'"}


def upgrade() -> None:
    connection = op.get_bind()
    dialect = connection.dialect.name
    if dialect == "postgresql":
        # rows of workers that still run come before the sums, or meet the trigger
        connection.exec_driver_sql("LOCK TABLE access_ledger IN SHARE ROW EXCLUSIVE MODE")
    # left behind, like the triggers, where an older backup was restored or an older version came back
    op.execute("DROP TABLE IF EXISTS access_usage")
    op.create_table(
        "access_usage",
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("model", sa.String(256), nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in COUNTS),
        sa.Column("first_us", sa.BigInteger, nullable=False),
        sa.Column("last_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint(*PLACE, name=op.f("pk_access_usage")),
    )
    for source in _rows(dialect, "ledger"):
        connection.exec_driver_sql(_filled(source))
    make = _sqlite_triggers if dialect == "sqlite" else _postgresql_trigger
    for statement in make():
        connection.exec_driver_sql(statement)


def _rows(dialect: str, row: str) -> tuple[str, ...]:
    """What a row of the ledger counts as: a turn, what a user did, and its parts where it asked several models."""
    user, completed = f"coalesce({row}.user_id, '')", COMPLETED.format(row=row)
    whole = f"CASE WHEN {row}.by_model IS NULL THEN 'turn' ELSE 'whole' END"
    own = {name: f"{row}.{name}" for name in SUMS}
    field = FIELD[dialect].format
    part = {name: f"CAST({field(name=name)} AS bigint)" for name in SUMS}
    source = "" if row != "ledger" else "FROM access_ledger AS ledger"
    parts = PARTS[dialect].format(row=row)
    from_parts = f"{source}, {parts}" if source else f"FROM {parts}"
    given = f"WHERE {row}.by_model IS NOT NULL"
    return (
        _selected(row, (whole, "''", f"{row}.models"), completed, own, source),
        _selected(row, ("'user'", user, "''"), completed, own, source),
        _selected(
            row, ("'part'", "''", field(name="model")), completed, part, f"{from_parts} {given}"
        ),
    )


def _selected(
    row: str, place: tuple[str, str, str], completed: str, sums: dict[str, str], source: str
) -> str:
    kind, user, model = place
    where = {
        "kind": kind,
        "day": f"{row}.day",
        "key": f"{row}.key",
        "user_id": user,
        "model": model,
    }
    counted = {"turns": "1", "completed": completed, **sums}
    times = {"first_us": f"{row}.ended_at_us", "last_us": f"{row}.ended_at_us"}
    columns = ", ".join(
        f"{value} AS {name}" for name, value in {**where, **counted, **times}.items()
    )
    return f"SELECT {columns} {source}"


def _filled(source: str) -> str:
    sums = ", ".join(f"sum({name})" for name in COUNTS)
    place = ", ".join(PLACE)
    return (
        f"INSERT INTO access_usage ({place}, {', '.join(COUNTS)}, first_us, last_us)"  # noqa: S608 - constants
        f" SELECT {place}, {sums}, min(first_us), max(last_us) FROM ({source}) AS found GROUP BY {place}"
    )


def _counted(dialect: str, row: str, sign: str) -> list[str]:
    """Statements that add a row of the ledger, or take it away."""
    least, greatest = ("min", "max") if dialect == "sqlite" else ("least", "greatest")
    place, counts = ", ".join(PLACE), ", ".join(f"{sign}{name}" for name in COUNTS)
    added = ", ".join(f"{name} = access_usage.{name} + excluded.{name}" for name in COUNTS)
    return [
        f"INSERT INTO access_usage ({place}, {', '.join(COUNTS)}, first_us, last_us)"  # noqa: S608 - constants
        f" SELECT {place}, {counts}, first_us, last_us FROM ({source}) AS changed WHERE true"
        f" ON CONFLICT ({place}) DO UPDATE SET {added},"
        f" first_us = {least}(access_usage.first_us, excluded.first_us),"
        f" last_us = {greatest}(access_usage.last_us, excluded.last_us)"
        for source in _rows(dialect, row)
    ]


def _taken_away(dialect: str) -> list[str]:
    """A user's place is named: a key may have had thousands of them on a day."""
    empty = "DELETE FROM access_usage WHERE day = OLD.day AND key = OLD.key AND turns = 0"
    of_user = "kind = 'user' AND user_id = coalesce(OLD.user_id, '')"
    of_key = "kind IN ('turn', 'whole', 'part')"
    return [*_counted(dialect, "OLD", "-"), f"{empty} AND {of_user}", f"{empty} AND {of_key}"]


def _sqlite_triggers() -> list[str]:
    added, taken = _counted("sqlite", "NEW", ""), _taken_away("sqlite")
    events = {"insert": added, "delete": taken, "update": [*taken, *added]}
    return [
        *(f"DROP TRIGGER IF EXISTS access_usage_{event}" for event in events),
        *(
            f"CREATE TRIGGER access_usage_{event} AFTER {event} ON access_ledger"
            f" BEGIN {'; '.join(statements)}; END"
            for event, statements in events.items()
        ),
    ]


def _postgresql_trigger() -> list[str]:
    taken = "; ".join(_taken_away("postgresql"))
    added = "; ".join(_counted("postgresql", "NEW", ""))
    function = (
        "CREATE OR REPLACE FUNCTION access_count_usage() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" IF TG_OP <> 'INSERT' THEN {taken}; END IF;"
        f" IF TG_OP <> 'DELETE' THEN {added}; END IF;"
        " RETURN NULL; END $$"
    )
    trigger = (
        "CREATE OR REPLACE TRIGGER access_usage AFTER INSERT OR UPDATE OR DELETE ON access_ledger"
        " FOR EACH ROW EXECUTE FUNCTION access_count_usage()"
    )
    return [function, trigger]
