"""Your chains: this file is yours to change.

CHAINS names them; a request picks one by "chain", the first is the default. Each builder is called once per worker,
with a LangChain chat model whose every call is guarded, and returns any Runnable. The chain's input is {"system",
"history", "question"} ("input" is another name for the question), only the question, or messages, whatever it takes.
service/llm/steps.py has tools for chains, and docs/your-chain.md has recipes.
"""

from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables import Runnable

PROMPT = ChatPromptTemplate.from_messages(
    [
        ("system", "{system}"),
        MessagesPlaceholder("history"),
        ("human", "{question}"),
    ]
)


def build_chat(model: BaseChatModel) -> Runnable[Any, Any]:
    return PROMPT | model


CHAINS = {"chat": build_chat}
