"""Fetches the page's vendored libraries as each folder's vendor.json lists them, and checks them against it.

python -m tests.tools.vendor             what is listed, again; a file that differs is an error
python -m tests.tools.vendor --update    the newest versions, and their checksums into vendor.json

It asks npm by package name: npm's settings decide where packages come from, the checksums decide which.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (ROOT / "service/web/static/vendor", ROOT / "tests/integration/page/vendor")


def main(*, update: bool) -> int:
    differing = [file for folder in FOLDERS for file in _fetch_folder(folder, update=update)]
    for file in differing:
        print(f"vendor: {file.relative_to(ROOT)} is not what vendor.json says; left as it was.")
    return 1 if differing else 0


def _fetch_folder(folder: Path, *, update: bool) -> list[Path]:
    manifest = folder / "vendor.json"
    packages = json.loads(manifest.read_text())
    with tempfile.TemporaryDirectory() as made:
        for name, package in packages.items():
            version = _newest(package, name, Path(made)) if update else package["version"]
            packed = _pack(f"{name}@{version}", Path(made) / f"{name}.tgz")
            if update:
                _describe(package, packed)
        differing = [
            file
            for name, package in packages.items()
            for file in _place(package, Path(made) / f"{name}.tgz", folder)
        ]
    if update:
        manifest.write_text(json.dumps(packages, indent=2) + "\n")
    return differing


def _newest(package: dict[str, Any], name: str, packs: Path) -> str:
    """Of what another package bundles: the newest which that one accepts."""
    if "bundled_in" not in package:
        return "latest"
    bundler = json.loads(_read(packs / f"{package['bundled_in']}.tgz", "package.json"))
    return str(bundler["dependencies"][name])


def _describe(package: dict[str, Any], packed: Path) -> None:
    described = json.loads(_read(packed, "package.json"))
    package |= {"version": described["version"], "license": described["license"]}
    for file in package["files"].values():
        file["sha256"] = hashlib.sha256(_read(packed, file["from"])).hexdigest()


def _place(package: dict[str, Any], packed: Path, folder: Path) -> list[Path]:
    """The files that do not have the checksum which the manifest expects."""
    differing = []
    for name, file in package["files"].items():
        content = _read(packed, file["from"])
        if hashlib.sha256(content).hexdigest() == file["sha256"]:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(content)
        else:
            differing.append(folder / name)
    return differing


def _pack(spec: str, packed: Path) -> Path:
    with tempfile.TemporaryDirectory() as made:
        command = ["npm", "pack", spec, "--silent", "--pack-destination", made]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        shutil.move(next(Path(made).glob("*.tgz")), packed)
    print(f"vendor: {spec}")
    return packed


def _read(packed: Path, name: str) -> bytes:
    with tarfile.open(packed) as archive:
        member = archive.extractfile(f"package/{name}")
        if member is None:
            raise FileNotFoundError(name)
        return member.read()


if __name__ == "__main__":
    sys.exit(main(update="--update" in sys.argv[1:]))
