"""deploy/backup.sh restores PostgreSQL while the service goes on using it."""

import os
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.access.database import database_url
from service.access.migrate import migrate
from tests.support.debian import program
from tests.support.postgres import PostgresServer
from tests.support.service import ROOT

# runs here what would run in PostgreSQL's container; there are no others
DOCKER = """#!/bin/sh
[ "$1 $2 $3" = "compose exec -T" ] || exit 0
shift 3
if [ "$1" = --env ]; then export "$2"; shift 2; fi
shift
exec "$@"
"""
WAITING = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE application_name = 'pg_restore' AND wait_event_type = 'Lock'"
)
LOCK = "LOCK TABLE {} IN ROW EXCLUSIVE MODE"
SECONDS = 60


@pytest.fixture
def server():
    with PostgresServer() as server:
        migrate(database_url(server.address()))
        yield server


@pytest.fixture
def environment(server, tmp_path):
    docker = tmp_path / "docker"
    docker.write_text(DOCKER)
    docker.chmod(0o700)
    programs = Path(program("pg_restore")).parent
    path = os.pathsep.join(map(str, (tmp_path, programs, os.environ["PATH"])))
    return os.environ | {"PATH": path, "PGHOST": str(server.folder), "PGPORT": str(server.port)}


@contextmanager
def service_holding(server, table):
    """A session that gives up waiting for a lock before PostgreSQL looks for deadlocks, as the service's do."""
    service = server.session()
    service.stdin.write("SET deadlock_timeout = '60s'; SET lock_timeout = '3s';\n")
    service.stdin.write(f"BEGIN; {LOCK.format(table)}; SELECT 'locked';\n")
    assert any("locked" in line for line in service.stdout)
    try:
        yield service
    finally:
        service.stdin.close()
        service.wait()
        service.stdout.close()


def test_a_restore_outlasts_a_deadlock_with_the_service(server, environment, tmp_path):
    with (tmp_path / "postgres.dump").open("wb") as dump:
        saving = [program("pg_dump"), "--username", "postgres", "--format", "custom", "chat"]
        subprocess.run(saving, stdout=dump, env=environment, check=True)
    with service_holding(server, "access_store") as service:
        restoring = subprocess.Popen(
            ["sh", "deploy/backup.sh", "restore", str(tmp_path)],
            cwd=ROOT,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        until = time.monotonic() + SECONDS
        while server.sql(WAITING) == "0":
            assert time.monotonic() < until
        # which the restore holds: it has dropped it
        service.stdin.write(f"{LOCK.format('access_keys')};\n")
        said = restoring.communicate(timeout=SECONDS)[1]
    assert restoring.returncode == 0, said
