"""What holds for the files of the repository as a whole."""

import re
import subprocess
import tomllib

import pytest
import yaml

import service
from tests.support.service import ROOT

TARGET = re.compile(r"^([a-z-]+):.*## ", re.MULTILINE)
# Written in pieces, so that this file does not name them.
REGISTRIES = [
    "pypi" + ".org",
    "python" + "hosted.org",
    "registry." + "npmjs",
    "deb." + "debian.org",
]
MACHINE_PATHS = [f"/{folder}/" for folder in ("wo" + "rk", "ro" + "ot", "ho" + "me")]


def tracked_files():
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_no_file_names_a_package_registry_or_a_path_of_somebodys_machine():
    forbidden = re.compile("|".join(map(re.escape, REGISTRIES + MACHINE_PATHS)).encode())
    found = {
        str(path.relative_to(ROOT)): match.group().decode()
        for path in tracked_files()
        if (match := forbidden.search(path.read_bytes()))
    }
    assert found == {}


def test_nothing_is_tracked_that_git_ignores():
    """Such as an operator's keys."""
    command = ["git", "ls-files", "--cached", "--ignored", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert listed.stdout == ""


DOCUMENTS = [path for path in tracked_files() if path.suffix == ".md"]
# not build/, which is generated
NAMED_PATH = re.compile(
    r"`((?:service|tests|deploy|monitoring|nginx|docs|\.ci|\.github)/[\w./-]*)[^`]*`"
)


@pytest.mark.parametrize("page", ["docs/commands.md", "docs/commands.ko.md"])
def test_the_commands_page_lists_every_make_target(page):
    targets = set(TARGET.findall((ROOT / "Makefile").read_text())) - {"help"}
    listed = re.findall(r"`make ([a-z-]+)`", (ROOT / page).read_text(encoding="utf-8"))
    assert set(listed) == targets


def test_every_make_target_that_a_document_names_exists():
    targets = set(TARGET.findall((ROOT / "Makefile").read_text()))
    named = {
        name
        for document in DOCUMENTS
        for name in re.findall(r"`make ([a-z-]+)", document.read_text(encoding="utf-8"))
    }
    assert named
    assert named - targets == set()


@pytest.mark.parametrize("readme", ["README.md", "README.ko.md"])
def test_a_readme_maps_every_room(readme):
    rooms = {path.parent.name for path in (ROOT / "service").glob("*/__init__.py")}
    mapped = set(
        re.findall(r"^service/(\w+)/ ", (ROOT / readme).read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert mapped == rooms


def test_links_of_documents_lead_to_files():
    links = [
        (document, target)
        for document in DOCUMENTS
        for target in re.findall(r"\]\(([^)#]+)", document.read_text(encoding="utf-8"))
        if "://" not in target
    ]
    assert links
    assert [link for link in links if not (link[0].parent / link[1]).exists()] == []


def test_paths_that_documents_name_exist():
    named = {
        path
        for document in DOCUMENTS
        for path in NAMED_PATH.findall(document.read_text(encoding="utf-8"))
    }
    assert named
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_the_project_has_one_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    image = re.search(r"^ARG VERSION=(\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    changes = re.search(r"^## (\d\S*)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert {project["version"], image[1], changes[1]} == {service.__version__}


def test_ci_runs_the_same_commands_as_a_person():
    steps = re.findall(r"^step ([\w-]+)$", (ROOT / ".ci/run").read_text(), re.MULTILINE)
    assert steps == ["check", "crashtest", "attack", "drill", "test", "test-stack"]
    assert set(steps) <= set(TARGET.findall((ROOT / "Makefile").read_text()))
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    assert workflow["jobs"]["make"]["strategy"]["matrix"]["target"] == steps
