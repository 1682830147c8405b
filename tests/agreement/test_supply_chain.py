"""What comes from others is listed, pinned, and looked after."""

import json
import re

import pytest
import yaml

from tests.support.service import ROOT
from tests.tools import sbom
from tests.tools.lock import LOCKS

COMPOSE = (ROOT / "docker-compose.yml").read_text()
IMAGES = sorted(set(re.findall(r"^ *image: ((?!\$|chat-)\S+)$", COMPOSE, re.MULTILINE)))
DOCUMENTS = [ROOT / "docs" / "security.md", ROOT / "docs" / "security.ko.md"]


def test_there_are_images_of_others():
    assert {"postgres", "valkey/valkey", "prom/prometheus"} <= {
        image.partition(":")[0] for image in IMAGES
    }


@pytest.mark.parametrize("image", IMAGES)
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_it_is_said_how_long_each_image_is_supported(image, document):
    assert f"| {image} |" in document.read_text(encoding="utf-8")


def test_updates_are_looked_for_wherever_something_is_named():
    told = yaml.safe_load((ROOT / ".github/dependabot.yml").read_text())
    ecosystems = {update["package-ecosystem"] for update in told["updates"]}
    assert ecosystems == {"docker", "docker-compose", "github-actions", "pip"}


def test_the_workflow_audits_and_lists():
    steps = yaml.safe_load((ROOT / ".github/workflows/audit.yml").read_text())["jobs"]["audit"][
        "steps"
    ]
    assert {"make audit", "make sbom"} <= {step.get("run") for step in steps}


def test_every_lock_is_audited():
    assert {path.name for path in ROOT.glob("requirements*.txt")} == set(LOCKS)


def test_the_list_of_packages_is_the_lock():
    listed = {(one["name"], one["version"]) for one in sbom.components_of("requirements.txt")}
    locked = re.findall(
        r"^([^ #=]+)==([^ ;\\]+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE
    )
    assert listed == set(locked)
    document = json.loads(json.dumps(sbom.document(list(sbom.components_of("requirements.txt")))))
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    assert all(
        one["hashes"] and one["purl"].startswith("pkg:pypi/") for one in document["components"]
    )
