"""What repeats the settings says the same, and docker-compose.yml uses them."""

import re
import shutil

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


@pytest.fixture
def copy(tmp_path):
    """Of every file that is written from the settings."""
    (tmp_path / "docs").mkdir()
    for name in [*settings_files.PAGES, settings_files.EXAMPLE, settings_files.COMPOSE]:
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def change(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_every_file_that_is_written_from_the_settings_is_up_to_date():
    assert list(settings_files.outdated(ROOT)) == [], "run make fix"


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("docs/settings.md", "The service's port.", "The port."),
        ("docs/settings.ko.md", "서비스 포트입니다.", ""),
        (".env.example", "#PORT=8000", "#PORT=8080"),
        ("docker-compose.yml", "      - LLM_MODEL\n", ""),
        ("docker-compose.yml", "      - LLM_MODEL\n", "      - LLM_MODEL\n      - LLM_MODLE\n"),
        ("docker-compose.yml", "${SERVICE_MEMORY:-1g}", "${SERVICE_MEMORY:-2g}"),
        ("docker-compose.yml", "${MAX_BODY_BYTES:-262144}", "${MAX_BODY_BYTES:-1}"),
    ],
)
def test_a_change_by_hand_is_noticed_and_undone(copy, name, old, new):
    before = (copy / name).read_text(encoding="utf-8")
    change(copy / name, old, new)
    assert settings_files.outdated(copy) == {name: before}


def test_a_file_that_is_gone_is_written_again(copy):
    (copy / "docs/settings.md").unlink()
    assert list(settings_files.outdated(copy)) == ["docs/settings.md"]


def test_what_is_written_by_hand_stays(copy):
    change(copy / "docker-compose.yml", "stop_signal: SIGQUIT", "stop_signal: SIGTERM  # ours")
    assert settings_files.outdated(copy) == {}


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
