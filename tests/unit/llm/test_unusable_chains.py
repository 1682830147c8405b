"""Chains that cannot be used: one sentence each, with the line to change."""

import sys

import pytest

from service.llm import chains
from service.llm.chain_checks import UnusableChain
from service.llm.guarded import guarded_copy
from service.llm.models import build_model
from service.llm.wire.client import Access

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
ASYNC = """
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langchain.agents import create_agent

async def search(asked):
    return asked

@tool
async def add(a: int, b: int) -> int:
    "Add."
    return a + b

"""
HISTORY = f"""{ASK}
from langchain_core.runnables import ConfigurableFieldSpec
from langchain_core.runnables.history import RunnableWithMessageHistory
KEY = [ConfigurableFieldSpec(id="conversation_id", annotation=str)]
CHAINS = {{
    "chat": lambda model: RunnableWithMessageHistory(
        ASK | model, lambda conversation_id: None, history_factory_config=KEY
    )
}}
"""
ACCESS = Access("http://127.0.0.1:9/v1", "k", 1.0, 1.0, 1)
UNUSABLE = {
    "def x(:\n": "a_chain.py:1: SyntaxError",
    "import nothing_like_this\n": "a_chain.py:1: ModuleNotFoundError",
    "raise SystemExit('bye')\n": "a_chain.py:1: SystemExit: bye",
    "CHAINS = {}\n": "a_chain.py: it has neither CHAINS",
    "CHAINS = {'chat': 5}\n": "a_chain.py: CHAINS has to be names and builders",
    "def build(model):\n    raise KeyError('index')\nCHAINS = {'chat': build}\n": (
        "a_chain.py:2: the chain 'chat': KeyError"
    ),
    "def build(model):\n    exit(5)\nCHAINS = {'chat': build}\n": (
        "a_chain.py:2: the chain 'chat': SystemExit"
    ),
    "def build(model):\n    pass\nCHAINS = {'chat': build}\n": (
        "a_chain.py:1: build returns nothing"
    ),
    f"{PROMPT}CHAINS = {{'chat': lambda m: P.from_template('{{nope}}') | m}}\n": (
        "a_chain.py:2: the prompt needs {nope}"
    ),
    GRAPH.replace("SAVER", "").replace("CONFIG", ".with_config(max_concurrency=1)")
    + "CHAINS = {'chat': build}\n": "a_chain.py:4: a graph with max_concurrency=1",
    f"{ASK}CHAINS = {{'chat': lambda m: ASK}}\n": ("a_chain.py:3: the chain ends with a prompt"),
    f"{ASYNC}CHAINS = {{'chat': lambda m: RunnableLambda(search) | m}}\n": (
        "a_chain.py:6: search has async code alone"
    ),
    f"{ASYNC}CHAINS = {{'chat': lambda m: create_agent(m, [add])}}\n": (
        "a_chain.py:9: the tool add has async code alone"
    ),
    f"{ASYNC}{GRAPH}".replace("SAVER", "")
    .replace("CONFIG", "")
    .replace('lambda state: {"messages": [model.invoke(state["messages"])]}', "search")
    + "CHAINS = {'chat': build}\n": "a_chain.py:6: search has async code alone",
    HISTORY: "a_chain.py:8: the history wants conversation_id",
    HISTORY.replace(
        "history_factory_config=KEY", "input_messages_key='query'"
    ): "a_chain.py:8: the history needs {query}",
    f"{ASYNC}from langchain_core.runnables import RunnableGenerator\nasync def words(chunks):\n"
    "    async for chunk in chunks:\n        yield chunk\n"
    "CHAINS = {'chat': lambda m: m | RunnableGenerator(words)}\n": (
        "a_chain.py:15: words is an async generator"
    ),
    GRAPH.replace(".compile(SAVER)CONFIG", "")
    + "CHAINS = {'chat': build}\n": "a_chain.py:4: build returns a StateGraph, not a Runnable; add .compile()",
    "def build():\n    pass\nCHAINS = {'chat': build}\n": (
        "a_chain.py:1: the chain 'chat': TypeError: build() takes 0"
    ),
    f"{ASK}CHAINS = {{'chat': lambda m: (ASK | m).with_fallbacks([P.from_template('{{nope}}') | m])}}\n": (
        "a_chain.py:3: the prompt needs {nope}"
    ),
    f"{ASYNC}CHAINS = {{'chat': lambda m: m | RunnableLambda(search).map()}}\n": (
        "a_chain.py:6: search has async code alone"
    ),
    "def build(model):\n    return model.invoke('hi')\nCHAINS = {'chat': build}\n": (
        "a_chain.py:2: the chain 'chat': NoTurn"
    ),
}


@pytest.fixture
def build(tmp_path, monkeypatch):
    """Builds the chains of a file in the current directory."""
    monkeypatch.setattr(chains, "MODULE", "a_chain")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "a_chain", raising=False)

    def build(text):
        (tmp_path / "a_chain.py").write_text(text)
        model = guarded_copy(build_model("gpt-4o-mini", ACCESS), is_configured=True)
        return chains.build(model, chains.builders())

    yield build
    sys.modules.pop("a_chain", None)


@pytest.mark.filterwarnings("ignore:RunnableWithMessageHistory is deprecated")
@pytest.mark.parametrize("chain", UNUSABLE)
def test_an_unusable_chain_is_one_sentence_with_its_line(build, chain):
    with pytest.raises(UnusableChain) as refusal:
        build(chain)
    assert str(refusal.value).startswith(UNUSABLE[chain])
    assert "\n" not in str(refusal.value)


USABLE = {
    "pipe": "ASK | model",
    "fallback": "(ASK | model).with_fallbacks([P.from_template('{error}') | model], exception_key='error')",
    "history": "H(P.from_template('{kept} {question}') | model, dict, **KEYS)",
}


@pytest.mark.filterwarnings("ignore:RunnableWithMessageHistory is deprecated")
@pytest.mark.parametrize("chain", USABLE)
def test_a_chain_that_can_be_used_is_built(build, chain):
    text = f"""{ASK}
from langchain_core.runnables.history import RunnableWithMessageHistory as H
KEYS = {{"input_messages_key": "question", "history_messages_key": "kept"}}
CHAINS = {{"chat": lambda model: {USABLE[chain]}}}
"""
    assert list(build(text)) == ["chat"]
