"""Agents and graphs as graduates of a course write them, for test_graduates.py."""

import operator
from typing import Annotated, Literal, TypedDict

from langchain.agents import create_agent
from langchain.agents.middleware import (
    ModelCallLimitMiddleware,
    PIIMiddleware,
    TodoListMiddleware,
    ToolCallLimitMiddleware,
    ToolRetryMiddleware,
    after_model,
    before_model,
    dynamic_prompt,
    wrap_model_call,
    wrap_tool_call,
)
from langchain.tools import ToolRuntime
from langchain_core.callbacks import dispatch_custom_event
from langchain_core.chat_history import InMemoryChatMessageHistory
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    RemoveMessage,
    ToolMessage,
)
from langchain_core.runnables import (
    RunnableLambda,
)
from langchain_core.runnables.history import RunnableWithMessageHistory
from langchain_core.tools import BaseTool, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_stream_writer
from langgraph.func import entrypoint, task
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.graph.message import add_messages
from langgraph.prebuilt import InjectedState, ToolNode, create_react_agent, tools_condition
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command, Send
from pydantic import BaseModel

KEPT: dict[str, InMemoryChatMessageHistory] = {}


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool
def noisy(a: int, b: int) -> int:
    """Add, and say so."""
    dispatch_custom_event("progress", {"percent": 50})
    get_stream_writer()({"written": a + b})
    return a + b


@tool
def looks_at_state(a: int, b: int, state: Annotated[dict, InjectedState]) -> str:
    """Add to the number of messages."""
    return str(a + b + len(state["messages"]))


@tool
def runs(a: int, b: int, runtime: ToolRuntime) -> Command:
    """Add by a command."""
    message = ToolMessage(str(a + b), tool_call_id=runtime.tool_call_id)
    return Command(update={"messages": [message]})


class Adder(BaseTool):
    name: str = "adder"
    description: str = "Adds."

    def _run(self, a: int, b: int) -> int:
        return a + b


FLAKY = []


@tool
def flaky(a: int, b: int) -> int:
    """Fails every other time."""
    FLAKY.append(1)
    if len(FLAKY) % 2:
        raise ConnectionError("once")
    return a + b


def hand_agent(model):
    bound = model.bind_tools([add])
    graph = StateGraph(MessagesState)
    graph.add_node("agent", lambda state: {"messages": [bound.invoke(state["messages"])]})
    graph.add_node("tools", ToolNode([add]))
    graph.add_edge(START, "agent")
    graph.add_conditional_edges("agent", tools_condition)
    graph.add_edge("tools", "agent")
    return graph.compile()


@before_model
def note(state, runtime):
    get_stream_writer()({"before": len(state["messages"])})


@after_model
def check(state, runtime):
    return None


@dynamic_prompt
def prompted(request):
    return f"You have {len(request.messages)} message(s)."


@wrap_model_call
def cooler(request, handler):
    return handler(request.override(model=request.model.bind(temperature=0)))


@wrap_tool_call
def logged(request, handler):
    return handler(request)


def middlewares(model):
    return create_agent(model, [add], middleware=[note, check, prompted, cooler, logged])


def supervisor(model):
    expert = create_agent(model, [add], name="expert")

    @tool
    def ask_expert(question: str) -> str:
        """Ask the expert."""
        return expert.invoke({"messages": [("human", question)]})["messages"][-1].text

    return create_agent(model, [ask_expert])


def agent_before_model(model):
    told = RunnableLambda(lambda asked: {"messages": [("human", asked["question"])]})
    words = RunnableLambda(lambda state: state["messages"][-1].text)
    return told | create_agent(model, [add]) | words | model


class Draft(TypedDict):
    question: str
    draft: str
    rounds: int


def reflection(model):
    quiet = model.with_config(tags=["nostream"])
    graph = StateGraph(Draft)
    graph.add_node(
        "write",
        lambda s: {
            "draft": quiet.invoke("write " + s["question"]).text,
            "rounds": s.get("rounds", 0) + 1,
        },
    )
    graph.add_node("critique", lambda s: {"draft": quiet.invoke("criticise " + s["draft"]).text})
    graph.add_node("final", lambda s: {"draft": model.invoke("final " + s["draft"]).text})
    graph.add_edge(START, "write")
    graph.add_conditional_edges(
        "write", lambda s: "critique" if s["rounds"] < 2 else "final", ["critique", "final"]
    )
    graph.add_edge("critique", "write")
    graph.add_edge("final", END)
    return graph.compile()


class Route(BaseModel):
    """Where to go."""

    where: Literal["poem", "fact"]


class Routed(MessagesState):
    where: str


def router_graph(model):
    router = model.with_structured_output(Route).with_config(tags=["nostream"])
    graph = StateGraph(Routed)
    graph.add_node("route", lambda s: {"where": router.invoke(s["messages"]).where})
    graph.add_node("poem", lambda s: {"messages": [AIMessage("a poem")]})
    graph.add_node("fact", lambda s: {"messages": [model.invoke(s["messages"])]})
    graph.add_edge(START, "route")
    graph.add_conditional_edges("route", lambda s: s["where"], ["poem", "fact"])
    return graph.compile()


def inner_graph(model):
    class Inner(TypedDict):
        text: str
        out: str

    inner = StateGraph(Inner)
    inner.add_node("say", lambda s: {"out": model.invoke(s["text"]).text})
    inner.add_edge(START, "say")
    compiled = inner.compile()

    def call(state):
        return {
            "messages": [AIMessage(compiled.invoke({"text": state["messages"][-1].text})["out"])]
        }

    outer = StateGraph(MessagesState)
    outer.add_node("call", call)
    outer.add_edge(START, "call")
    return outer.compile()


class Fan(TypedDict):
    question: str
    parts: Annotated[list[str], operator.add]
    answer: str


def fan_in(model):
    quiet = model.with_config(tags=["nostream"])
    graph = StateGraph(Fan)
    graph.add_node("one", lambda s: {"parts": [quiet.invoke("one").text]})
    graph.add_node("two", lambda s: {"parts": [quiet.invoke("two").text]})
    graph.add_node("join", lambda s: {"answer": model.invoke(",".join(sorted(s["parts"]))).text})
    for name in ("one", "two"):
        graph.add_edge(START, name)
        graph.add_edge(name, "join")
    return graph.compile()


def forgetting(model):
    def trim(state):
        return {"messages": [RemoveMessage(message.id) for message in state["messages"][:-1]]}

    graph = StateGraph(MessagesState)
    graph.add_node("trim", trim)
    graph.add_node("say", lambda s: {"messages": [model.invoke(s["messages"])]})
    graph.add_edge(START, "trim")
    graph.add_edge("trim", "say")
    return graph.compile()


def parallel_tasks(model):
    @task
    def ask(what):
        return model.invoke(what).text

    @entrypoint()
    def flow(asked):
        jobs = [ask("x"), ask("y")]
        return "&".join(job.result() for job in jobs)

    return flow


def remembers_previous(model):
    @entrypoint(checkpointer=InMemorySaver())
    def flow(asked, *, previous=None):
        said = (previous or "") + model.invoke(asked["question"]).text
        return entrypoint.final(value=said, save=said)

    return flow


def stored(model):
    def say(state, *, store):
        store.put(("notes",), "k", {"text": "kept"})
        found = store.get(("notes",), "k").value["text"]
        quiet = model.with_config(tags=["nostream"])
        return {"messages": [AIMessage(found + ": " + quiet.invoke(state["messages"]).text)]}

    graph = StateGraph(MessagesState)
    graph.add_node("say", say)
    graph.add_edge(START, "say")
    return graph.compile(store=InMemoryStore())


def worker_graph(model):
    class State(TypedDict):
        question: str
        items: list[str]
        done: Annotated[list[str], operator.add]

    graph = StateGraph(State)
    graph.add_node("split", lambda s: {"items": ["a", "b", "c"]})
    graph.add_node("work", lambda s: {"done": [f"{s['item']}!"]})
    graph.add_node(
        "say",
        lambda s: Command(
            update={"question": model.invoke("".join(sorted(s["done"]))).text}, goto=END
        ),
    )
    graph.add_edge(START, "split")
    graph.add_conditional_edges(
        "split", lambda s: [Send("work", {"item": i}) for i in s["items"]], ["work"]
    )
    graph.add_edge("work", "say")
    return graph.compile()


def agent_history(model):
    agent = create_agent(model, [add])
    messages = RunnableLambda(lambda x: {"messages": [*x["history"], HumanMessage(x["question"])]})
    return RunnableWithMessageHistory(
        messages | agent | (lambda state: state["messages"][-1]),
        lambda session_id: KEPT.setdefault("agent" + session_id, InMemoryChatMessageHistory()),
        input_messages_key="question",
        history_messages_key="history",
    )


def graph_history(model):
    return RunnableWithMessageHistory(
        create_agent(model, [add]),
        lambda session_id: KEPT.setdefault("graph" + session_id, InMemoryChatMessageHistory()),
        input_messages_key="messages",
        output_messages_key="messages",
    )


def agent_function(model):
    """As LangGraph's introduction to its functional API has it."""
    bound = model.bind_tools([add])

    @task
    def call_model(messages):
        return bound.invoke(messages)

    @entrypoint()
    def agent(messages: list[BaseMessage]):
        said = call_model(messages).result()
        while said.tool_calls:
            results = [add.invoke(call) for call in said.tool_calls]
            messages = add_messages(messages, [said, *results])
            said = call_model(messages).result()
        return add_messages(messages, said)

    return agent


GRAPHS = {
    "agent_function": agent_function,
    "hand_agent": hand_agent,
    "react_agent": lambda m: create_react_agent(m, [add]),
    "middlewares": middlewares,
    "call_limit": lambda m: create_agent(
        m, [add], middleware=[ModelCallLimitMiddleware(run_limit=2, exit_behavior="end")]
    ),
    "tool_limit": lambda m: create_agent(
        m, [add], middleware=[ToolCallLimitMiddleware(run_limit=1)]
    ),
    "tool_retry": lambda m: create_agent(
        m, [flaky], middleware=[ToolRetryMiddleware(max_retries=2, initial_delay=0.01)]
    ),
    "pii": lambda m: create_agent(m, [add], middleware=[PIIMiddleware("email", strategy="redact")]),
    "todo": lambda m: create_agent(m, [add], middleware=[TodoListMiddleware()]),
    "supervisor": supervisor,
    "agent_before_model": agent_before_model,
    "reflection": reflection,
    "router_graph": router_graph,
    "inner_graph": inner_graph,
    "fan_in": fan_in,
    "forgetting": forgetting,
    "parallel_tasks": parallel_tasks,
    "remembers_previous": remembers_previous,
    "stored": stored,
    "worker_graph": worker_graph,
    "agent_history": agent_history,
    "graph_history": graph_history,
    "noisy_agent": lambda m: create_agent(m, [noisy]),
    "state_agent": lambda m: create_agent(m, [looks_at_state]),
    "command_agent": lambda m: create_agent(m, [runs]),
    "base_tool_agent": lambda m: create_agent(m, [Adder()]),
    "two_tools": lambda m: create_agent(m, [add, Adder()]),
}
