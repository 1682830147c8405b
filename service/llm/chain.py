"""The chain: yours to change.

It takes {"system": str, "history": list of messages, "question": str} and ends in the chat model: a step after the
model would read the whole answer even when the caller has left (langchain-ai/langchain#22662).
"""

from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables import Runnable, RunnableBinding

PROMPT = ChatPromptTemplate.from_messages(
    [
        ("system", "{system}"),
        MessagesPlaceholder("history"),
        ("human", "{question}"),
    ]
)


def build_chain(
    model: BaseChatModel | RunnableBinding[Any, Any],
) -> Runnable[dict[str, Any], BaseMessage]:
    """Called for each turn, with the model bound to the turn's options: keep it cheap."""
    return PROMPT | model
