"""50 callers at once at an agent with two tools, one async, one of 0.5 s: answers, tools, and the bill to the token."""

import concurrent.futures
import json
import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.integration.chains.conftest import ANSWERED, ASKED, SETTINGS, ask, says
from tests.support.model_server import DONE, ModelServer, choice, fin, refuses, stream, usage
from tests.support.service import Service

CHAIN = '''
import asyncio
import time

from langchain.agents import create_agent
from langchain_core.tools import tool

from service.llm.steps import on_asyncio


@tool
async def search(about: str) -> str:
    """Search, on an event loop."""
    await asyncio.sleep(0.1)
    return f"found {about}"


@tool
def book(about: str) -> str:
    """Book a room: it takes 0.5 s, and may not happen twice."""
    time.sleep(0.5)
    return f"booked {about}"


CHAINS = {"agent": lambda model: create_agent(model, [on_asyncio(search), book])}
'''
CALLERS = 50
DOWN = refuses(500, {"error": {"message": "no"}})
FIRST, SECOND = (10, 5), (20, 3)


def both_tools(about):
    calls = [
        {
            "index": place,
            "id": f"call-{place}",
            "type": "function",
            "function": {"name": name, "arguments": json.dumps({"about": about})},
        }
        for place, name in enumerate(("search", "book"))
    ]
    counts = usage(prompt_tokens=FIRST[0], completion_tokens=FIRST[1])
    return stream(choice({"tool_calls": calls}), fin("tool_calls"), counts, DONE)


class Model:
    """failing: whether this attempt fails, by caller, call and attempt. answered: what was paid for, by call.

    seconds: it takes to answer, and none to fail.
    """

    def __init__(self, failing, seconds=0.0):
        self._seconds = seconds
        self.answered = Counter()
        self.failed = 0
        self._failing = failing
        self._attempts = Counter()
        self._lock = threading.Lock()

    def __call__(self, body):
        caller = next(m["content"] for m in body["messages"] if m["role"] == "user")
        results = [m["content"] for m in body["messages"] if m["role"] == "tool"]
        call = 1 if results else 0
        with self._lock:
            attempt = self._attempts[caller, call]
            self._attempts[caller, call] += 1
            if self._failing(int(caller), call, attempt):
                self.failed += 1
                return DOWN
            self.answered[call] += 1
        if not call:
            return [self._seconds, *both_tools(caller)]
        assert sorted(results) == [f"booked {caller}", f"found {caller}"]
        return [self._seconds, *says(f"{caller} is| booked", *SECOND)]


@pytest.fixture(scope="module")
def service(_server: ModelServer) -> Iterator[Service]:
    by_default = ("RETRY_BUDGET", "FIRST_TOKEN_TIMEOUT_SECONDS")
    settings = {name: value for name, value in SETTINGS.items() if name not in by_default}
    with Service(_server.base_url, chain=CHAIN, **settings) as running:
        yield running


def crowd(service):
    with concurrent.futures.ThreadPoolExecutor(CALLERS) as callers:
        return list(
            callers.map(
                lambda number: ask(service, "/chat/stream", "agent", str(number)), range(CALLERS)
            )
        )


def assert_bill_is_exact(service, model, spent_before, answers):
    """What the metric, the log and the model server's own record say."""
    asked = model.answered[0] * FIRST[0] + model.answered[1] * SECOND[0]
    answered = model.answered[0] * FIRST[1] + model.answered[1] * SECOND[1]
    paid = asked * ASKED + answered * ANSWERED
    assert spent(service) - spent_before == pytest.approx(paid, abs=1e-12)
    turns = [service.turn(answer.request_id) for answer in answers]
    attempts = [attempt for turn in turns for attempt in turn["attempts"]]
    assert sum(one["input_tokens"] or 0 for one in attempts) == asked
    assert sum(one["output_tokens"] or 0 for one in attempts) == answered
    assert sum(one["cost_usd"] or 0 for one in attempts) == pytest.approx(paid, abs=1e-12)
    assert len(attempts) == model.answered.total() + model.failed


def spent(service):
    return service.metric("chat_cost_usd_total", model="gpt-4o-mini")


def assert_whole(number, answer):
    assert (answer.code, answer.text) == (None, f"{number} is booked")
    assert answer.usage == (FIRST[0] + SECOND[0], FIRST[1] + SECOND[1], "reported")


def assert_tools_ran_once(answer):
    assert sorted(answer.tools) == [
        "book finished", "book started", "search finished", "search started",
    ]  # fmt: skip


def test_a_crowd_is_answered_and_each_tool_runs_once(service, server):
    model = Model(lambda *_: False)
    server.answers_by(model)
    before = spent(service)
    answers = crowd(service)
    for number, answer in enumerate(answers):
        assert_whole(number, answer)
        assert_tools_ran_once(answer)
    assert_bill_is_exact(service, model, before, answers)
    service.until("chat_turns_in_flight", 0)


def fails(caller, call, attempt):
    """Three of ten attempts, and nobody's three."""
    return attempt < 2 and (7 * caller + 3 * call + 5 * attempt) % 10 < 4


def test_a_crowd_with_three_of_ten_model_calls_failing(service, server):
    """At default settings: more retries than the budget holds, which those that are answered give back."""
    model = Model(fails, seconds=1.0)
    server.answers_by(model)
    before = spent(service)
    answers = crowd(service)
    assert 0.25 < model.failed / (model.failed + model.answered.total()) < 0.45
    for number, answer in enumerate(answers):
        assert_whole(number, answer)
        assert_tools_ran_once(answer)
    assert service.metric("chat_retries_denied_total") == 0
    assert_bill_is_exact(service, model, before, answers)
    service.until("chat_turns_in_flight", 0)
