"""What repeats the settings says the same, and docker-compose.yml uses them."""

import re

import pytest
import yaml

from deploy.local import dotenv
from service import settings
from tests.support.service import ROOT
from tests.tools import settings_data, settings_files

# What stops load() from refusing an environment that has nothing but the setting in question.
ENOUGH = {"OPENAI_API_KEY": "sk-test"}
COMPOSE = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
# of the container's start, which tells the service where the local model is
CONTAINERS_OWN = {"LOCAL_LLM_URL"}


def test_a_setting_that_compose_sets_itself_is_not_handed_over_twice():
    changed = COMPOSE.replace("      - PORT=8000\n", "      - PORT=8000\n      - LLM_MODEL=ours\n")
    entries = yaml.safe_load(settings_files.compose(changed))["services"]["service"]["environment"]
    assert [entry for entry in entries if entry.startswith("LLM_MODEL")] == [
        "LLM_MODEL=ours",
        "LLM_MODELS",
    ]


def test_a_lost_mark_is_an_error():
    with pytest.raises(SystemExit, match=r"docker-compose\.yml"):
        settings_files.compose(COMPOSE.replace("# end of these lines", ""))


def test_the_examples_values_are_the_defaults(tmp_path):
    """As it is read once a person has uncommented every setting."""
    lines = re.findall(r"^#([A-Z_]+=.*)$", settings_files.example(), re.MULTILINE)
    (tmp_path / ".env").write_text("\n".join(lines), encoding="utf-8")
    shown = dotenv.read(tmp_path / ".env")
    assert shown.keys() == settings.NAMES
    assert settings.load(shown | ENOUGH) == settings.load(ENOUGH)


def test_compose_reads_no_variable_that_is_not_a_setting():
    service = yaml.safe_load(COMPOSE)["services"]["service"]
    handed_over = {entry.partition("=")[0] for entry in service["environment"]}
    interpolated = set(re.findall(r"\$\{(\w+)", COMPOSE))
    assert (handed_over | interpolated) - settings.NAMES == CONTAINERS_OWN


def test_compose_reads_every_setting_that_only_it_can_read():
    interpolated = set(re.findall(r"\$\{(\w+)", COMPOSE))
    only_composes = {each.name for each in settings_data.settings() if not each.for_service}
    assert only_composes <= interpolated


@pytest.mark.parametrize("page", settings_files.PAGES)
def test_the_page_names_the_files_that_compose_mounts(page):
    mounted = set(re.findall(r"- (\w+_FILE)=/run/secrets/", COMPOSE))
    introduction = (ROOT / page).read_text(encoding="utf-8").partition("\n## ")[0]
    assert set(re.findall(r"`(\w+_API_KEY_FILE)`", introduction)) == mounted


def test_no_two_groups_have_a_setting_of_the_same_name():
    names = [each.name for each in settings_data.settings()]
    assert len(names) == len(set(names))
