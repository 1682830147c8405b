"""What is generated is up to date, and a change by hand does not survive."""

import shutil

import pytest

from service import errors
from tests.support.service import ROOT
from tests.tools import contract_tables, contract_texts, generated_files, settings_files

DASHBOARD = "monitoring/grafana/dashboards/service.json"


@pytest.fixture
def copy(tmp_path):
    """Of every file that is generated, or partly so."""
    shutil.copytree(ROOT / "monitoring/grafana", tmp_path / "monitoring/grafana")
    shutil.copytree(ROOT / "nginx/snippets", tmp_path / "nginx/snippets")
    pages = [*settings_files.PAGES, *contract_tables.PAGES]
    for name in [*pages, settings_files.EXAMPLE, *settings_files.STACKS, settings_files.CLUSTER]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def change(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_every_generated_file_is_up_to_date():
    assert list(generated_files.outdated(ROOT)) == [], "run make fix"


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
        ("docs/contract.md", "| `overloaded` | 503 |", "| `overloaded` | 500 |"),
        ("docs/contract.md", "| `drained` |", "| `draind` |"),
        ("docs/contract.ko.md", "| `chat_workers` |", "| `chat_worker` |"),
        ("nginx/snippets/page-headers.conf", "default-src 'none'; ", ""),
        ("nginx/snippets/cors.conf", '"GET, POST, OPTIONS"', '"GET"'),
        (DASHBOARD, '"Failures by cause"', '"Failures"'),
    ],
)
def test_a_change_by_hand_is_noticed_and_undone(copy, name, old, new):
    before = (copy / name).read_text(encoding="utf-8")
    change(copy / name, old, new)
    assert generated_files.outdated(copy) == {name: before}


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("docker-compose.yml", "stop_signal: SIGQUIT", "stop_signal: SIGTERM  # ours"),
        ("docs/contract.md", "# The contract", "# Our contract"),
    ],
)
def test_what_is_written_by_hand_stays(copy, name, old, new):
    change(copy / name, old, new)
    assert generated_files.outdated(copy) == {}


def test_a_file_that_is_gone_is_written_again(copy):
    (copy / "docs/settings.md").unlink()
    assert list(generated_files.outdated(copy)) == ["docs/settings.md"]


def test_a_lost_mark_is_an_error(copy):
    change(copy / "docs/contract.md", "<!-- make fix writes: errors -->", "")
    with pytest.raises(SystemExit, match="make fix writes"):
        generated_files.outdated(copy)


def test_an_error_without_a_sentence_is_an_error(monkeypatch):
    fewer = dict(contract_texts.ERRORS)
    del fewer[errors.Overloaded.code]
    monkeypatch.setattr(contract_tables, "ERRORS", fewer)
    with pytest.raises(SystemExit, match=r"contract_texts\.py lacks.*overloaded"):
        contract_tables.expected(ROOT)
