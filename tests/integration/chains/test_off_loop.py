"""What computes or waits in a step: whose loop it keeps, who is told, and what off_loop and on_asyncio do about it."""

import concurrent.futures
import time
from collections.abc import Iterator

import pytest

from tests.integration.chains.conftest import SETTINGS, ask, says
from tests.support.model_server import ModelServer
from tests.support.service import Service

CHAIN = """
import asyncio
import threading
import time

from langchain.agents import create_agent
from langchain_core.callbacks import dispatch_custom_event
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda

from service.llm.steps import off_loop, on_asyncio


def compute(asked):
    until = time.monotonic() + 1
    while time.monotonic() < until:
        pass
    return "computed"


@off_loop
def computed_off(asked):
    return compute(asked)


@off_loop
def failing_off(asked):
    raise ConnectionError("secret-text")


@on_asyncio
async def waits(asked):
    await asyncio.sleep(0.2)
    return threading.get_ident()


@on_asyncio
async def fails(asked):
    await asyncio.sleep(0)
    raise ConnectionError("secret-text")


ARRIVED = []


def runs_a_loop(asked):
    # returns once three are there

    async def wait():
        ARRIVED.append(1)
        while len(ARRIVED) < 3:
            await asyncio.sleep(0.01)
        return "together"

    return asyncio.run(wait())


def events_of_an_agent(model):
    agent = create_agent(model, [])

    @on_asyncio
    async def go(asked):
        events = agent.astream_events({"messages": asked["question"]}, version="v2")
        chunks = [e["data"]["chunk"] async for e in events if e["event"] == "on_chat_model_stream"]
        return "".join(chunk.text for chunk in chunks)

    return go


def events_of_a_chain(model):
    chain = ChatPromptTemplate.from_template("{question}") | model | StrOutputParser()

    @on_asyncio
    async def go(asked):
        events = chain.astream_events(asked, version="v2")
        return "".join([e["data"]["chunk"] async for e in events if e["event"] == "on_parser_stream"])

    return go


def asking(model):
    @on_asyncio
    async def ask(asked):
        return (await model.ainvoke(asked["question"])).text

    return ask


@off_loop
def tells(asked):
    for count in range(300):
        dispatch_custom_event("count", count)
    return "told"


def asking_off(model):
    return RunnableLambda(off_loop(lambda asked: model.invoke(asked["question"]).text))


CHAINS = {
    "telling": lambda model: RunnableLambda(tells),
    "asking_off": asking_off,
    "computing": lambda model: RunnableLambda(compute),
    "computing_off": lambda model: RunnableLambda(computed_off),
    "failing_off": lambda model: RunnableLambda(failing_off),
    "waiting": lambda model: RunnableLambda(lambda asked: str(waits(asked))),
    "failing": lambda model: RunnableLambda(fails),
    "running": lambda model: RunnableLambda(runs_a_loop),
    "events_of_an_agent": lambda model: RunnableLambda(events_of_an_agent(model)),
    "events_of_a_chain": lambda model: RunnableLambda(events_of_a_chain(model)),
    "asking": lambda model: RunnableLambda(asking(model)),
}

"""


@pytest.fixture(scope="module")
def service(_server: ModelServer) -> Iterator[Service]:
    with Service(_server.base_url, chain=CHAIN, **SETTINGS) as running:
        yield running


def blocked(service: Service) -> list[dict]:
    """By our steps: where the machine is busy, other code may be late, too."""
    lines = [line for line in service.events() if line["event"] == "loop_blocked"]
    return [line for line in lines if "chain.py" in line["place"]]


def wait_until(true, seconds=10):
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)


def late(service: Service) -> float:
    count = service.metric("chat_loop_lag_seconds_count")
    return count - service.metric("chat_loop_lag_seconds_bucket", le="0.5")


def test_a_step_that_computes_on_the_loop_is_named_once_with_its_stack(service):
    before = late(service)
    for _ in range(2):
        assert ask(service, "/chat", "computing").text == "computed"
    wait_until(lambda: blocked(service))
    (line,) = blocked(service)
    assert line["place"].endswith(" compute")
    assert line["seconds"] >= 0.2
    assert any("chain.py" in place and "compute" in place for place in line["stack"])
    assert "off_loop" in line["effect"]
    wait_until(lambda: late(service) - before >= 2)


def test_computing_off_the_loop_keeps_nobody(service):
    before = len(blocked(service))
    with concurrent.futures.ThreadPoolExecutor(4) as crowd:
        answers = list(crowd.map(lambda _: ask(service, "/chat", "computing_off"), range(4)))
    assert [answer.text for answer in answers] == ["computed"] * 4
    assert len(blocked(service)) == before


def test_events_come_out_of_a_real_thread(service, route):
    """More than the mailbox holds: the thread waits for its reader as greenlets do."""
    seen = len(service.lines)
    answer = ask(service, route, "telling")
    assert (answer.text, answer.data) == ("told", {"count": 299})
    if route == "/chat/stream":
        assert answer.names.count("data") == 300
    assert all(line.startswith("{") for line in service.lines[seen:])


def test_a_model_in_a_real_thread_is_refused_and_breaks_no_connection(service, server, route):
    answer = ask(service, route, "asking_off")
    assert (answer.status, answer.code, server.bodies) == (500, "internal", [])
    assert "off_loop" in service.turn(answer.request_id)["cause"]
    assert ask(service, route, "asking").text == "Hello"


def test_others_are_answered_while_one_computes_off_the_loop(service, server):
    """By what happens before what, since machines that run tests are busy."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        computing = pool.submit(ask, service, "/chat", "computing_off")
        service.until("chat_turns_in_flight", 1)
        answers = [ask(service, "/chat/stream", "asking").text for _ in range(5)]
        assert not computing.done()
        assert computing.result().text == "computed"
    assert answers == ["Hello"] * 5


def test_many_async_steps_share_one_loop(service):
    with concurrent.futures.ThreadPoolExecutor(8) as crowd:
        answers = list(crowd.map(lambda _: ask(service, "/chat/stream", "waiting"), range(8)))
    assert len({answer.text for answer in answers}) == 1
    assert all(answer.code is None for answer in answers)


@pytest.mark.parametrize("chain", ["failing", "failing_off"])
def test_what_fails_elsewhere_fails_here(service, route, chain):
    answer = ask(service, route, chain)
    assert (answer.status, answer.code) == (502, "dependency_failed")
    assert not any("secret-text" in line for line in service.lines)


def test_a_model_asked_on_asyncio_is_guarded_and_billed(service, server, route):
    server.says(says("Hello| you"))
    answer = ask(service, route, "asking")
    assert (answer.text, answer.usage) == ("Hello you", (7, 2, "reported"))


def test_callers_who_run_loops_at_once_are_all_answered(service, server, route):
    # so that the worker's own loop runs, too
    assert ask(service, route, "waiting").code is None
    with concurrent.futures.ThreadPoolExecutor(3) as callers:
        asked = [callers.submit(ask, service, route, "running") for _ in range(3)]
        assert [one.result().text for one in asked] == ["together"] * 3


@pytest.mark.parametrize("chain", ["events_of_an_agent", "events_of_a_chain"])
def test_events_on_asyncio(service, server, route, chain):
    server.says(says("Hello| you"))
    answer = ask(service, route, chain)
    assert (answer.code, answer.text) == (None, "Hello you")
