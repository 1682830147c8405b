"""The Kubernetes manifests as kubectl's kustomize renders them, in a copy with the files that git does not have."""

import functools
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import yaml

from tests.support.service import ROOT

OVERLAYS = ("single-node", "production")
SECRETS = {
    "openai_api_key": "sk-test",
    "database_url": "postgresql://chat:secret@db.example/chat",
}


@functools.cache
def rendered(overlay: str) -> str:
    with tempfile.TemporaryDirectory() as made:
        shutil.copytree(ROOT / "deploy", Path(made, "deploy"), ignore=_pyc)
        folder = Path(made, "deploy/kubernetes/overlays", overlay)
        secrets = folder / "secrets"
        secrets.mkdir(exist_ok=True)
        for name, text in SECRETS.items():
            (secrets / name).write_text(text)
        done = subprocess.run(
            ["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr
    return done.stdout


def objects(overlay: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(rendered(overlay)))


def find(overlay: str, kind: str, name: str) -> dict[str, Any]:
    """Generated names have a hash, which `name` leaves out."""
    found = [
        each
        for each in objects(overlay)
        if each["kind"] == kind and (each["metadata"]["name"] + "-").startswith(name + "-")
    ]
    assert len(found) == 1, (kind, name, [each["metadata"]["name"] for each in found])
    return found[0]


def workloads(overlay: str) -> dict[str, dict[str, Any]]:
    """Deployments and StatefulSets by name."""
    kinds = ("Deployment", "StatefulSet")
    return {each["metadata"]["name"]: each for each in objects(overlay) if each["kind"] in kinds}


_pyc = shutil.ignore_patterns("__pycache__")
