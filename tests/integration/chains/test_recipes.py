"""docs/your-chain.md: each code block is a whole chain.py, and runs here as it stands in the page."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.chains.conftest import ANSWERED, ASKED, SETTINGS, ask, calls, says
from tests.support.model_server import ModelServer, refuses
from tests.support.provider_wire import anthropic
from tests.support.service import ROOT, Service

PAGE, KOREAN = ROOT / "docs/your-chain.md", ROOT / "docs/your-chain.ko.md"
RECIPE = re.compile(r"^### (\d+)\. .*?```python\n(.*?)```", re.DOTALL | re.MULTILINE)
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
# each in a module of its own, and its chains under its number
CHAIN = """
import types

CHAINS = {{}}
for number, code in {recipes!r}.items():
    module = types.ModuleType("recipe" + number)
    exec(compile(code, "recipe " + number, "exec"), module.__dict__)
    named = getattr(module, "CHAINS", None) or {{"chat": module.build_chain}}
    CHAINS |= {{number + "-" + name: builder for name, builder in named.items()}}
"""
LONG = "Please explain in detail, " * 10


def recipes(page: Path) -> dict[str, str]:
    return dict(RECIPE.findall(page.read_text()))


def embedded(body):
    """An embeddings server's answer: opening hours are one direction, everything else another."""
    asked = body["input"] if isinstance(body["input"], list) else [body["input"]]
    vectors = [[1.0, 0.0] if "open" in text else [0.0, 1.0] for text in asked]
    data = [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(vectors)]
    return refuses(200, {"object": "list", "data": data, "model": "m", "usage": {}})


@pytest.fixture(scope="module")
def service(_server: ModelServer) -> Iterator[Service]:
    _server.answers_by(embedded)
    settings = SETTINGS | {
        "ANTHROPIC_API_KEY": "sk-ant-test",
        "ANTHROPIC_BASE_URL": f"http://{_server.address}",
    }
    chain = CHAIN.format(recipes=recipes(PAGE))
    with Service(_server.base_url, chain=chain, **settings) as running:
        yield running


def test_there_are_ten_and_both_pages_have_the_same():
    assert list(recipes(PAGE)) == [str(number) for number in range(1, 11)]
    assert recipes(PAGE) == recipes(KOREAN)
    assert len(BLOCK.findall(PAGE.read_text())) == 10


def plain(body):
    return says("Hello| you")


def by_embeddings(body):
    return embedded(body) if "input" in body else plain(body)


def agent(body):
    if body["messages"][-1]["role"] == "tool":
        return says("it is| sunny", 8, 3)
    return calls("weather", {"city": "Seoul"})


def rewriting(body):
    return says("better" if "Rewrite" in body["messages"][0]["content"] else "final| answer")


def ticket(body):
    return says('{"topic": "refund",| "urgent": true}')


def claude(body):
    return anthropic.answers("Hello", " you")


# chain: who answers, the question, the answer, calls
RECIPES = {
    "1-chat": (plain, "hi", "Hello you", 1),
    "1-summarize": (plain, "hi", "Hello you", 1),
    "2-chat": (plain, "hi", "Hello you", 1),
    "3-notes": (by_embeddings, "When are you open?", "Hello you", 2),
    "4-remembering": (plain, "hi", "Hello you", 1),
    "5-agent": (agent, "hi", "it is sunny", 2),
    "6-graph": (rewriting, "hi", "final answer", 2),
    "7-ticket": (ticket, "hi", '{"topic":"refund","urgent":true}', 1),
    "8-routed": (plain, "hi", "Hello you", 1),
    "9-prepared": (plain, "hi", "Hello you", 1),
    "10-claude": (claude, "hi", "Hello you", 1),
}


@pytest.mark.parametrize("chain", RECIPES)
def test_a_recipe_works_as_it_stands(service, server, route, chain):
    choose, question, text, made = RECIPES[chain]
    server.answers_by(choose)
    answer = ask(service, route, chain, question, session=f"recipe-{chain}")
    assert (answer.code, answer.text, len(server.bodies)) == (None, text, made)
    line = service.turn(answer.request_id)
    assert line["ending"] == "completed"
    assert answer.end["cost_usd"] == pytest.approx(sum(a["cost_usd"] for a in line["attempts"]))
    assert answer.end["cost_usd"] > 0


def test_every_chain_of_the_page_is_tried(service):
    _, _, body = service.chat("hi", chain="unknown")
    (detail,) = body["error"]["details"]
    assert sorted(re.findall(r"\d+-\w+", detail["reason"])) == sorted(RECIPES)


def test_sources_are_those_that_were_read(service, server, route):
    server.answers_by(by_embeddings)
    answer = ask(service, route, "3-notes", "When are you open?")
    assert answer.data == {"sources": ["hours.md"]}
    assert "from 9 to 18" in server.bodies[-1]["messages"][-1]["content"]


def test_the_chain_that_remembers_does(service, server, route):
    server.answers_by(plain)
    for question in ("one", "two"):
        ask(service, route, "4-remembering", question, session=f"twice{route}".replace("/", "-"))
    said = [message["content"] for message in server.bodies[-1]["messages"][1:]]
    assert said == ["one", "Hello you", "two"]


def test_long_questions_go_to_the_other_model_and_its_price(service, server, route):
    server.answers_by(plain)
    answer = ask(service, route, "8-routed", LONG)
    assert answer.end["model"] == "gpt-4o"
    assert answer.end["cost_usd"] == pytest.approx(7 * 2.5e-6 + 2 * 10e-6)
    down = refuses(500, {"error": {"message": "no"}})
    server.answers_by(lambda body: down if body["model"] == "gpt-4o" else plain(body))
    answer = ask(service, route, "8-routed", LONG)
    assert answer.end["model"] == "gpt-4o-mini"
    assert answer.end["cost_usd"] == pytest.approx(7 * ASKED + 2 * ANSWERED)


def test_progress_is_seen_and_a_closed_archive_is_its_own_fault(service, server, route):
    answer = ask(service, route, "9-prepared")
    assert answer.data == {"progress": {"step": "answering", "percent": 90}}
    assert ask(service, route, "9-prepared", "the archive").code == "dependency_failed"


def test_the_other_provider_is_asked_as_itself(service, server, route):
    server.answers_by(claude)
    answer = ask(service, route, "10-claude")
    assert answer.end["model"] == "claude-sonnet-4-5"
    assert server.requests[-1].path.startswith("/v1/messages")
