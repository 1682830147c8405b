"""The settings, .env.example and both READMEs tell the same names and defaults."""

import re

import pytest
import yaml
from pydantic_core import PydanticUndefined

from deploy.local import dotenv, environment
from service import settings
from tests.support.service import ROOT

# What stops load() from refusing an environment that has nothing but the setting in question.
ENOUGH = {"OPENAI_API_KEY": "sk-test"}
EXPLAINED_TOO = {"OPENAI_API_KEY_FILE": ""}
EXAMPLE = re.compile(r"^#([A-Z_]+=.*)$", re.MULTILINE)
# ${NAME:-default}; ${NAME:+...} has none
INTERPOLATED = re.compile(r"\$\{([A-Z_]+):-([^}]*)\}")
ROW = re.compile(r"^\| `([A-Z_]+)` \| (?:`(.*)`)? *\| (.+) \|$", re.MULTILINE)


def names():
    return {name.upper() for name in settings.Settings.model_fields} | EXPLAINED_TOO.keys()


def compose_defaults():
    """Variables of docker-compose.yml that are no settings of the service, with their defaults."""
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    return {name: default for name, default in INTERPOLATED.findall(text) if name not in names()}


def example(tmp_path):
    """.env.example as it is read once a person has taken the # away from every setting."""
    lines = EXAMPLE.findall((ROOT / ".env.example").read_text(encoding="utf-8"))
    uncommented = tmp_path / ".env"
    uncommented.write_text("\n".join(lines), encoding="utf-8")
    return dotenv.read(uncommented)


def table(readme):
    return {
        name: default
        for name, default, _ in ROW.findall((ROOT / readme).read_text(encoding="utf-8"))
    }


def test_the_example_shows_every_setting_with_its_default(tmp_path):
    shown = example(tmp_path)
    assert shown.keys() == names() | compose_defaults().keys()
    assert settings.load(shown | ENOUGH) == settings.load(ENOUGH)
    empty = {name for name in names() if not shown[name]}
    assert empty == {name for name in names() if not has_default(name)}


def test_the_example_shows_composes_own_defaults(tmp_path):
    shown = example(tmp_path)
    no_file = {"/dev/null": ""}
    expected = {name: no_file.get(value, value) for name, value in compose_defaults().items()}
    assert {name: shown[name] for name in expected} == expected


def test_compose_hands_every_setting_over():
    service = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"][
        "service"
    ]
    handed = {entry.partition("=")[0] for entry in service["environment"]}
    assert names() <= handed


def has_default(name):
    if name in EXPLAINED_TOO:
        return False
    default = settings.Settings.model_fields[name.lower()].default
    assert default is not PydanticUndefined
    return str(default) not in ("", "None", "()")


def test_each_setting_of_the_example_is_explained():
    blocks = (ROOT / ".env.example").read_text(encoding="utf-8").split("\n\n")
    settings_shown = [block for block in blocks if EXAMPLE.search(block)]
    for block in settings_shown:
        *explanation, setting = block.strip().splitlines()
        assert EXAMPLE.match(setting), block
        assert explanation, f"{setting} is not explained"
        assert all(line.startswith("# ") for line in explanation), block


@pytest.mark.parametrize("readme", ["README.md", "README.ko.md"])
def test_a_readme_has_the_settings_of_the_example(tmp_path, readme):
    assert table(readme) == example(tmp_path)


def test_the_launcher_knows_the_same_ports():
    loaded = settings.load(ENOUGH)
    assert {"PORT": loaded.port, "METRICS_PORT": loaded.metrics_port} == environment.DEFAULT_PORTS
