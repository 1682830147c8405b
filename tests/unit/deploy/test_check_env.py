"""deploy/check-env.sh: what compose would ignore in silence."""

import re
import shutil
import subprocess

import pytest

from tests.support.service import ROOT

OWN = "it is misspelt, or your chain's own, which docker-compose.override.yml has to hand on."


@pytest.fixture
def warnings(tmp_path):
    (tmp_path / "deploy").mkdir()
    shutil.copy(ROOT / "deploy/check-env.sh", tmp_path / "deploy")
    shutil.copy(ROOT / "docker-compose.yml", tmp_path)

    def warnings(dotenv=None):
        if dotenv is not None:
            (tmp_path / ".env").write_text(dotenv)
        command = ["sh", str(tmp_path / "deploy/check-env.sh")]
        return subprocess.run(command, capture_output=True, text=True, check=True).stderr

    return warnings


def test_names_that_compose_does_not_hand_on_are_named(warnings):
    assert warnings("OPENAI_APIKEY=sk-secret\nexport TAVILY_API_KEY = 'x'\n") == (
        f"warning: .env: OPENAI_APIKEY reaches no container: {OWN}\n"
        f"warning: .env: TAVILY_API_KEY reaches no container: {OWN}\n"
    )


def test_a_file_that_is_not_mounted_is_named(warnings):
    assert warnings("ANTHROPIC_API_KEY_FILE=secrets/key\n") == (
        "warning: .env: ANTHROPIC_API_KEY_FILE reaches no container: no such file is mounted."
        " Set ANTHROPIC_API_KEY instead.\n"
    )


def test_what_compose_hands_on_is_fine(warnings):
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    everything = re.sub(r"^#(?=[A-Z_]+=)", "", example, flags=re.MULTILINE)
    assert "\nOPENAI_API_KEY=" in everything
    told = warnings(f"{everything}COMPOSE_PROFILES=tls\n# COMMENT=1\n")
    assert [line for line in told.splitlines() if "no such file is mounted" not in line] == []


def test_the_lines_of_a_key_are_no_names(warnings):
    assert warnings('KEY_OF_MINE="-----BEGIN KEY-----\nAbcSecret==\n"\n') == (
        f"warning: .env: KEY_OF_MINE reaches no container: {OWN}\n"
    )


def test_an_override_may_hand_on_what_it_wants(warnings, tmp_path):
    override = tmp_path / "docker-compose.override.yml"
    override.write_text("services: {service: {environment: [TAVILY_API_KEY]}}\n")
    assert warnings("TAVILY_API_KEY=x\n") == ""
    override.write_text("services: {service: {env_file: .env}}\n")
    assert warnings("ANYTHING=x\n") == ""


def test_no_file_is_fine(warnings):
    assert warnings() == ""
