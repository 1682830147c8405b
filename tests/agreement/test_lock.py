"""What is installed is what the locks say, and the locks are what pyproject.toml asks for."""

import re
import subprocess
import sys

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.service import ROOT

EXTRA_LOCKS = ("requirements-anthropic.txt", "requirements-google.txt", "requirements-ollama.txt")
INSTALLED_LOCKS = (
    "requirements.txt",
    "requirements-llm.txt",
    *EXTRA_LOCKS,
    "requirements-dev.txt",
)
LOCKS = (
    *INSTALLED_LOCKS,
    "requirements-load.txt",
    "requirements-clients.txt",
    "requirements-kubernetes.txt",
    "requirements-data.txt",
    "requirements-audit.txt",
)


def entries(lock):
    """Each package of a lock with its hashes."""
    text = (ROOT / lock).read_text().replace("\\\n", " ")
    for line in text.splitlines():
        if line and not line.lstrip().startswith("#"):
            requirement, *hashes = re.split(r"\s+--hash=", line.strip())
            yield Requirement(requirement), hashes


def meant_for_here(lock):
    """The packages of a lock that this platform and Python get."""
    for requirement, _ in entries(lock):
        if requirement.marker is None or requirement.marker.evaluate():
            yield requirement


def test_what_is_installed_is_what_the_locks_say():
    locked = {
        f"{canonicalize_name(requirement.name)}{requirement.specifier}"
        for lock in INSTALLED_LOCKS
        for requirement in meant_for_here(lock)
    }
    freeze = [sys.executable, "-m", "pip", "--disable-pip-version-check", "freeze", "--local"]
    frozen = subprocess.run(freeze, capture_output=True, text=True, check=True).stdout
    installed = {
        f"{canonicalize_name(name)}=={version}"
        for name, _, version in (line.partition("==") for line in frozen.splitlines())
    }
    assert sorted(installed) == sorted(locked)


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_is_pinned_with_hashes(lock):
    packages = list(entries(lock))
    assert packages
    for requirement, hashes in packages:
        assert [specifier.operator for specifier in requirement.specifier] == ["=="]
        assert hashes
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", value) for value in hashes)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_index_and_no_address(lock):
    options = [line for line in (ROOT / lock).read_text().splitlines() if line.startswith("-")]
    assert options == []
    assert "://" not in (ROOT / lock).read_text()


def test_packages_in_two_locks_have_one_version():
    versions = {}
    for lock in INSTALLED_LOCKS:
        for requirement in meant_for_here(lock):
            versions.setdefault(requirement.name, set()).add(str(requirement.specifier))
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}
