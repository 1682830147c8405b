"""Fills in plain-text prompts without LangChain's machinery, which costs a tenth of a short turn."""

from collections.abc import Callable, Mapping
from string import Formatter
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.prompts import (
    AIMessagePromptTemplate,
    ChatPromptTemplate,
    HumanMessagePromptTemplate,
    MessagesPlaceholder,
    PromptTemplate,
    SystemMessagePromptTemplate,
)

# the input fields that are text, and the one that is messages
TEXTS = frozenset({"system", "question", "input"})
HISTORY = "history"
KINDS: Mapping[type, Callable[[str], BaseMessage]] = {
    SystemMessagePromptTemplate: SystemMessage,
    HumanMessagePromptTemplate: HumanMessage,
    AIMessagePromptTemplate: AIMessage,
}

Fields = Mapping[str, Any]
Fill = Callable[[Fields], list[BaseMessage]]


def fill_of(template: Any) -> Fill | None:
    """A function that fills in the template; None if only LangChain itself can."""
    if type(template) is not ChatPromptTemplate or template.partial_variables:
        return None
    parts = [_part(message) for message in template.messages]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    return lambda fields: [message for part in known for message in part(fields)]


def _part(message: Any) -> Fill | None:
    if isinstance(message, BaseMessage):
        return lambda _fields: [message]
    if type(message) is MessagesPlaceholder:
        is_whole = message.variable_name == HISTORY and message.n_messages is None
        return (lambda fields: fields[HISTORY]) if is_whole else None
    kind = KINDS.get(type(message))
    text = _text(message.prompt) if kind and not message.additional_kwargs else None
    if kind is None or text is None:
        return None
    return lambda fields: [kind(text(fields))]


def _text(prompt: Any) -> Callable[[Fields], str] | None:
    if type(prompt) is not PromptTemplate or prompt.template_format != "f-string":
        return None
    pieces = list(Formatter().parse(prompt.template))
    plain = all(
        name is None or (name in TEXTS and not (spec or how)) for _, name, spec, how in pieces
    )
    if prompt.partial_variables or not plain:
        return None
    return lambda fields: "".join(
        literal + (fields[name] if name else "") for literal, name, _, _ in pieces
    )
