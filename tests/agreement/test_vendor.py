"""The page's vendored libraries are what their vendor.json says: version, licence, and every byte."""

import hashlib
import json

import pytest

from tests.tools.vendor import FOLDERS, ROOT

PACKAGES = [
    pytest.param(folder, package, id=name)
    for folder in FOLDERS
    for name, package in json.loads((folder / "vendor.json").read_text()).items()
]
# The last of those with a published way around its rules.
UNSAFE_SANITIZER = (3, 4, 14)


@pytest.mark.parametrize(("folder", "package"), PACKAGES)
def test_vendored_files_have_the_listed_checksums(folder, package):
    found = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in package["files"]
    }
    assert found == {name: file["sha256"] for name, file in package["files"].items()}


@pytest.mark.parametrize(("folder", "package"), PACKAGES)
def test_every_vendored_package_brings_its_licence(folder, package):
    assert package["license"]
    assert [name for name in package["files"] if name.startswith("licences/")]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_nothing_is_vendored_that_is_not_listed(folder):
    packages = json.loads((folder / "vendor.json").read_text()).values()
    listed = {"vendor.json"}.union(*(package["files"] for package in packages))
    assert {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    } == listed


def test_the_sanitizer_is_newer_than_its_last_known_hole():
    sanitizer = json.loads((FOLDERS[0] / "vendor.json").read_text())["dompurify"]
    assert tuple(map(int, sanitizer["version"].split("."))) > UNSAFE_SANITIZER
