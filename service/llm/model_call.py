"""What a chain asks of a model, as the guard passes it on to whoever sends it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

from service.llm.kept import Kept

TOOLS = frozenset({"tools", "functions"})


@dataclass(frozen=True)
class ModelCall:
    """options: LangChain's keyword arguments, without the model. own: those of them that the caller chose.

    by: the guarded model that is called. kept: what the provider's class wants back in the next call.
    """

    messages: list[BaseMessage]
    options: Mapping[str, Any]
    model: str
    question: int
    takes_back: bool
    own: frozenset[str] = frozenset()
    by: Any = None
    kept: Kept = field(default_factory=Kept, compare=False)

    @property
    def offers_tools(self) -> bool:
        return not TOOLS.isdisjoint(self.options)

    @property
    def texts(self) -> list[str]:
        """What the model is sent, for counting."""
        texts = [text for message in self.messages for text in _texts(message)]
        texts += [
            json.dumps(self.options[name], default=str)
            for name in TOOLS & self.options.keys()
            if self.options[name]
        ]
        return texts


def _texts(message: BaseMessage) -> list[str]:
    calls = message.tool_calls if isinstance(message, AIMessage) else []
    return [str(message.text), *(f"{call['name']} {json.dumps(call['args'])}" for call in calls)]
