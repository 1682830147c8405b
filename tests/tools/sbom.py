"""`python -m tests.tools.sbom [EXTRA…]`: the Python packages of the image, as CycloneDX, in build/sbom.cdx.json.

They are what the lock says; licences are those of the packages that are installed here.
"""

import json
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from typing import Any

from deploy.local.environment import ROOT

ENTRY = re.compile(
    r"^([A-Za-z0-9._-]+)==([^ ;\\]+)(?: *; *([^\\\n]+))?((?:\s*\\\n\s+--hash=\S+)+)", re.MULTILINE
)
MOST_LICENCE_CHARS = 60


def main(extras: list[str]) -> int:
    locks = ["requirements.txt", *(f"requirements-{extra}.txt" for extra in extras)]
    components = {one["purl"]: one for lock in locks for one in components_of(lock)}
    target = ROOT / "build" / "sbom.cdx.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(document(list(components.values())), indent=2) + "\n")
    print(f"sbom: {len(components)} packages in {target.relative_to(ROOT)}")
    return 0


def document(components: list[dict[str, Any]]) -> dict[str, Any]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    service = {
        "type": "container",
        "bom-ref": project["name"],
        "name": project["name"],
        "version": project["version"],
    }
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": service},
        "components": components,
        "dependencies": [
            {"ref": project["name"], "dependsOn": [one["bom-ref"] for one in components]}
        ],
    }


def components_of(lock: str) -> Iterator[dict[str, Any]]:
    for name, version, marker, hashes in ENTRY.findall((ROOT / lock).read_text()):
        purl = f"pkg:pypi/{name.lower().replace('_', '-')}@{version}"
        component: dict[str, Any] = {
            "type": "library",
            "bom-ref": purl,
            "name": name,
            "version": version,
            "purl": purl,
            "hashes": [
                {"alg": "SHA-256", "content": digest}
                for digest in re.findall("sha256:([0-9a-f]{64})", hashes)
            ],
        }
        if marker:
            component["properties"] = [{"name": "python:marker", "value": marker.strip()}]
        if licence := licence_of(name):
            component["licenses"] = [{"license": {"name": licence}}]
        yield component


def licence_of(name: str) -> str:
    """The package's one-line summary."""
    try:
        told = metadata.metadata(name).json
    except metadata.PackageNotFoundError:
        return ""
    says = str(told.get("license_expression") or told.get("license") or "")
    return says if len(says) <= MOST_LICENCE_CHARS and "\n" not in says else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
