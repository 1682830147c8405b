"""What a large ledger costs: its size, and how long `flask usage` takes for a month, on SQLite and on PostgreSQL.

python -m tests.bench.ledger [--rows N]
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Engine, NullPool, create_engine, insert

from service.access import schema
from service.access.database import database_url
from service.access.ledger import Call, Facts, LedgerRow, columns
from service.access.migrate import migrate
from service.access.periods import Calendar
from tests.support.postgres import PostgresServer
from tests.support.service import ROOT

MONTH_US = 29 * 86400 * 10**6
AT_ONCE = 5000
REPORTS = ("key", "model", "day", "user")


def filled(engine: Engine, count: int) -> None:
    """With turns of the last 29 days: 20 keys, each with 50 users."""
    dice, calendar, now_us = random.Random(1), Calendar("UTC"), time.time_ns() // 1000

    def rows(number: int) -> Iterator[dict[str, object]]:
        for _ in range(number):
            ended_at_us = now_us - dice.randrange(MONTH_US)
            key = dice.randrange(20)
            user = f"user-{key:02}-{dice.randrange(50):02}"
            facts = Facts(str(uuid.uuid4()), uuid.uuid4().hex, f"team-{key}", user, "/chat/stream")
            call = Call(dice.choice(("large", "small")), 400, 300, cost=10**9)
            yield columns(LedgerRow(facts, "completed", None, ended_at_us, 900, (call,)), calendar)

    for first in range(0, count, AT_ONCE):
        with engine.begin() as connection:
            connection.execute(insert(schema.ledger), list(rows(min(AT_ONCE, count - first))))


def report_seconds(address: str, by: str) -> float:
    """The command's, its start included."""
    command = [sys.executable, "-m", "flask", "usage", "--since", "30d", "--by", by]
    environment = os.environ | {"FLASK_APP": "service.commands", "DATABASE_URL": address}
    began = time.perf_counter()
    subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def measure(name: str, address: str, count: int, size: Path) -> None:
    url = database_url(address)
    migrate(url)
    before = megabytes(size)
    filled(create_engine(url, poolclass=NullPool), count)
    grown = megabytes(size) - before
    times = " | ".join(
        f"{min(report_seconds(address, by) for _ in range(3)):.2f}" for by in REPORTS
    )
    print(f"| {name} | {count} | {grown:.0f} | {times} |", flush=True)


def megabytes(path: Path) -> float:
    return sum(each.stat().st_size for each in path.rglob("*") if each.is_file()) / 10**6


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.ledger")
    parser.add_argument("--rows", type=int, default=1_000_000)
    count = parser.parse_args().rows
    print("| store | rows | MB | " + " | ".join(f"s by {by}" for by in REPORTS) + " |")
    print("|" + "---|" * (3 + len(REPORTS)))
    with tempfile.TemporaryDirectory(prefix="ledger-") as folder:
        measure("SQLite", f"sqlite:///{folder}/access.sqlite3", count, Path(folder))
    with PostgresServer() as postgres:
        tables = postgres.folder / "data" / "base"
        measure("PostgreSQL", postgres.address(), count, tables)


if __name__ == "__main__":
    main()
