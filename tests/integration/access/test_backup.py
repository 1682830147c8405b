"""deploy/backup.sh restores PostgreSQL while the service goes on using it."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.debian import program
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
# waiting for a lock, before PostgreSQL looks for deadlocks, as the service's transactions do
GIVES_UP_FIRST = "SET LOCAL deadlock_timeout = '60s'; SET LOCAL lock_timeout = '3s'"
SECONDS = 60


@pytest.fixture
def environment(own_postgres, tmp_path):
    docker = tmp_path / "docker"
    docker.write_text(DOCKER)
    docker.chmod(0o700)
    programs = Path(program("pg_restore")).parent
    path = os.pathsep.join(map(str, (tmp_path, programs, os.environ["PATH"])))
    return os.environ | {
        "PATH": path,
        "PGHOST": str(own_postgres.folder),
        "PGPORT": str(own_postgres.port),
    }


def test_a_restore_outlasts_a_deadlock_with_the_service(own_postgres, environment, tmp_path):
    with (tmp_path / "postgres.dump").open("wb") as dump:
        saving = [program("pg_dump"), "--username", "postgres", "--format", "custom", "chat"]
        subprocess.run(saving, stdout=dump, env=environment, check=True)
    with own_postgres.locked(f"{GIVES_UP_FIRST}; {LOCK.format('access_store')}") as service:
        restoring = subprocess.Popen(
            ["sh", "deploy/backup.sh", "restore", str(tmp_path)],
            cwd=ROOT,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        until = time.monotonic() + SECONDS
        while own_postgres.sql(WAITING) == "0":
            assert time.monotonic() < until
        # which the restore holds: it has dropped it
        service.stdin.write(f"{LOCK.format('access_keys')};\n")
        said = restoring.communicate(timeout=SECONDS)[1]
    assert restoring.returncode == 0, said
