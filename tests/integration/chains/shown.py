"""Chains of many model calls, for test_shown.py: side by side, of middlewares, and such that fail in the middle."""

import functools
import json
import operator
import threading
from contextvars import ContextVar
from typing import Annotated, TypedDict

from langchain.agents import create_agent
from langchain.agents.middleware import (
    LLMToolEmulator,
    LLMToolSelectorMiddleware,
    ModelCallLimitMiddleware,
    ModelFallbackMiddleware,
    ModelRetryMiddleware,
    PIIMiddleware,
    ToolCallLimitMiddleware,
    after_agent,
    after_model,
    wrap_model_call,
)
from langchain.agents.structured_output import ToolStrategy
from langchain_core.callbacks import BaseCallbackHandler, dispatch_custom_event
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langchain_core.tracers.context import register_configure_hook
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint, task
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import RetryPolicy, Send, interrupt
from pydantic import BaseModel

from service.llm.steps import guarded

ASK = ChatPromptTemplate.from_template("{question}")
SOURCE = "\n\nSource: a book"


class City(BaseModel):
    """A city."""

    name: str
    people: int


class Parts(TypedDict):
    question: str
    parts: Annotated[list[str], operator.add]


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool
def subtract(a: int, b: int) -> int:
    """Subtract two numbers."""
    return a - b


@tool
def book(a: int, b: int) -> str:
    """Book, if a human agrees."""
    return str(interrupt({"really": a + b}))


def other():
    return ChatOpenAI(model="gpt-4o", api_key="sk-other", max_retries=0)


def side_by_side(model):
    graph = StateGraph(Parts)
    for name in ("one", "two"):
        graph.add_node(name, lambda state, name=name: {"parts": [model.invoke(name).text]})
        graph.add_edge(START, name)
    return graph.compile()


def sent(model):
    graph = StateGraph(Parts)
    graph.add_node("work", lambda state: {"parts": [model.invoke(state["name"]).text]})
    graph.add_conditional_edges(
        START, lambda state: [Send("work", {"name": name}) for name in ("one", "two")], ["work"]
    )
    return graph.compile()


def says(say, **options):
    """A graph of one node."""
    graph = StateGraph(MessagesState)
    graph.add_node("say", lambda state: {"messages": [say(state["messages"])]}, **options)
    graph.add_edge(START, "say")
    return graph.compile()


class State(TypedDict):
    question: str
    answer: str


def sourced_result(model):
    @entrypoint()
    def flow(asked: dict):
        return model.invoke(asked["question"]).text + SOURCE

    return flow


def compared_result(model):
    @entrypoint()
    def flow(asked: dict):
        return " or ".join(model.invoke(asked["question"]).text for _ in range(2))

    return flow


def checked(model):
    """A task of its own looks at the answer."""

    @task
    def check(text):
        return "ok"

    @entrypoint()
    def flow(asked: dict):
        essay = model.invoke(asked["question"]).text
        return {"answer": essay, "verdict": check(essay).result()}

    return flow


def sourced_side_by_side(model):
    """The nodes return when both models have spoken."""
    graph, spoken = StateGraph(MessagesState), threading.Barrier(2)

    def say(state):
        said = model.invoke(state["messages"]).text
        spoken.wait(30)
        return {"messages": [AIMessage(said + SOURCE)]}

    for name in ("one", "two"):
        graph.add_node(name, say)
        graph.add_edge(START, name)
    return graph.compile()


def sourced_state(model):
    graph = StateGraph(State)
    graph.add_node("say", lambda state: {"answer": model.invoke(state["question"]).text + SOURCE})
    graph.add_edge(START, "say")
    return graph.compile()


def supervised(model):
    """A supervisor, to whom the node of an agent reports in that agent's name."""
    agent = create_agent(model, [add])
    return says(
        lambda messages: HumanMessage(
            agent.invoke({"messages": messages})["messages"][-1].text, name="agent"
        )
    )


def drafted(model):
    """Its draft is in the state, too, as agents and their reviewers share it."""
    unseen = model.with_config(tags=["nostream"])
    graph = StateGraph(MessagesState)
    graph.add_node("draft", lambda state: {"messages": [unseen.invoke(state["messages"])]})
    graph.add_node("answer", lambda state: {"messages": [model.invoke(state["messages"])]})
    graph.add_edge(START, "draft")
    graph.add_edge("draft", "answer")
    return graph.compile()


def looked_up(model):
    """Says a word before a call that it keeps to itself."""
    unseen = model.with_config(tags=["nostream"])
    graph = StateGraph(MessagesState)
    graph.add_node("plan", lambda state: {"messages": [AIMessage("Looking it up. ")]})
    graph.add_node("answer", lambda state: {"messages": [unseen.invoke(state["messages"])]})
    graph.add_edge(START, "plan")
    graph.add_edge("plan", "answer")
    return graph.compile()


class Found(MessagesState):
    raw: AIMessage
    answer: str
    step: int


def fields(node):
    graph = StateGraph(Found)
    graph.add_node("say", node)
    graph.add_edge(START, "say")
    return graph.compile()


def keeps_raw(model):
    typed = model.with_structured_output(City, method="function_calling", include_raw=True)

    def say(state):
        told = typed.invoke(state["messages"])
        return {"answer": f"{told['parsed'].people} people", "raw": told["raw"]}

    return fields(say)


def gives_up(model):
    bound = model.bind_tools([add])
    return fields(lambda state: {"messages": [bound.invoke(state["messages"])], "answer": "sorry"})


def counts_steps(model):
    bound = model.bind_tools([add])
    return fields(lambda state: {"messages": [bound.invoke(state["messages"])], "step": 1})


def beside_a_note(names):
    """Two nodes in parallel: the state has their messages in the order of the nodes' names, whoever is first."""

    def build(model):
        bound = model.bind_tools([add])
        nodes = {
            "call": lambda state: {"messages": [bound.invoke(state["messages"])]},
            "note": lambda state: {"messages": [AIMessage("a note")]},
        }
        graph = StateGraph(MessagesState)
        for name, node in names.items():
            graph.add_node(name, nodes[node])
            graph.add_edge(START, name)
        return graph.compile()

    return build


def streamed_calls(model):
    bound = model.bind_tools([add])
    return says(lambda messages: functools.reduce(operator.add, bound.stream(messages)))


def deep_calls(_model):
    deep = functools.reduce(lambda of, _: {"a": of}, range(400), 1)
    made = [{"name": "add", "args": deep, "id": "c1"}]
    return says(lambda messages: AIMessage("", tool_calls=made))


def structured(model):
    typed = model.with_structured_output(City)
    return says(lambda messages: AIMessage(f"{typed.invoke(messages).people} people"))


def careful(model):
    def say(messages):
        try:
            return model.invoke(messages)
        except Exception:
            return AIMessage("sorry")

    return says(say)


def returned(model):
    @entrypoint()
    def flow(asked: dict):
        return model.invoke(asked["question"])

    return flow


def scored(model):
    store = InMemoryVectorStore(DeterministicFakeEmbedding(size=4))
    store.add_documents([Document("the moon")])

    def search(asked):
        ((found, score),) = store.similarity_search_with_score(asked["question"], k=1)
        dispatch_custom_event("sources", [{"text": found.page_content, "score": score}])
        return asked

    return RunnableLambda(search) | ASK | model


@wrap_model_call
def asks_twice(request, handler):
    first = handler(request)
    return handler(request) if "draft" in first.result[0].text else first


@wrap_model_call
def shouts(request, handler):
    return AIMessage(handler(request).result[0].text.upper())


@after_model
def censors(state, runtime):
    last = state["messages"][-1]
    return {"messages": [AIMessage(last.text.replace("bad", "***"), id=last.id)]}


@after_model(can_jump_to=["model"])
def rejects(state, runtime):
    last = state["messages"][-1]
    if "draft" in last.text:
        return {"messages": [RemoveMessage(last.id)], "jump_to": "model"}
    return None


@after_agent
def refuses(state, runtime):
    last = state["messages"][-1]
    if "bad" in last.text:
        last.content = "I will not say that."


@after_agent
def signs(state, runtime):
    return {"messages": [AIMessage(" (signed)")]}


class Everything(BaseCallbackHandler):
    """Sees each model call of the process, as usage counters and tracers do."""

    def on_llm_end(self, response, **kwargs):
        usage = response.generations[0][0].message.usage_metadata
        print(json.dumps({"counted": usage and usage["total_tokens"]}), flush=True)


COUNTER = Everything()
EVERYTHING = ContextVar("everything", default=COUNTER)
register_configure_hook(EVERYTHING, inheritable=True)


CHAINS = {
    "piped": lambda model: ASK | model,
    "side_by_side": side_by_side,
    "sent": sent,
    "sourced": lambda model: says(lambda messages: AIMessage(model.invoke(messages).text + SOURCE)),
    "sourced_state": sourced_state,
    "sourced_result": sourced_result,
    "sourced_side_by_side": sourced_side_by_side,
    "checked": checked,
    "compared_result": compared_result,
    "quoted": lambda model: says(
        lambda messages: AIMessage("Answer: " + model.invoke(messages).text)
    ),
    "drafted": drafted,
    "unseen": lambda model: says(model.with_config(tags=["nostream"]).invoke),
    "looked_up": looked_up,
    "keeps_raw": keeps_raw,
    "gives_up": gives_up,
    "counts_steps": counts_steps,
    "note_then_call": beside_a_note({"a": "note", "b": "call"}),
    "call_then_note": beside_a_note({"a": "call", "b": "note"}),
    "streamed_calls": streamed_calls,
    "deep_calls": deep_calls,
    "function_call": lambda model: says(
        model.bind(functions=[{"name": "add", "parameters": {"type": "object"}}]).invoke
    ),
    "leaves_calls": lambda model: says(model.bind_tools([add]).invoke),
    "two_joined": lambda model: says(
        lambda messages: AIMessage(model.invoke("a").text + model.invoke("b").text)
    ),
    "two_merged": lambda model: says(
        lambda messages: AIMessage(f"{model.invoke('a').text} and {model.invoke('b').text}")
    ),
    "supervised": supervised,
    "structured": structured,
    "selecting": lambda model: create_agent(
        model, [add, subtract], middleware=[LLMToolSelectorMiddleware(model=model, max_tools=1)]
    ),
    "emulating": lambda model: create_agent(
        model, [add], middleware=[LLMToolEmulator(model=model)]
    ),
    "returned": returned,
    "careful": careful,
    "spared": lambda model: says(model.with_fallbacks([guarded(other())]).invoke),
    "spared_by_own": lambda model: says(model.with_fallbacks([other()]).invoke),
    "own_spared": lambda model: says(other().with_fallbacks([model]).invoke),
    "spared_agent": lambda model: create_agent(
        model, [], middleware=[ModelFallbackMiddleware(guarded(other()))]
    ),
    "retried_agent": lambda model: create_agent(
        model, [], middleware=[ModelRetryMiddleware(max_retries=1, initial_delay=0.01)]
    ),
    "retried_node": lambda model: says(
        model.invoke, retry_policy=RetryPolicy(initial_interval=0.01, max_attempts=2)
    ),
    "agent": lambda model: create_agent(model, [add]),
    "own_agent": lambda model: create_agent(other(), [add]),
    "calls_limited": lambda model: create_agent(
        model, [add], middleware=[ModelCallLimitMiddleware(run_limit=1, exit_behavior="error")]
    ),
    "tools_limited": lambda model: create_agent(
        model, [add], middleware=[ToolCallLimitMiddleware(run_limit=0, exit_behavior="error")]
    ),
    **{
        one.name: lambda model, one=one: create_agent(model, [add], middleware=[one])
        for one in (asks_twice, shouts, censors, rejects, refuses, signs)
    },
    "redacts": lambda model: create_agent(
        model, [], middleware=[PIIMiddleware("email", apply_to_output=True)]
    ),
    "typed": lambda model: create_agent(model, [add], response_format=City),
    "typed_by_tool": lambda model: create_agent(model, [add], response_format=ToolStrategy(City)),
    "booking": lambda model: create_agent(model, [book], checkpointer=InMemorySaver()),
    "scored": scored,
}
