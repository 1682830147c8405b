"""The chains that teams bring: read by the tests as the text of service/llm/chain.py."""

import asyncio
import datetime as dt
import functools
import json
import operator
import os
import time
from typing import Annotated, TypedDict

import gevent
from langchain.agents import create_agent
from langchain.agents.structured_output import ToolStrategy
from langchain_core.callbacks import BaseCallbackHandler, dispatch_custom_event
from langchain_core.chat_history import InMemoryChatMessageHistory
from langchain_core.documents import Document
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import JsonOutputParser, StrOutputParser
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import (
    RunnableBranch,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)
from langchain_core.runnables.history import RunnableWithMessageHistory
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, MessagesState, StateGraph
from pydantic import BaseModel

from service.llm.steps import DependencyFailed, accounted, guarded, off_loop, on_asyncio

PROMPT = ChatPromptTemplate.from_messages(
    [("system", "{system}"), MessagesPlaceholder("history"), ("human", "{question}")]
)
ASK = ChatPromptTemplate.from_messages([("human", "{question}")])
SLOW_SECONDS = float(os.environ.get("SLOW_SECONDS", "2"))
CALLS = []
BUILT = []


class City(BaseModel):
    name: str
    people: int


class Shelf(BaseRetriever):
    """Knows one text."""

    seconds: float = 0.0

    def _get_relevant_documents(self, query, *, run_manager):
        if "down" in query:
            raise ConnectionError(query)
        time.sleep(self.seconds)
        return [Document(f"about {query}", metadata={"source": "shelf.txt"})]


def texts(documents):
    return "\n".join(document.page_content for document in documents)


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    CALLS.append((a, b))
    return a + b


@tool
def slow_add(a: int, b: int) -> int:
    """Add two numbers, slowly."""
    time.sleep(SLOW_SECONDS)
    return a + b


@tool
async def async_add(a: int, b: int) -> int:
    """Add two numbers on an event loop."""
    await asyncio.sleep(0.05)
    return a + b


@tool
def exiting(a: int) -> int:
    """End the process."""
    raise SystemExit(3)


def rag_chain(seconds=0.0):
    def build(model):
        shelf = Shelf(seconds=seconds)
        return {"context": shelf | texts, "question": RunnablePassthrough()} | (
            ChatPromptTemplate.from_template("{context}\n{question}") | model | StrOutputParser()
        )

    return build


def rag_assign(model):
    return (
        RunnablePassthrough.assign(context=lambda asked: texts(Shelf().invoke(asked["question"])))
        | ChatPromptTemplate.from_template("{context}\n{question}")
        | model
    )


def long_rag(model):
    notes = "a note of eight words about the moon " * 100
    return RunnablePassthrough.assign(context=lambda _: notes) | (
        ChatPromptTemplate.from_template("{context}\n{question}") | model
    )


def sources(model):
    def search(asked):
        found = Shelf().invoke(asked["question"])
        dispatch_custom_event("sources", found)
        return {**asked, "context": texts(found)}

    return (
        RunnableLambda(search) | ChatPromptTemplate.from_template("{context}\n{question}") | model
    )


def no_json(model):
    def search(asked):
        dispatch_custom_event("odd", object())
        dispatch_custom_event("long", "x" * 70_000)
        dispatch_custom_event("n" * 300, 1)
        dispatch_custom_event("deep", functools.reduce(lambda inner, _: [inner], range(300), 1))
        dispatch_custom_event(
            "deeper", functools.reduce(lambda of, _: {"a": of}, range(450), 2**70)
        )
        dispatch_custom_event("long number", {"n": 2**70, "on": dt.date(2026, 1, 2)})
        dispatch_custom_event(7, "a number as a name")
        dispatch_custom_event("fine", {"n": 1})
        return asked

    return RunnableLambda(search) | PROMPT | model


def routing(model):
    return PROMPT | RunnableBranch(
        (lambda prompt: "hard" in prompt.to_string(), model.bind(model="gpt-4o")), model
    )


def routing_lambda(model):
    def choose(asked):
        return PROMPT | (model.bind(model="gpt-4o") if "hard" in asked["question"] else model)

    return RunnableLambda(choose)


def own_model(_model):
    return PROMPT | ChatOpenAI(model="gpt-4o", max_retries=0)


def own_guarded(_model):
    return PROMPT | guarded(ChatOpenAI(model="gpt-4o"))


def rewrite(model):
    ask = ChatPromptTemplate.from_template("rewrite: {question}") | model | StrOutputParser()
    return {"question": ask} | ASK | model | StrOutputParser()


def rewrite_lambda(model):
    def better(asked):
        return {"question": model.invoke("rewrite: " + asked["question"]).text}

    return RunnableLambda(better) | ASK | model


def parallel(model):
    ask = ChatPromptTemplate.from_template("a: {question}") | model | StrOutputParser()
    other = ChatPromptTemplate.from_template("b: {question}") | model | StrOutputParser()
    last = ChatPromptTemplate.from_template("{a} and {b}")
    return RunnableParallel(a=ask, b=other) | last | model


def rewrite_graph(model):
    quiet = model.with_config(tags=["nostream"])

    def rewriting(state):
        return {"question": quiet.invoke("rewrite: " + state["question"]).text}

    def answering(state):
        return {"answer": model.invoke(state["question"]).text}

    class State(TypedDict):
        question: str
        answer: str

    graph = StateGraph(State)
    graph.add_node("rewriting", rewriting)
    graph.add_node("answering", answering)
    graph.add_edge(START, "rewriting")
    graph.add_edge("rewriting", "answering")
    graph.add_edge("answering", END)
    return graph.compile()


def canned_graph(_model):
    def say(_state):
        get_stream_writer()({"progress": 1})
        return {"messages": [AIMessage("a canned answer")]}

    graph = StateGraph(MessagesState)
    graph.add_node("say", say)
    graph.add_edge(START, "say")
    return graph.compile()


def nested_graph(model):
    outer = StateGraph(MessagesState)
    outer.add_node("agent", create_agent(model, [add]))
    outer.add_edge(START, "agent")
    return outer.compile()


def remembering_graph(model):
    return create_agent(model, [add, slow_add], checkpointer=InMemorySaver())


def asks_inside(model):
    @tool
    def expert(question: str) -> str:
        """Ask an expert."""
        return str(model.invoke("expert: " + question).text)

    return create_agent(model, [expert])


HISTORIES = {}


def history(model):
    prompt = ChatPromptTemplate.from_messages(
        [MessagesPlaceholder("history"), ("human", "{question}")]
    )
    return RunnableWithMessageHistory(
        prompt | model,
        lambda session_id: HISTORIES.setdefault(session_id, InMemoryChatMessageHistory()),
        input_messages_key="question",
        history_messages_key="history",
    )


class Seen(BaseCallbackHandler):
    def __init__(self):
        self.seen = []

    def on_chat_model_start(self, *args, **kwargs):
        self.seen.append("start")

    def on_llm_new_token(self, token, **kwargs):
        self.seen.append("token")

    def on_llm_end(self, *args, **kwargs):
        self.seen.append("end")
        print(json.dumps({"seen": self.seen}), flush=True)


def watched(model):
    return (PROMPT | model).with_config(callbacks=[Seen()])


def failing(error):
    def build(model):
        def fail(asked):
            raise error

        return RunnableLambda(fail) | PROMPT | model

    return build


def gevent_timeout(model):
    def step(asked):
        with gevent.Timeout(0.05):
            time.sleep(5)

    return RunnableLambda(step) | PROMPT | model


def yields_nothing(_model):
    def nothing(_chunks):
        yield from ()

    return RunnableGenerator(nothing)


def streams_itself(model):
    def words(chunks):
        for asked in chunks:
            for chunk in model.stream(asked["question"]):
                yield chunk.text.upper()

    return RunnableGenerator(words)


def late_step(model):
    return PROMPT | model | RunnableLambda(lambda message: message.text + "!")


def sleeping(model):
    return RunnableLambda(lambda asked: time.sleep(SLOW_SECONDS) or asked) | PROMPT | model


def computing(model):
    def compute(asked):
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            pass
        return asked

    return RunnableLambda(compute) | PROMPT | model


def computing_off(model):
    @off_loop
    def compute(asked):
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            pass
        return asked

    return RunnableLambda(compute) | PROMPT | model


def async_agent(model):
    return create_agent(model, [on_asyncio(async_add), add])


def built_once(model):
    time.sleep(0.2)
    BUILT.append(1)
    return RunnableLambda(lambda asked: f"built {len(BUILT)} time(s)")


class Fake:
    def embed_query(self, text):
        return [0.0, 1.0]

    def embed_documents(self, documents):
        return [[0.0, 1.0] for _ in documents]


def embedded(model):
    embeddings = accounted(Fake(), model="text-embedding-3-small")

    def search(asked):
        embeddings.embed_query(asked["question"])
        return asked

    return RunnableLambda(search) | PROMPT | model


class Total(TypedDict):
    total: Annotated[int, operator.add]


CHAINS = {
    "plain": lambda model: PROMPT | model,
    "input": lambda model: (
        ChatPromptTemplate.from_messages([("system", "kind"), ("human", "{input}")]) | model
    ),
    "parsed": lambda model: PROMPT | model | StrOutputParser(),
    "model": lambda model: model,
    "rag": rag_chain(),
    "slow_rag": rag_chain(3.0),
    "rag_assign": rag_assign,
    "long_rag": long_rag,
    "sources": sources,
    "no_json": no_json,
    "routing": routing,
    "routing_lambda": routing_lambda,
    "own_model": own_model,
    "own_guarded": own_guarded,
    "rewrite": rewrite,
    "rewrite_lambda": rewrite_lambda,
    "parallel": parallel,
    "rewrite_graph": rewrite_graph,
    "canned_graph": canned_graph,
    "nested_graph": nested_graph,
    "bound_tools": lambda model: PROMPT | model.bind_tools([add]),
    "agent": lambda model: create_agent(model, [add, slow_add], system_prompt="be kind"),
    "agent_in_sequence": lambda model: (
        RunnableLambda(lambda asked: {"messages": [("human", asked["question"])]})
        | create_agent(model, [add])
    ),
    "exiting": lambda model: create_agent(model, [exiting]),
    "asks_inside": asks_inside,
    "structured": lambda model: PROMPT | model.with_structured_output(City),
    "structured_tool": lambda model: (
        PROMPT | model.with_structured_output(City, method="function_calling")
    ),
    "structured_agent": lambda model: create_agent(model, [], response_format=City),
    "structured_tool_agent": lambda model: create_agent(
        model, [], response_format=ToolStrategy(City)
    ),
    "json": lambda model: PROMPT | model | JsonOutputParser(),
    "retried": lambda model: PROMPT | model.with_retry(stop_after_attempt=3),
    "fallbacks": lambda model: PROMPT | model.with_fallbacks([model.bind(model="gpt-4o")]),
    "watched": watched,
    "history": history,
    "remembering": remembering_graph,
    "key_error": failing(KeyError("secret-text")),
    "broken_json": lambda model: (
        RunnableLambda(lambda asked: json.loads("<html>")) | PROMPT | model
    ),
    "wrong_type": lambda model: RunnablePassthrough.assign(history=lambda _: 5) | PROMPT | model,
    "dependency": failing(ConnectionError("secret-text")),
    "raised_dependency": failing(DependencyFailed(cause="search")),
    "step_timeout": failing(TimeoutError("secret-text")),
    "missing_file": failing(FileNotFoundError("secret-text")),
    "system_exit": failing(SystemExit(3)),
    "cancelled": failing(asyncio.CancelledError()),
    "gevent_timeout": gevent_timeout,
    "nothing": yields_nothing,
    "streams_itself": streams_itself,
    "late_step": late_step,
    "sleeping": sleeping,
    "computing": computing,
    "computing_off": computing_off,
    "async_agent": async_agent,
    "built_once": built_once,
    "embedded": embedded,
    "branch": lambda model: RunnableBranch(
        (lambda asked: "b" in asked["question"], PROMPT | model), PROMPT | model
    ),
    "text_lambda": lambda model: RunnableLambda(
        lambda question: f"you said {question['question']}"
    ),
}
