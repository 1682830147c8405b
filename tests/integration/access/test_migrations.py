"""Tables are made and brought up to date at start, by one process, and never by an older version."""

import concurrent.futures
import contextlib
import os
import re
import sqlite3
import subprocess
import sys

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import NullPool, create_engine, inspect, text

from service.access import schema
from service.access.database import UnusableDatabase, database_url, file_system
from service.access.migrate import migrate
from tests.support.access_store import make_key
from tests.support.service import ROOT, free_port

MIGRATE = """
import sys
from service.access.database import UnusableDatabase, database_url
from service.access.migrate import migrate
try:
    migrate(database_url(sys.argv[1]))
except UnusableDatabase as refusal:
    sys.exit(f"refused: {refusal}")
"""


def start(address):
    """A replica that starts."""
    return subprocess.Popen(
        [sys.executable, "-c", MIGRATE, address],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


def engine(address):
    return create_engine(database_url(address), poolclass=NullPool)


def refusal(address, wait_seconds=5.0):
    with pytest.raises(UnusableDatabase) as refused:
        migrate(database_url(address), wait_seconds)
    return str(refused.value)


def test_eight_replicas_that_start_at_once_make_the_tables_once(address):
    replicas = [start(address) for _ in range(8)]
    said = [replica.communicate()[1] for replica in replicas]
    assert [replica.returncode for replica in replicas] == [0] * 8, said
    with engine(address).connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM access_store")) == 1
        assert connection.scalar(text("SELECT count(*) FROM access_version")) == 1


def test_the_tables_are_those_of_the_schema(address):
    migrate(database_url(address))
    with engine(address).connect() as connection:
        options = {"version_table": schema.VERSION_TABLE, "compare_type": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, schema.metadata) == []


def test_a_step_is_named_by_its_number():
    steps = list((ROOT / "service/access/migrations/versions").glob("v*.py"))
    numbers = [
        re.search(r'^revision = "(\d{4})"$', step.read_text(), re.MULTILINE)[1] for step in steps
    ]
    assert [step.name[1:5] for step in steps] == numbers
    assert sorted(numbers) == [f"{number:04}" for number in range(1, len(steps) + 1)]


def test_tables_of_others_in_the_same_database_stay(address):
    with engine(address).begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
        connection.execute(text("CREATE TABLE keys (name TEXT)"))
    migrate(database_url(address))
    with engine(address).connect() as connection:
        assert {"alembic_version", "keys"} < set(inspect(connection).get_table_names())


def test_an_old_version_does_not_touch_newer_tables(address):
    migrate(database_url(address))
    with engine(address).begin() as connection:
        connection.execute(text("UPDATE access_version SET version_num = '9999'"))
    assert "newer version of this service" in refusal(address)


def test_a_server_that_is_still_starting_is_waited_for(postgres, postgres_address):
    postgres.pause()
    try:
        with concurrent.futures.ThreadPoolExecutor() as threads:
            migrating = threads.submit(migrate, database_url(postgres_address))
            with pytest.raises(TimeoutError):
                migrating.result(1)
            postgres.resume()
            migrating.result(30)
    finally:
        postgres.resume()


@pytest.mark.parametrize(
    ("there", "wrong", "reason"),
    [
        ("chat:p", "chat:q", "refuses the user or the password"),
        ("/test_", "/none_", "does not have this database"),
    ],
)
def test_a_server_that_refuses_is_a_sentence(postgres_address, there, wrong, reason):
    assert refusal(postgres_address.replace(there, wrong)) == reason


def test_tables_that_cannot_be_made_are_a_sentence(address):
    with engine(address).begin() as connection:
        connection.execute(text("CREATE TABLE access_keys (name TEXT)"))
    said = refusal(address)
    assert said.startswith("cannot be migrated: ")
    assert said.endswith("already exists")


def test_a_server_that_is_not_there_is_a_sentence():
    address = f"postgresql://chat:p%40ss@127.0.0.1:{free_port()}/chat"
    assert refusal(address, 0.3) == "cannot be reached: nothing listens at its address"


def test_a_host_name_that_nobody_knows_is_a_sentence():
    reason = refusal("postgresql://chat:p%40ss@postgres.invalid/chat", 0.3)
    assert reason == "cannot be reached: its host name cannot be resolved"


def test_a_file_that_somebody_else_holds_is_waited_for_and_then_refused(tmp_path):
    path = tmp_path / "access.sqlite3"
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    assert refusal(f"sqlite:///{path}", 0.5) == "does not answer (OperationalError)"
    holder.execute("ROLLBACK")
    migrate(database_url(f"sqlite:///{path}"))


def test_a_file_that_is_no_database_is_a_sentence(tmp_path):
    (tmp_path / "access.sqlite3").write_text("a diary, and a long one at that" * 40)
    assert refusal(f"sqlite:///{tmp_path}/access.sqlite3") == "is no database"


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    assert "cannot be made" in refusal(f"sqlite:///{tmp_path}/file/access.sqlite3")


@pytest.fixture
def disk(tmp_path):
    """A small one, which a test may fill and take the right to write from."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.getuid() != 0:
        pytest.skip("only root may mount a file system")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("before", ["nothing", "tables"])
def test_a_disk_without_room_or_without_the_right_to_write_is_a_sentence(disk, before):
    address = f"sqlite:///{disk}/access.sqlite3"
    if before == "tables":
        migrate(database_url(address))
        make_key(address, "team-a")
    with (disk / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    assert "its disk" in refusal(address)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    assert refusal(address) == f"{disk} cannot be written to"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "access.sqlite3",
        "sqlite://",
        "mysql://chat:hunter2@host/chat",
        "postgresql://chat:hunter2:5@host:port/chat",
        "postgresql://chat:hunter2@host",
    ],
)
def test_an_address_that_is_none_is_a_sentence_that_does_not_quote_it(address):
    with pytest.raises(UnusableDatabase) as refused:
        database_url(address)
    assert "hunter2" not in str(refused.value)


def test_the_file_system_of_a_folder_is_that_of_the_deepest_mount(tmp_path):
    mounts = tmp_path / "mounts"
    mounts.write_text(
        f"/dev/sda1 / ext4 rw 0 0\nserver:/x {tmp_path} nfs4 rw 0 0\n/dev/sdb1 {tmp_path}/in\\040side xfs rw 0 0\n"
    )
    (tmp_path / "in side").mkdir()
    assert file_system(tmp_path, mounts) == "nfs4"
    assert file_system(tmp_path / "in side", mounts) == "xfs"
    assert file_system(tmp_path.parent, mounts) == "ext4"
    assert file_system(tmp_path, tmp_path / "nothing") == ""
