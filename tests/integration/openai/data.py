"""Chains with tool calls, and with data of their own, which the question has as JSON."""

import json

from langchain.agents import create_agent
from langchain_core.callbacks import dispatch_custom_event
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool

ASK = ChatPromptTemplate.from_messages([("human", "{question}")])


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def named(model):
    def tell(asked):
        dispatch_custom_event("tool_calls", json.loads(asked["question"]))
        return asked

    return RunnableLambda(tell) | ASK | model


def bound(model):
    return ASK | model.bind_tools([add])


def composed(model):
    return RunnableLambda(lambda asked: asked) | bound(model)


def invoked(model):
    return RunnableLambda(lambda asked: bound(model).invoke(asked))


def number(_model):
    return RunnableLambda(lambda _: {"number": 92055901755477000271990251})


CHAINS = {
    "named": named,
    "bound": bound,
    "composed": composed,
    "invoked": invoked,
    "number": number,
    # as the model is
    "sim": number,
    "agent": lambda model: create_agent(model, [add]),
}
