"""The rooms of the service know each other only as the import contracts say, and the contracts notice."""

import ast
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.service import ROOT

# forbidden although nobody uses them: the parts of LangChain's and OpenAI's packages that would be reached for
NEVER_IMPORTED = {"httpx"}
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
        ("errors/base.py", "import service.chat.turn"),
        ("chat/turn.py", "import langchain_core"),
        ("app.py", "import openai"),
        ("web/chat.py", "import tiktoken"),
        ("llm/chain.py", "import tenacity"),
        ("app.py", "import pybreaker"),
        ("web/chat.py", "import prometheus_client"),
        ("web/chat.py", "import sqlalchemy"),
        ("access/access.py", "import service.llm.prices"),
        ("chat/turn.py", "import structlog"),
        ("chat/turn.py", "import flask"),
        ("telemetry/metrics.py", "import werkzeug"),
        ("app.py", "import geventhttpclient"),
        ("app.py", "import genai_prices"),
        ("chat/turn.py", "import gevent"),
        ("web/stream.py", "import gunicorn"),
        ("web/chat.py", "import orjson"),
        ("chat/turn.py", "import pydantic"),
        ("app.py", "import redis"),
        ("web/error_body.py", "import flask"),
        ("web/error_body.py", "import service.chat.events"),
        ("web/error_body.py", "import service.web.context"),
    ],
)
def test_a_forbidden_import_is_noticed(lint_imports, file, line):
    done = lint_imports(file, line)
    assert done.returncode != 0
    assert "BROKEN" in done.stdout


def test_a_module_outside_the_layers_is_noticed(lint_imports, tmp_path):
    (tmp_path / "service/utils.py").touch()
    done = lint_imports()
    assert done.returncode != 0
    assert "utils" in done.stdout


def test_every_library_has_an_owner():
    assert _libraries(ROOT / "service") == _owned()


def test_a_library_without_an_owner_is_noticed(tmp_path):
    (tmp_path / "late.py").write_text("def load():\n    from yaml.nodes import Node\n")
    assert _libraries(tmp_path) - _owned() == {"yaml"}


def _owned() -> set[str]:
    """Libraries that a contract forbids everywhere but at their owners."""
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    return {
        library
        for contract in linter["contracts"]
        if contract.get("source_modules") == ["service"]
        for library in contract["forbidden_modules"]
        if library not in NEVER_IMPORTED
    }


def _libraries(folder: Path) -> set[str]:
    """What is imported below the folder and comes neither from Python nor from the service."""
    files = [*folder.rglob("*.py")]
    names = {name.partition(".")[0] for file in files for name in _imported(file)}
    return names - sys.stdlib_module_names - {"service"}


def _imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module, "imports are absolute"
            yield node.module
