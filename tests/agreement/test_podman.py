"""What podman 4.3 does not take of a compose file, as was seen when it ran ours."""

import yaml

from tests.support.service import ROOT

TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
SERVICES = yaml.safe_load(TEXT)["services"].values()


def test_a_folder_in_memory_has_no_owner():
    options = [each for service in SERVICES for each in service.get("tmpfs", [])]
    assert options
    assert not [each for each in options if "uid=" in each or "gid=" in each]


def test_nothing_is_mounted_by_a_link():
    """/var/run is one in an image, and podman follows the host's."""
    mounts = [each for service in SERVICES for each in service.get("volumes", [])]
    assert mounts
    assert not [each for each in mounts if ":/var/run/" in each]


def test_nobody_asks_docker_s_own_name_server():
    assert "127.0.0.11" not in TEXT
