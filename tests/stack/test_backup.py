"""What has state, saved and put back."""

import time

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


def remembers(stack, moment):
    """Whether there are figures of that moment; while Prometheus starts, nobody can say."""
    try:
        return bool(stack.prometheus(f"up @ {moment:.0f}"))
    except (OSError, KeyError, ValueError):
        return False
