"""What else teams bring: the shapes of chains_under_test.py, varied. Read by the tests as service/llm/chain.py."""

import asyncio
import itertools
import operator
import os
import threading
from pathlib import PurePath
from typing import Annotated, TypedDict

import gevent
from langchain.agents import create_agent
from langchain.agents.middleware import (
    HumanInTheLoopMiddleware,
    ModelFallbackMiddleware,
    SummarizationMiddleware,
)
from langchain_core.caches import InMemoryCache
from langchain_core.chat_history import InMemoryChatMessageHistory
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.language_models import BaseChatModel, FakeListLLM, SimpleChatModel
from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.output_parsers import CommaSeparatedListOutputParser, StrOutputParser
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables import (
    ConfigurableFieldSpec,
    Runnable,
    RunnableBranch,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    chain,
)
from langchain_core.runnables.history import RunnableWithMessageHistory
from langchain_core.tools import ToolException, tool
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_openai import AzureChatOpenAI, ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint, task
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command, Send, interrupt
from pydantic import BaseModel

from service.llm.steps import accounted, guarded, on_asyncio

PROMPT = ChatPromptTemplate.from_messages(
    [("system", "{system}"), MessagesPlaceholder("history"), ("human", "{question}")]
)
ASK = ChatPromptTemplate.from_template("{question}")
AZURE = os.environ["AZURE"]
KEPT = {}


class City(BaseModel):
    name: str
    people: int


def a_tool(name, does, **options):
    def function(a: int, b: int):
        return does(a + b)

    function.__doc__ = f"The tool {name}."
    return tool(name, **options)(function)


def fails(error):
    def fail(*_args):
        raise error

    return fail


add = a_tool("add", lambda total: total)
handled = a_tool("handled", fails(ToolException("no")))
handled.handle_tool_error = True
TOOLS = {
    "direct": a_tool("direct", lambda total: f"directly {total}", return_direct=True),
    "handled": handled,
    "artifact": a_tool(
        "artifact", lambda total: (str(total), object()), response_format="content_and_artifact"
    ),
    "buggy": a_tool("buggy", fails(ValueError("secret-text"))),
    "down": a_tool("down", fails(ConnectionError("secret-text"))),
    "interrupting": a_tool("interrupting", fails(KeyboardInterrupt())),
    "leaving": a_tool("leaving", fails(gevent.GreenletExit())),
}


class Map(TypedDict):
    question: str
    parts: Annotated[list, operator.add]
    answer: str


def graph_of(state, checkpointer=None, **nodes):
    """Its nodes one after the other."""
    graph = StateGraph(state)
    names = [START, *nodes, END]
    for name, node in nodes.items():
        graph.add_node(name, node)
    for before, after in itertools.pairwise(names):
        graph.add_edge(before, after)
    return graph.compile(checkpointer)


def says_node(make):
    return lambda model: graph_of(
        MessagesState, say=lambda state: {"messages": make(model, state["messages"])}
    )


def streamed(model, messages):
    whole = None
    for chunk in model.stream(messages):
        whole = chunk if whole is None else whole + chunk
    return [whole]


def parts_of_messages(model):
    graph = says_node(lambda model, messages: [model.invoke(messages)])(model)

    def go(asked):
        asked = {"messages": [HumanMessage(asked["question"])]}
        for part, _ in graph.stream(asked, stream_mode="messages"):
            yield part.text

    return RunnableLambda(go)


def prepared(model):
    @task
    def prepare(question):
        return question + "?"

    @entrypoint()
    def flow(asked: dict):
        return model.invoke(prepare(asked["question"]).result())

    return flow


def map_reduce(model):
    quiet = model.with_config(tags=["nostream"])
    graph = StateGraph(Map)
    graph.add_node("plan", lambda state: {})
    graph.add_node("work", lambda state: {"parts": [quiet.invoke(state["question"]).text]})
    graph.add_node("end", lambda state: {"answer": model.invoke("+".join(state["parts"])).text})
    graph.add_edge(START, "plan")
    graph.add_conditional_edges(
        "plan", lambda state: [Send("work", {"question": "q"})] * 3, ["work"]
    )
    graph.add_edge("work", "end")
    graph.add_edge("end", END)
    return graph.compile()


def commanded(model):
    graph = StateGraph(MessagesState)
    graph.add_node(
        "first",
        lambda state: Command(goto="second", update={"messages": [HumanMessage("more")]}),
        destinations=("second",),
    )
    graph.add_node("second", lambda state: {"messages": [model.invoke(state["messages"])]})
    graph.add_edge(START, "first")
    return graph.compile()


def agent_in_node(model):
    agent = create_agent(model, [add])

    def node(state):
        return {"messages": agent.invoke({"messages": state["messages"]})["messages"][-1:]}

    return graph_of(MessagesState, node=node)


def endless(model):
    graph = StateGraph(Map)
    graph.add_node("again", lambda state: {"parts": ["x"]})
    graph.add_edge(START, "again")
    graph.add_edge("again", "again")
    return graph.compile().with_config(recursion_limit=5)


def functional(model):
    @task
    def ask(question):
        return model.invoke(question).text

    @entrypoint()
    def flow(asked: dict) -> str:
        return ask(asked["question"]).result() + "!"

    return flow


def async_node_of(model):
    async def say(state):
        return {"messages": [await model.ainvoke(state["messages"])]}

    return say


def agent_in_lambda(model):
    agent = create_agent(model, [add])
    return RunnableLambda(
        lambda asked: agent.invoke({"messages": asked["question"]})["messages"][-1].text
    )


def agent_returned(model):
    agent = create_agent(model, [add])
    messages = RunnableLambda(lambda asked: {"messages": asked["question"]})
    return RunnableLambda(lambda asked: messages | agent)


def agent_assigned(model):
    messages = RunnableLambda(lambda asked: {"messages": asked["question"]})
    return RunnablePassthrough.assign(state=messages | create_agent(model, [add])) | (
        lambda known: known["state"]["messages"][-1].text
    )


def asks_a_human(model):
    def node(state):
        interrupt({"question": "really?"})
        return {"messages": [AIMessage("never")]}

    return graph_of(MessagesState, InMemorySaver(), node=node)


def approved_agent(model):
    middleware = [HumanInTheLoopMiddleware(interrupt_on={"add": True})]
    return create_agent(model, [add], middleware=middleware, checkpointer=InMemorySaver())


def summarizing_agent(model):
    middleware = SummarizationMiddleware(model, trigger=("messages", 2), keep=("messages", 1))
    return create_agent(model, [add], middleware=[middleware])


def agent_with_fallback(model):
    other = guarded(ChatOpenAI(model="gpt-4o", api_key="sk-other"))
    return create_agent(model, [add], middleware=[ModelFallbackMiddleware(other)])


def vector_store(model):
    embeddings = accounted(DeterministicFakeEmbedding(size=8), model="text-embedding-3-small")
    store = InMemoryVectorStore.from_texts(["the moon", "the sun"], embeddings)
    shelf = store.as_retriever(search_kwargs={"k": 1}) | (lambda found: found[0].page_content)
    prompt = ChatPromptTemplate.from_template("{context} {question}")
    return {"context": shelf, "question": RunnablePassthrough()} | prompt | model


def with_context(model):
    search = RunnableLambda(lambda asked: [Document(asked["question"])])
    return RunnablePassthrough.assign(context=search).assign(answer=ASK | model | StrOutputParser())


def decorated(model):
    @chain
    def go(asked):
        better = model.invoke("rewrite " + asked["question"]).text
        return ChatPromptTemplate.from_template(better) | model | StrOutputParser()

    return go


def generating(model):
    @chain
    def go(asked):
        yield "so: "
        yield from (ASK | model | StrOutputParser()).stream(asked)

    return go


def leaves_early(model):
    def go(asks):
        for asked in asks:
            for chunk in model.stream(asked["question"]):
                yield chunk.text
                break

    return RunnableGenerator(go)


def batched_async(model):
    async def go(asked):
        return "/".join(message.text for message in await model.abatch(["x", "y"]))

    return RunnableLambda(on_asyncio(go))


def streamed_async(model):
    async def go(asked):
        return "".join([chunk.text async for chunk in model.astream("x")])

    return RunnableLambda(on_asyncio(go))


def in_a_thread(model):
    def go(asked):
        raised = []

        def ask():
            try:
                model.invoke("x")
            except RuntimeError as error:
                raised.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
        raise raised[0]

    return RunnableLambda(go)


def runs_asyncio(model):
    async def go():
        return asyncio.run(asyncio.sleep(0))

    return RunnableLambda(lambda asked: on_asyncio(go)())


def with_history(model, **options):
    prompt = ChatPromptTemplate.from_messages(
        [MessagesPlaceholder("history"), ("human", "{question}")]
    )
    last = RunnablePassthrough.assign(answer=prompt | model) if options else prompt | model
    return RunnableWithMessageHistory(
        last,
        lambda session_id: KEPT.setdefault(session_id, InMemoryChatMessageHistory()),
        input_messages_key="question",
        history_messages_key="history",
        **options,
    )


def history_by_user(model):
    names = ("user_id", "session_id")
    return RunnableWithMessageHistory(
        ASK | model,
        lambda user_id, session_id: KEPT.setdefault(
            (user_id, session_id), InMemoryChatMessageHistory()
        ),
        input_messages_key="question",
        history_factory_config=[ConfigurableFieldSpec(id=name, annotation=str) for name in names],
    )


class Company(BaseChatModel):
    """A model as companies write theirs: no streaming, no usage, no finish reason."""

    @property
    def _llm_type(self):
        return "company"

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        return ChatResult(generations=[ChatGeneration(message=AIMessage("the company says"))])


class Simple(SimpleChatModel):
    @property
    def _llm_type(self):
        return "simple"

    def _call(self, messages, stop=None, run_manager=None, **kwargs):
        return "simple words"


class Collecting(Simple):
    """Its methods call each other."""

    def _stream(self, messages, stop=None, run_manager=None, **kwargs):
        for word in ("collected ", "words"):
            yield ChatGenerationChunk(message=AIMessageChunk(word))

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        return generate_from_stream(self._stream(messages))


class Splitting(Simple):
    def _stream(self, messages, stop=None, run_manager=None, **kwargs):
        said = self._generate(messages).generations[0].message.text
        for letter in said:
            yield ChatGenerationChunk(message=AIMessageChunk(letter))


class Mine(Runnable):
    def __init__(self, model):
        self.model = model

    def invoke(self, input, config=None, **kwargs):
        return "mine: " + self.model.invoke(input["question"], config).text


def azure():
    return AzureChatOpenAI(
        azure_endpoint=AZURE,
        azure_deployment="gpt-4o",
        api_version="2024-10-21",
        api_key="k",
        max_retries=0,
    )


def other(name="gpt-4o", **options):
    return ChatOpenAI(model=name, api_key="sk-other", max_retries=0, **options)


class Classic(Mine):
    """As the chains of langchain_classic do it."""

    @property
    def output_keys(self):
        return ["text"]

    def invoke(self, input, config=None, **kwargs):
        return {**input, "text": super().invoke(input, config)}


def swallowing(model):
    def go(asked):
        try:
            return model.invoke("x").text
        except Exception:
            return "sorry"

    return RunnableLambda(go)


def hands_out(*values):
    def go(asks):
        list(asks)
        yield from values

    return lambda model: RunnableGenerator(go)


CHAINS = {
    "map_reduce": map_reduce,
    "commanded": commanded,
    "agent_in_node": agent_in_node,
    "endless": endless,
    "functional": functional,
    "prepared": prepared,
    "parts_of_messages": parts_of_messages,
    "dict_message": says_node(lambda model, _: [{"role": "assistant", "content": "a dict"}]),
    "pair_message": says_node(lambda model, _: ("ai", "a pair")),
    "new_message": says_node(lambda model, messages: [AIMessage(model.invoke(messages).text)]),
    "parsed_in_node": says_node(
        lambda model, messages: [AIMessage((model | StrOutputParser()).invoke(messages))]
    ),
    "streamed_in_node": says_node(streamed),
    "async_in_node": lambda model: graph_of(MessagesState, say=on_asyncio(async_node_of(model))),
    "state_without_text": lambda model: graph_of(Map, say=lambda state: {"parts": [Document("d")]}),
    "agent_then_lambda": lambda model: (
        create_agent(model, [add]) | (lambda state: state["messages"][-1].text)
    ),
    "agent_in_lambda": agent_in_lambda,
    "agent_returned": agent_returned,
    "agent_assigned": agent_assigned,
    "agent_in_branch": lambda model: RunnableBranch(
        (lambda asked: "zzz" in asked["question"], PROMPT | model), create_agent(model, [add])
    ),
    "agent_with_fallbacks": lambda model: create_agent(model, [add]).with_fallbacks(
        [RunnableLambda(lambda state: "sorry")]
    ),
    "agent_with_retry": lambda model: create_agent(model, [add]).with_retry(),
    "asks_a_human": asks_a_human,
    "approved_agent": approved_agent,
    "summarizing_agent": summarizing_agent,
    "agent_with_fallback": agent_with_fallback,
    **{
        f"agent_{name}": lambda model, one=one: create_agent(model, [one])
        for name, one in TOOLS.items()
    },
    "vector_store": vector_store,
    "with_context": with_context,
    "decorated": decorated,
    "generating": generating,
    "leaves_early": leaves_early,
    "mapped": lambda model: (
        RunnableLambda(lambda asked: [{"question": "x"}, {"question": "y"}])
        | (ASK | model | StrOutputParser()).map()
        | "/".join
    ),
    "batched": lambda model: RunnableLambda(
        lambda asked: "/".join(message.text for message in model.batch(["x", "y"]))
    ),
    "batched_async": batched_async,
    "streamed_async": streamed_async,
    "in_a_thread": in_a_thread,
    "runs_asyncio": runs_asyncio,
    "history_parsed": lambda model: with_history(model) | StrOutputParser(),
    "history_field": lambda model: with_history(model, output_messages_key="answer"),
    "history_by_user": history_by_user,
    "company": lambda model: PROMPT | guarded(Company()),
    "simple": lambda model: PROMPT | guarded(Simple()),
    "collecting": lambda model: PROMPT | guarded(Collecting()),
    "splitting": lambda model: PROMPT | guarded(Splitting()),
    "text_model": lambda model: PROMPT | FakeListLLM(responses=["plain text"]),
    "mine": Mine,
    "classic": Classic,
    "passes_on": lambda model: RunnableLambda(
        lambda asked: {**asked, "answer": model.invoke("x").text}
    ),
    "azure": lambda model: PROMPT | guarded(azure()),
    "azure_unguarded": lambda model: PROMPT | azure(),
    "guarded_agent": lambda model: create_agent(guarded(other()), [add]),
    "own_cached": lambda model: ASK | other(cache=InMemoryCache(), disable_streaming=True),
    "own_agent": lambda model: create_agent(other(), [add]),
    "own_with_callbacks": lambda model: RunnableLambda(
        lambda asked: other().invoke(asked["question"], config={"callbacks": []}).text
    ),
    "own_first": lambda model: PROMPT | guarded(other()).with_fallbacks([model]),
    "compared": lambda model: RunnableParallel(
        a=ASK | model | StrOutputParser(), b=ASK | guarded(other())
    ),
    "summed_up": lambda model: RunnableParallel(
        summary=ASK | model | StrOutputParser(), length=lambda asked: len(asked["question"])
    ),
    "raw": lambda model: PROMPT | model.with_structured_output(City, include_raw=True),
    "raw_tool": lambda model: (
        PROMPT | model.with_structured_output(City, method="function_calling", include_raw=True)
    ),
    "json_mode": lambda model: PROMPT | model.with_structured_output(City, method="json_mode"),
    "comma": lambda model: PROMPT | model | CommaSeparatedListOutputParser(),
    "swallowing": swallowing,
    "keyboard": lambda model: RunnableLambda(fails(KeyboardInterrupt())) | PROMPT | model,
    "greenlet_exit": lambda model: RunnableLambda(fails(gevent.GreenletExit())) | PROMPT | model,
    "exit_in_parallel": lambda model: RunnableParallel(
        a=RunnableLambda(fails(SystemExit(1))), b=PROMPT | model
    ),
    "late_bug": lambda model: PROMPT | model | (lambda message: message.nothing),
    "late_dependency": lambda model: PROMPT | model | fails(ConnectionError("secret-text")),
    "dict": hands_out({"a": 1}),
    "path": hands_out({"source": PurePath("/a/book.pdf")}),
    "model": hands_out(City(name="Seoul", people=9)),
    "zero": hands_out(0),
    "mixed": hands_out("a", {"b": 1}, "c"),
    "conversation": hands_out([HumanMessage("q"), AIMessage("a")]),
    "none": hands_out(None),
    "empty": hands_out(""),
    "object": hands_out(object()),
}
