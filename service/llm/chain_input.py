"""Builds a chain's input: a dictionary, only the question, or messages (in a field or a list), as it takes them."""

import inspect
from typing import Any, Literal

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.prompts import BasePromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import (
    Runnable,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnableSequence,
)
from langchain_core.runnables.base import RunnableBindingBase

from service.chat.prompt import Prompt

NAMES = ("system", "history", "question", "input")
Wanted = Literal["fields", "text", "messages", "list"]


def wanted_by(chain: Runnable[Any, Any]) -> Wanted:
    """Finds the first step that declares its input; schemas of third parties may raise."""
    said = _said(chain)
    return said or _of_schema(chain) or "fields"


def _said(step: Any) -> Wanted | None:  # noqa: PLR0911
    if isinstance(step, RunnableSequence):
        return _said(step.first)
    if isinstance(step, RunnableBindingBase):
        # a history around messages
        takes_messages = getattr(step, "input_messages_key", None) == "messages"
        return "messages" if takes_messages else _said(step.bound)
    if isinstance(step, BaseRetriever):
        return "text"
    if isinstance(step, BasePromptTemplate):
        return "fields"
    if isinstance(step, RunnableParallel):
        return _said_by_all(list(step.steps__.values()))
    if type(step) is RunnablePassthrough:
        return "text"
    if isinstance(step, RunnableLambda):
        return _said_by_annotation(step)
    return _of_schema(step)


def _said_by_all(steps: list[Any]) -> Wanted | None:
    """A step that reads a field decides; a passthrough next to it accepts anything."""
    said = [_said(step) for step in steps]
    if "fields" in said:
        return "fields"
    return next((one for one in said if one is not None), None)


def _said_by_annotation(step: RunnableLambda[Any, Any]) -> Wanted | None:
    function = getattr(step, "func", None) or getattr(step, "afunc", None)
    if function is None:
        return None
    if type(function).__name__ == "itemgetter":
        return "fields"
    try:
        first = next(iter(inspect.signature(function, eval_str=True).parameters.values()))
    except (TypeError, ValueError, NameError, StopIteration):
        return None
    kinds: dict[Any, Wanted] = {str: "text", dict: "fields"}
    return kinds.get(getattr(first.annotation, "__origin__", first.annotation))


def _of_schema(step: Any) -> Wanted | None:
    try:
        schema = step.get_input_jsonschema()
    except Exception:  # noqa: BLE001 - a schema that cannot be made says nothing
        return None
    properties = schema.get("properties") or {}
    if "messages" in properties:
        return "messages"
    kinds: dict[Any, Wanted] = {"string": "text", "array": "list"}
    return kinds.get(schema.get("type")) or ("fields" if properties else None)


def variables_of(step: Any) -> frozenset[str] | None:
    """What a prompt takes. It gets nothing else, which would replace its partial variables, and be read by its example
    selector. None: another kind of step."""
    if not isinstance(step, BasePromptTemplate):
        return None
    return frozenset((*step.input_variables, *step.optional_variables))


def chain_input(
    prompt: Prompt,
    wanted: Wanted,
    variables: frozenset[str] | None = None,
    *,
    keeps_history: bool = False,
) -> Any:
    """variables: the only ones to give; None: all. keeps_history: the chain stores the conversation itself, so the
    caller's copy would duplicate it."""
    if wanted == "text":
        return prompt.question
    fields: dict[str, Any] = {
        "system": prompt.system,
        "history": [] if keeps_history else history_of(prompt),
        "question": prompt.question,
        "input": prompt.question,
    }
    if wanted in ("messages", "list"):
        # a graph has its own system prompt
        own = [SystemMessage(prompt.system)] if "system" in prompt.own else []
        fields["messages"] = [*own, *fields["history"], HumanMessage(prompt.question)]
    if wanted == "list":
        return fields["messages"]
    if variables is None:
        return fields
    return {name: value for name, value in fields.items() if name in variables}


def history_of(prompt: Prompt) -> list[BaseMessage]:
    return [_message(item.role, item.content) for item in prompt.history]


def _message(role: str, content: str) -> BaseMessage:
    return HumanMessage(content) if role == "user" else AIMessage(content)
