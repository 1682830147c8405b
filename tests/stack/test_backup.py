"""What has state, saved and put back."""

import time

import pytest

from tests.support.stack import eventually


def test_prometheus_remembers_what_was_restored(shipped, tmp_path):
    eventually(lambda: shipped.prometheus("up == 1"), 60, "the first figures")
    saved_until = time.time()
    shipped.run("deploy/backup.sh", "save", str(tmp_path / "backup"))
    assert {path.name for path in (tmp_path / "backup").iterdir()} >= {
        "prometheus.tar.gz",
        "alertmanager.tar.gz",
    }
    shipped.compose("rm", "--stop", "--force", "prometheus")
    shipped.run("docker", "volume", "rm", f"{shipped.project}_prometheus")
    shipped.up()
    assert not remembers(shipped, saved_until)
    shipped.run("deploy/backup.sh", "restore", str(tmp_path / "backup"))
    eventually(lambda: remembers(shipped, saved_until), 60, "the saved figures are back")


@pytest.fixture
def saved(shipped, tmp_path):
    """A folder with a good backup."""
    folder = tmp_path / "backup"
    shipped.run("deploy/backup.sh", "save", str(folder))
    return folder


def test_a_full_disk_fails_the_backup_and_leaves_the_last_one(shipped, saved):
    before = contents(saved)
    for name in before:
        (saved / f"{name}.part").symlink_to("/dev/full")
    done = shipped.run("deploy/backup.sh", "save", str(saved), check=False)
    assert done.returncode == 1
    named = {name.split(".")[0] for name in before}
    assert set(done.stderr.rpartition("FAILED:")[2].split()) == named >= {"prometheus", "postgres"}
    assert contents(saved) == before


def test_a_stopped_database_fails_the_backup(shipped, saved):
    before = contents(saved)["postgres.dump"]
    shipped.compose("stop", "postgres")
    try:
        done = shipped.run("deploy/backup.sh", "save", str(saved), check=False)
    finally:
        shipped.up()
    assert done.returncode == 1
    assert "FAILED: postgres" in done.stderr
    assert contents(saved)["postgres.dump"] == before


def test_a_broken_archive_is_not_restored(shipped, saved):
    archive = saved / "prometheus.tar.gz"
    archive.write_bytes(archive.read_bytes()[:-100])
    since = time.time()
    eventually(lambda: newer(shipped, since), 60, "figures that are not in the backup")
    until = time.time()
    done = shipped.run("deploy/backup.sh", "restore", str(saved), check=False)
    assert done.returncode == 1
    assert "FAILED: prometheus" in done.stderr
    eventually(lambda: newer(shipped, since, until), 60, "the figures of before are still there")


def test_an_empty_folder_is_no_backup(shipped, tmp_path):
    done = shipped.run("deploy/backup.sh", "restore", str(tmp_path), check=False)
    assert done.returncode == 1
    assert "nothing to restore" in done.stderr


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def remembers(stack, moment):
    """Whether there are figures of that moment."""
    return asked(stack, f"up @ {moment:.0f}")


def newer(stack, since, until=None):
    """Whether there are figures from after `since`, at `until` or now."""
    at = f" @ {until:.3f}" if until else ""
    return asked(stack, f"timestamp(up{at}) > {since:.3f}")


def asked(stack, query):
    """While Prometheus starts, nobody can say."""
    try:
        return bool(stack.prometheus(query))
    except (OSError, KeyError, ValueError):
        return False
