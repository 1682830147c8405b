"""`make chain`: one turn of a chain at a terminal, and what it says of the chain."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.chains.conftest import CHAINS, calls, says
from tests.support.launcher import Checkout
from tests.support.model_server import DONE, fin, stream, text
from tests.support.service import ROOT, TIKTOKEN_CACHE, tree_with
from tests.support.upstream import cut

UNUSABLE = """
from langchain_core.prompts import ChatPromptTemplate
CHAINS = {"chat": lambda model: ChatPromptTemplate.from_template("{nope}") | model}
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    return tree_with(CHAINS, tmp_path_factory.mktemp("trial"))


def tried(tree: Path, server, **variables: str) -> "subprocess.CompletedProcess[str]":
    environment = {
        "PATH": "/usr/bin:/bin",
        "TIKTOKEN_CACHE_DIR": str(TIKTOKEN_CACHE),
        "OPENAI_BASE_URL": server.base_url,
        "OPENAI_API_KEY": "sk-test-0123456789",
        "LLM_MODEL": "gpt-4o-mini",
    }
    return subprocess.run(
        [sys.executable, "-m", "service.trial"],
        cwd=tree,
        env=environment | variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_steps_tools_calls_tokens_and_cost_are_printed(tree, server):
    server.says(calls("add", {"a": 1, "b": 2}), says("it is| 3", 8, 3))
    done = tried(tree, server, CHAIN="agent", QUESTION="what is 1 + 2?")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "question  what is 1 + 2?" in done.stdout
    assert "data      tool: {'tool': 'add', 'state': 'started'}" in done.stdout
    assert "answer    it is 3\nend       stop, by gpt-4o-mini" in done.stdout
    assert "answer    \n" not in done.stdout
    assert "step      add: " in done.stdout
    assert done.stdout.count("call      gpt-4o-mini: ok") == 2
    assert "10 + 5 tokens (reported), $0.0000045" in done.stdout
    assert "cost      $0.0000075" in done.stdout
    # what it warns of
    assert "ChatOpenAI(gpt-4o)" in done.stdout
    assert "with_retry" in done.stdout


def test_what_computes_on_the_loop_is_named(tree, server):
    server.says(says("Hello"))
    done = tried(tree, server, CHAIN="computing")
    assert done.returncode == 0
    assert "off_loop" in done.stdout


def test_a_bug_is_shown_with_its_line(tree, server):
    done = tried(tree, server, CHAIN="broken_json")
    assert done.returncode == 1
    assert "failed    internal (500): " in done.stdout
    assert "service/llm/chain.py" in done.stdout
    assert "JSONDecodeError" in done.stdout


def test_a_model_that_is_cut_begins_again(tree, server):
    server.says(stream(text("it"), text(" was"), cut, end=False), says("whole"))
    done = tried(tree, server, CHAIN="plain")
    assert "restart   " in done.stdout
    assert "answer    whole\n" in done.stdout
    server.says(stream(text("Hi"), fin("stop"), DONE))


def test_an_unknown_chain_is_answered_with_those_there_are(tree, server):
    done = tried(tree, server, CHAIN="poetry")
    assert done.returncode == 1
    assert "no chain 'poetry'; the chains are: plain, input, parsed" in done.stdout


def test_a_chain_that_cannot_work_is_one_sentence(tmp_path, server):
    done = tried(tree_with(UNUSABLE, tmp_path), server)
    assert done.returncode == 3
    assert "service/llm/chain.py:3: the prompt needs {nope}" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_without_a_key_the_simulator_answers(tmp_path):
    checkout = Checkout(tmp_path)
    (checkout.folder / "tests").symlink_to(ROOT / "tests")
    done = checkout.run("deploy.local.chain", QUESTION="hi")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "your chain gets a simulated model" in done.stdout
    assert "call      gpt-4o-mini: ok" in done.stdout
    assert "WARNING" not in done.stdout
