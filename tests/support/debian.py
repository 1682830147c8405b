"""Programs from Debian packages: a test that needs a missing one is skipped, and fails in CI."""

import os
import shutil
from pathlib import Path

import pytest

PACKAGES = {
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "amtool": "prometheus-alertmanager",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "postgres": "postgresql",
    "initdb": "postgresql",
    "psql": "postgresql",
    "pg_dump": "postgresql",
    "pg_restore": "postgresql",
}
# Debian keeps a server's programs apart, by version
PLACES = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)


def program(name: str) -> str:
    """Its path."""
    path = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *PLACES]))
    if path is None:
        lacking = f"there is no {name} on PATH (Debian: apt-get install {PACKAGES[name]})"
        if os.environ.get("CI") == "true":
            pytest.fail(lacking)
        pytest.skip(lacking)
    return path
