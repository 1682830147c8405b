"""What a chain that cannot be used, or that does less than it seems to, is told when the service starts."""

import pytest

from tests.support.service import Service

PROMPT = "from langchain_core.prompts import ChatPromptTemplate as P\n"
ASK = f"{PROMPT}ASK = P.from_template('{{question}}')\n"
GRAPH = """
from langgraph.graph import START, MessagesState, StateGraph

def build(model):
    graph = StateGraph(MessagesState)
    graph.add_node("say", lambda state: {"messages": [model.invoke(state["messages"])]})
    graph.add_edge(START, "say")
    return graph.compile(SAVER)CONFIG
"""
# tests/unit/llm/test_unusable_chains.py has the others
UNUSABLE = {
    "def x(:\n": "service/llm/chain.py:1: SyntaxError",
    f"{PROMPT}CHAINS = {{'chat': lambda m: P.from_template('{{nope}}') | m}}\n": (
        "service/llm/chain.py:2: the prompt needs {nope}"
    ),
}


def refusals(service: Service) -> list[str]:
    return [line["why"] for line in service.events() if line["event"] == "cannot_start"]


@pytest.mark.parametrize("chain", UNUSABLE)
def test_an_unusable_chain_is_one_sentence_and_nothing_is_tried_again(chain):
    service = Service("http://127.0.0.1:9/v1", chain=chain)
    try:
        assert service.wait(60) == 3
        (why,) = refusals(service)
        assert why.startswith(UNUSABLE[chain])
        assert not any("Traceback" in line for line in service.lines)
    finally:
        service.stop()


def test_many_workers_that_cannot_start_leave_no_stack_trace():
    service = Service("http://127.0.0.1:9/v1", chain="def x(:\n", WEB_CONCURRENCY=4)
    try:
        assert service.wait(60) == 3
        assert len(set(refusals(service))) == 1
        assert not any("Traceback" in line for line in service.lines)
    finally:
        service.stop()


def test_a_key_in_the_sentence_is_redacted():
    chain = "raise ValueError('wrong key sk-proj-0123456789abcdef')\n"
    service = Service("http://127.0.0.1:9/v1", chain=chain)
    try:
        assert service.wait(60) == 3
        assert "[redacted]" in refusals(service)[0]
        assert not any("0123456789abcdef" in line for line in service.lines)
    finally:
        service.stop()


def test_a_provider_that_is_not_installed_is_one_sentence():
    service = Service("http://127.0.0.1:9/v1", LLM_MODEL="groq:llama", chain=f"{ASK}")
    try:
        assert service.wait(60) == 3
        (why,) = refusals(service)
        assert "langchain-groq" in why
    finally:
        service.stop()


SLOW = f"""{ASK}
import time
def build(model):
    until = time.monotonic() + 6
    while time.monotonic() < until:
        pass
    return ASK | model
CHAINS = {{"chat": build}}
"""


def test_a_builder_that_takes_longer_than_a_worker_may_be_silent():
    with Service("http://127.0.0.1:9/v1", chain=SLOW, GUNICORN_CMD_ARGS="--timeout 3") as service:
        assert service.metric("chat_worker_exits_total") == 0
        assert not any("WORKER TIMEOUT" in line for line in service.lines)


NOTICED = f"""{ASK}
from langchain_core.caches import InMemoryCache
from langchain_core.chat_history import InMemoryChatMessageHistory
from langchain_core.globals import set_llm_cache
from langchain_core.runnables import RunnableBranch, RunnableLambda
from langchain_core.runnables.history import RunnableWithMessageHistory
from langgraph.checkpoint.memory import InMemorySaver
{GRAPH.replace("SAVER", "InMemorySaver()").replace("CONFIG", "")}
set_llm_cache(InMemoryCache())
def pieces(asked):
    yield asked
KEPT = {{}}
CHAINS = {{
    "clean": lambda model: ASK | model,
    "talk": lambda model: P.from_messages(
        [("placeholder", "{{chat_history}}"), ("human", "{{question}}")]
    ) | model,
    "model": lambda model: ASK | model.with_retry(),
    "step": lambda model: RunnableLambda(pieces).with_retry() | ASK | model,
    "repeated": lambda model: RunnableLambda(lambda asked: asked).with_retry() | ASK | model,
    "nested": lambda model: (
        RunnableLambda(lambda asked: asked).with_retry().with_fallbacks([RunnableLambda(dict)])
        | RunnableBranch(
            (RunnableLambda(lambda asked: True).with_retry(), ASK | model), ASK | model
        )
    ),
    "before": lambda model: RunnableLambda(lambda asked: asked).with_retry() | build(model),
    "calling": lambda model: RunnableLambda(lambda asked: model.invoke("hi")).with_retry(),
    "fallback": lambda model: ASK | model.with_fallbacks([model.bind(model="x")]),
    "graph": build,
    "history": lambda model: RunnableWithMessageHistory(
        ASK | model,
        lambda session: KEPT.setdefault(session, InMemoryChatMessageHistory()),
        input_messages_key="question",
    ),
}}
"""


def test_what_does_less_than_it_seems_to_is_said_once():
    settings = {"LANGSMITH_TRACING": "true", "LANGCHAIN_API_KEY": "ls-0123456789"}
    with Service("http://127.0.0.1:9/v1", chain=NOTICED, **settings) as service:
        service.event("chain_notice", "set_llm_cache")
        said = [line for line in service.events() if line["event"] == "chain_notice"]
        assert [(line["chain"], line["what"]) for line in said] == [
            ("talk", "{chat_history}"),
            ("model", "with_retry"),
            ("step", "with_retry"),
            ("before", "InMemorySaver"),
            ("calling", "with_retry"),
            ("fallback", "with_fallbacks"),
            ("graph", "InMemorySaver"),
            ("history", "InMemoryChatMessageHistory"),
            ("*", "set_llm_cache"),
        ]
        ignored = service.event("variables_ignored")
        assert sorted(ignored["variables"]) == ["LANGCHAIN_API_KEY", "LANGSMITH_TRACING"]
