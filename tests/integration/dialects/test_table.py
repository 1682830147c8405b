"""Ten model servers' habits, as docs/models.md shows them: each with default settings, by the simulator's bytes."""

import re
from pathlib import Path

import pytest

from tests.integration.dialects.conftest import streamed, whole
from tests.simulator.dialect_errors import DIALECT_ERRORS, ERRORS
from tests.simulator.dialects import FRAMES
from tests.support.service import Service
from tests.support.simulator import SimulatorProcess

DOCS = Path(__file__).resolve().parents[3] / "docs"
DIALECTS = list(FRAMES)
TOKENS, THOUGHTS = 20, 10
# what a caller is told
CODES = {
    "key": "upstream_rejected",
    "model": "upstream_rejected",
    "quota": "upstream_quota_exhausted",
    "limit": "upstream_rate_limited",
    "context": "upstream_invalid_request",
    "filter": "content_filtered",
    "failed": "upstream_error",
}
# what each server does not take of a question that is asked with default settings
REFUSES = {
    "gpt-5": {"max_tokens", "temperature"},
    "mistral": {"stream_options"},
    "vllm": {"max_tokens"},
}
THINKS_UNSEEN = {"gpt-5"}


@pytest.fixture(scope="module")
def simulator():
    with SimulatorProcess() as running:
        yield running


@pytest.fixture(scope="module", params=["lean", "stock"])
def service(request, simulator):
    models = ",".join(f"sim-{name}" for name in DIALECTS)
    # a failure is held back for three seconds by default: here thinking is to be seen sooner
    settings = {"LLM_MODEL": "sim-openai", "LLM_MODELS": models, "STREAM_HOLD_SECONDS": 0.2}
    with Service(simulator.base_url, LLM_CLIENT=request.param, **settings) as running:
        yield running


@pytest.fixture(params=DIALECTS)
def model(request):
    return f"sim-{request.param}"


@pytest.mark.parametrize("ask", [whole, streamed], ids=["chat", "stream"])
def test_answers(service, model, ask):
    told = ask(service, "hi", model=model)
    assert (told.status, told.code, told.finish_reason) == (200, None, "stop")
    assert len(told.text.split()) == TOKENS
    assert told.attempts == ["ok"]
    assert ask(service, "hi", model=model, max_tokens=5).finish_reason == "length"


def test_thinking(service, model):
    told = streamed(service, "hi [sim think=1]", model=model)
    assert (told.code, told.finish_reason, told.attempts) == (None, "stop", ["ok"])
    assert len(told.text.split()) == TOKENS
    assert bool(told.thoughts) == (model.removeprefix("sim-") not in THINKS_UNSEEN)


@pytest.mark.parametrize("error", ERRORS)
def test_errors(service, model, error):
    told = whole(service, f"{model}, please [sim error={error}]", model=model)
    assert told.code == CODES[error], told.turn["cause"]
    assert set(told.attempts) == {CODES[error]}
    assert error in ("limit", "failed") or len(told.attempts) == 1


def test_usage(service, model):
    told = whole(service, "hi [sim think=1]", model=model)
    assert told.usage["source"] == "reported"
    assert told.usage["output_tokens"] == TOKENS + THOUGHTS


def test_parameters(service, simulator, model):
    before = len(simulator.requests(model))
    assert whole(service, "hi", model=model).attempts == ["ok"]
    # what it does not take has been learned, with the first question at the latest
    asked = len(simulator.requests(model))
    assert whole(service, "hi", model=model).attempts == ["ok"]
    assert len(simulator.requests(model)) == asked + 1
    refused = REFUSES.get(model.removeprefix("sim-"), set())
    assert asked - before in (1, 1 + len(refused))
    adapted = {
        name
        for name in ("temperature", "max_tokens", "max_completion_tokens", "stream_options")
        if service.metric("chat_adapted_parameters_total", model=model, parameter=name)
    }
    assert adapted == refused


@pytest.mark.parametrize("page", ["models.md", "models.ko.md"])
def test_the_page_shows_each_of_them(page):
    text = (DOCS / page).read_text()
    rows = re.findall(r"^\| `sim-([a-z0-9-]+)` \|(.*)\|$", text, re.MULTILINE)
    assert [name for name, _ in rows] == DIALECTS
    assert all(len(cells.split("|")) == 5 for _, cells in rows)
    assert all(all(cell.strip() for cell in cells.split("|")) for _, cells in rows)
    refusing = {name for name, cells in rows if "`" in cells.split("|")[4]}
    assert refusing == set(REFUSES)
    assert all(f"`{error}`" in text for error in ERRORS)
    assert set(DIALECT_ERRORS) == set(DIALECTS)
