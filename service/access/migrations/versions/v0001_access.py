"""Keys, limits, budgets and the ledger."""

import time
import uuid

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

ANONYMOUS_LIMITS = {"budget_day": 20 * 10**12}
ANONYMOUS_PER_USER = {"tokens_per_minute": 200_000}


def upgrade() -> None:
    store = op.create_table(
        "access_store",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("identity", sa.String(32), nullable=False),
        _number("changes"),
        sa.CheckConstraint("id = 1", name=op.f("ck_access_store_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_store")),
    )
    keys = op.create_table(
        "access_keys",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("limits", sa.JSON, nullable=False),
        sa.Column("per_user", sa.JSON, nullable=False),
        sa.Column("models", sa.JSON),
        sa.Column("chains", sa.JSON),
        sa.Column("allow_unpriced", sa.Boolean, nullable=False),
        sa.Column("disabled", sa.Boolean, nullable=False),
        sa.Column("expires_at_us", sa.BigInteger),
        _number("created_at_us"),
        _number("change"),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_access_keys")),
    )
    op.create_index(op.f("ix_access_keys_change"), "access_keys", ["change"])
    _create_secrets()
    states = _create_states()
    _create_leases()
    _create_ledger()
    op.bulk_insert(store, [{"id": 1, "identity": uuid.uuid4().hex, "changes": 1}])
    anonymous = {
        "name": "anonymous",
        "limits": ANONYMOUS_LIMITS,
        "per_user": ANONYMOUS_PER_USER,
        "allow_unpriced": True,
        "disabled": False,
        "created_at_us": time.time_ns() // 1000,
        "change": 1,
    }
    op.bulk_insert(keys, [anonymous])
    op.bulk_insert(states, [{"key": "anonymous", "user_id": "", "day": "", "month": ""}])


def _create_secrets() -> None:
    op.create_table(
        "access_secrets",
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("expires_at_us", sa.BigInteger),
        _number("created_at_us"),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_access_secrets")),
        _of_key("access_secrets"),
    )
    op.create_index(op.f("ix_access_secrets_key"), "access_secrets", ["key"])


def _create_states() -> sa.Table:
    return op.create_table(
        "access_states",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        _number("at_us"),
        _number("requests"),
        _number("tokens"),
        _number("open_answers"),
        _number("reserved"),
        sa.Column("day", sa.String(10), nullable=False),
        _number("spent_day"),
        sa.Column("month", sa.String(7), nullable=False),
        _number("spent_month"),
        _number("users"),
        sa.PrimaryKeyConstraint("key", "user_id", name=op.f("pk_access_states")),
        _of_key("access_states"),
    )


def _create_leases() -> None:
    op.create_table(
        "access_leases",
        sa.Column("turn_id", sa.Uuid, nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("worker", sa.String(32), nullable=False),
        _number("began_at_us"),
        _number("tokens"),
        _number("cost"),
        _number("spent"),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("turn_id", name=op.f("pk_access_leases")),
        _of_key("access_leases"),
    )
    op.create_index(op.f("ix_access_leases_worker"), "access_leases", ["worker"])
    op.create_table(
        "access_workers",
        sa.Column("id", sa.String(32), nullable=False),
        _number("seen_at_us"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_workers")),
    )


def _create_ledger() -> None:
    op.create_table(
        "access_ledger",
        sa.Column("turn_id", sa.Uuid, nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("user_id", sa.String(64)),
        sa.Column("route", sa.String(32), nullable=False),
        sa.Column("chain", sa.String(64)),
        sa.Column("models", sa.String(256), nullable=False),
        sa.Column("ending", sa.String(32), nullable=False),
        sa.Column("code", sa.String(32)),
        sa.Column("ended_at_us", sa.BigInteger, nullable=False),
        _number("duration_ms"),
        sa.Column("day", sa.String(10), nullable=False),
        _number("calls"),
        _number("input_tokens"),
        _number("cached_input_tokens"),
        _number("output_tokens"),
        _number("estimated_tokens"),
        _number("unpriced_tokens"),
        _number("cost"),
        sa.Column("by_model", sa.JSON),
        sa.Column("lost", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("turn_id", name=op.f("pk_access_ledger")),
    )
    op.create_index(op.f("ix_access_ledger_ended_at_us"), "access_ledger", ["ended_at_us"])


def _number(name: str) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger, nullable=False, server_default="0")


def _of_key(table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_key")
    return sa.ForeignKeyConstraint(["key"], ["access_keys.name"], name=name)
