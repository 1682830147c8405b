"""The tables. Times are microseconds since 1970 and money is picodollars: whole numbers on every database.

Table names share a prefix, because a chain may store its own data in the same database.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Uuid,
)

NAMING = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "ix": "ix_%(table_name)s_%(column_0_name)s",
}
VERSION_TABLE = "access_version"

metadata = MetaData(naming_convention=NAMING)


def _number(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, default=0, server_default="0")


def _key_name() -> Column[str]:
    return Column("key", String(64), ForeignKey("access_keys.name"), primary_key=True)


# one row: the database's identity, and the number of changes to keys
store = Table(
    "access_store",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1", name="one_row"), primary_key=True),
    Column("identity", String(32), nullable=False),
    _number("changes"),
)

keys = Table(
    "access_keys",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("limits", JSON, nullable=False),
    Column("per_user", JSON, nullable=False),
    Column("models", JSON(none_as_null=True)),
    Column("chains", JSON(none_as_null=True)),
    Column("allow_unpriced", Boolean, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("expires_at_us", BigInteger),
    _number("created_at_us"),
    # the store's change number when this key was last changed
    _number("change"),
    Index(None, "change"),
)

secrets = Table(
    "access_secrets",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("key", String(64), ForeignKey("access_keys.name"), nullable=False, index=True),
    Column("expires_at_us", BigInteger),
    _number("created_at_us"),
)

# a key's own row has an empty user_id and is locked first; the other rows are its users'
states = Table(
    "access_states",
    metadata,
    _key_name(),
    Column("user_id", String(64), primary_key=True),
    _number("at_us"),
    _number("requests"),
    _number("tokens"),
    _number("open_answers"),
    _number("reserved"),
    Column("day", String(10), nullable=False, default=""),
    _number("spent_day"),
    Column("month", String(7), nullable=False, default=""),
    _number("spent_month"),
    # the number of users that have rows under the key
    _number("users"),
)

# open answers, and what they hold
leases = Table(
    "access_leases",
    metadata,
    Column("turn_id", Uuid(as_uuid=False), primary_key=True),
    Column("key", String(64), ForeignKey("access_keys.name"), nullable=False),
    # the row of states; if there are too many users, several share one
    Column("user_id", String(64), nullable=False),
    Column("worker", String(32), nullable=False, index=True),
    _number("began_at_us"),
    _number("tokens"),
    _number("cost"),
    _number("spent"),
    Column("facts", JSON, nullable=False),
)

workers = Table(
    "access_workers",
    metadata,
    Column("id", String(32), primary_key=True),
    _number("seen_at_us"),
)

ledger = Table(
    "access_ledger",
    metadata,
    Column("turn_id", Uuid(as_uuid=False), primary_key=True),
    Column("request_id", String(64), nullable=False),
    # a name rather than a foreign key: rows restored from a log may be older than the database
    Column("key", String(64), nullable=False),
    Column("user_id", String(64)),
    Column("route", String(32), nullable=False),
    Column("chain", String(64)),
    Column("models", String(256), nullable=False),
    Column("ending", String(32), nullable=False),
    Column("code", String(32)),
    Column("ended_at_us", BigInteger, nullable=False, index=True),
    _number("duration_ms"),
    Column("day", String(10), nullable=False),
    _number("calls"),
    _number("input_tokens"),
    _number("cached_input_tokens"),
    _number("output_tokens"),
    _number("estimated_tokens"),
    _number("unpriced_tokens"),
    _number("cost"),
    # for a turn that used several models: the share of each
    Column("by_model", JSON(none_as_null=True)),
    # written on behalf of a dead worker; the worker's own row replaces it
    Column("lost", Boolean, nullable=False),
)

# sums of the ledger by day, which triggers of the database keep
usage = Table(
    "access_usage",
    metadata,
    # turn, or whole where it asked several models, and then a part for each of them; user: by user alone
    Column("kind", String(8), primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("key", String(64), primary_key=True),
    Column("user_id", String(64), primary_key=True),
    Column("model", String(256), primary_key=True),
    Column("turns", BigInteger, nullable=False),
    Column("completed", BigInteger, nullable=False),
    Column("calls", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("cached_input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("estimated_tokens", BigInteger, nullable=False),
    Column("unpriced_tokens", BigInteger, nullable=False),
    Column("cost", BigInteger, nullable=False),
    # of the rows in it, or earlier and later
    Column("first_us", BigInteger, nullable=False),
    Column("last_us", BigInteger, nullable=False),
)
