"""Programs that come from Debian: without them a test is skipped by name, and fails in CI."""

import os
import shutil

import pytest

PACKAGES = {
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "amtool": "prometheus-alertmanager",
    "prometheus-alertmanager": "prometheus-alertmanager",
}


def program(name: str) -> str:
    """Its path."""
    path = shutil.which(name)
    if path is None:
        lacking = f"there is no {name} on PATH (Debian: apt-get install {PACKAGES[name]})"
        if os.environ.get("CI") == "true":
            pytest.fail(lacking)
        pytest.skip(lacking)
    return path
