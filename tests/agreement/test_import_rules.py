"""The rooms of the service know each other only as the import contracts say, and the contracts notice."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.service import ROOT

LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")


@pytest.fixture
def lint_imports(tmp_path):
    """Runs the linter on a copy of the service, to which a line was added."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "service", tmp_path / "service")

    def run(file=None, line=""):
        if file:
            with (tmp_path / "service" / file).open("a") as source:
                source.write(f"\n{line}\n")
        command = [str(LINT_IMPORTS), "--no-cache"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    return run


def test_the_service_keeps_the_contracts(lint_imports):
    done = lint_imports()
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("chat/turn.py", "import service.web.chat"),
        ("chat/turn.py", "import service.telemetry.metrics"),
        ("llm/chain.py", "import service.telemetry.metrics"),
        ("llm/chain.py", "import service.settings"),
        ("telemetry/metrics.py", "import service.resilience.guard"),
        ("web/chat.py", "import service.app"),
        ("errors.py", "import service.chat.turn"),
        ("chat/turn.py", "import langchain_core"),
        ("app.py", "import openai"),
        ("web/chat.py", "import tiktoken"),
        ("llm/chain.py", "import tenacity"),
        ("app.py", "import pybreaker"),
        ("web/chat.py", "import prometheus_client"),
        ("chat/turn.py", "import structlog"),
        ("chat/turn.py", "import flask"),
        ("telemetry/metrics.py", "import werkzeug"),
    ],
)
def test_a_forbidden_import_is_noticed(lint_imports, file, line):
    done = lint_imports(file, line)
    assert done.returncode != 0
    assert "BROKEN" in done.stdout
