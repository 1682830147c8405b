"""The settings, .env.example and both READMEs tell the same names and defaults."""

import re

import pytest
from pydantic_core import PydanticUndefined

from deploy import dotenv, environment
from service import settings
from tests.support.service import ROOT

# What stops load() from refusing an environment that has nothing but the setting in question.
ENOUGH = {"OPENAI_API_KEY": "sk-test"}
EXPLAINED_TOO = {"OPENAI_API_KEY_FILE": ""}
EXAMPLE = re.compile(r"^#([A-Z_]+=.*)$", re.MULTILINE)
ROW = re.compile(r"^\| `([A-Z_]+)` \| (?:`(.*)`)? *\| (.+) \|$", re.MULTILINE)


def names():
    return {name.upper() for name in settings.Settings.model_fields} | EXPLAINED_TOO.keys()


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
    assert shown.keys() == names()
    assert settings.load(shown | ENOUGH) == settings.load(ENOUGH)
    empty = {name for name, value in shown.items() if not value}
    assert empty == {name for name in names() if not has_default(name)}


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
