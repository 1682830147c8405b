"""A process of the nursery is what a new Python would be, except that the libraries are loaded already."""

import os
import signal
import subprocess
import sys

import pytest

from tests.support.nursery import Nursery

MODULES = {
    "telling": """
import os, signal, sys, threading
print(os.environ, os.getcwd(), sys.argv, sys.path, threading.active_count())
print([name for name in sys.modules if name.split(".")[0] in ("service", "tests")])
print(signal.getsignal(signal.SIGINT), file=sys.stderr)
""",
    "loaded": "import sys; print('langchain_openai' in sys.modules)",
    "ending": "import sys; sys.exit(int(sys.argv[1]))",
    "failing": "raise ValueError('as it is')",
    "waiting": "import time; print('waits', flush=True); time.sleep(60)",
}
ENVIRONMENT = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "LLM_MODEL": "모델"}


@pytest.fixture(scope="module")
def nursery():
    with Nursery() as nursery:
        yield nursery


@pytest.fixture
def start(nursery, tmp_path):
    for name, text in MODULES.items():
        (tmp_path / f"{name}.py").write_text(text)
    return lambda *module: nursery.start(list(module), tmp_path, ENVIRONMENT)


def ended(process):
    """What it said, and its exit code."""
    with process.stdout as output:
        return output.read(), process.wait(30)


def test_it_finds_what_a_new_python_finds(start, tmp_path):
    new = subprocess.run(
        [sys.executable, "-m", "telling", "one"],
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    said, code = ended(start("telling", "one"))
    assert sorted(said.splitlines()) == sorted(new.stdout.splitlines())
    assert code == 0


def test_the_libraries_are_loaded(start):
    assert ended(start("loaded")) == ("True\n", 0)


def test_its_exit_code_arrives(start):
    assert ended(start("ending", "3")) == ("", 3)


def test_a_failure_is_written_and_is_an_exit_code(start):
    said, code = ended(start("failing"))
    assert "ValueError: as it is" in said
    assert code == 1


def test_a_signal_ends_one_and_none_of_the_others(start):
    one, other = start("waiting"), start("waiting")
    assert [process.stdout.readline() for process in (one, other)] == ["waits\n"] * 2
    with pytest.raises(subprocess.TimeoutExpired):
        one.wait(0.1)
    one.send_signal(signal.SIGKILL)
    assert ended(one) == ("", -signal.SIGKILL)
    assert other.poll() is None
    other.send_signal(signal.SIGTERM)
    assert ended(other) == ("", -signal.SIGTERM)
