"""A chain's call to a model, as the guard passes it to the sender."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

from service.llm.accumulator import arguments_text, told_by
from service.llm.kept import Kept

TOOLS = frozenset({"tools", "functions"})
OUTPUT_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
# far more than any text has; the last is for answers without a length limit
CHARS_PER_TOKEN, LEAST_CHARS, MOST_CHARS = 32, 4096, 1_000_000


@dataclass(frozen=True)
class ModelCall:
    """options: LangChain's keyword arguments, without the model. own: those that the caller chose.

    by: the guarded model that is called. kept: provider data to send back in the next call.
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
    def most_tokens(self) -> int | None:
        """The answer's length limit; None: unlimited."""
        limits = (self.options.get(name) for name in OUTPUT_LIMITS)
        return next((limit for limit in limits if isinstance(limit, int)), None)

    @property
    def most_chars(self) -> int:
        tokens = self.most_tokens
        asked = MOST_CHARS if tokens is None else LEAST_CHARS + CHARS_PER_TOKEN * tokens
        return min(asked, MOST_CHARS)

    @property
    def texts(self) -> list[str]:
        """The texts sent to the model, for counting."""
        texts = [text for message in self.messages for text in _texts(message)]
        texts += [
            json.dumps(self.options[name], default=str)
            for name in TOOLS & self.options.keys()
            if self.options[name]
        ]
        return texts


def _texts(message: BaseMessage) -> list[str]:
    calls = told_by(message) if isinstance(message, AIMessage) else []
    told = (f"{call['name']} {arguments_text(call['args'], str)}" for call in calls)
    return [str(message.text), *told]
