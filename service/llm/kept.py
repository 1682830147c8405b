"""Provider data besides a message's text that must be sent back in the next call, such as signed thinking."""

from typing import Any

from langchain_core.messages import BaseMessage, merge_content
from langchain_core.utils._merge import merge_dicts

# the providers' names for thinking
THINKING = ("thinking", "reasoning", "reasoning_content")
# merging one by one is quadratic, and merging only at the end keeps every chunk in memory
MOST_UNMERGED = 64
# thinking that has to be kept is in content blocks
PASSING = frozenset({*THINKING, "tool_calls", "function_call", "parsed"})


class Kept:
    """Keeps the data of the latest attempt; each attempt begins with forget()."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self._blocks: list[list[Any]] = []
        self.additions: dict[str, Any] = {}
        self.metadata: dict[str, Any] = {}

    def add(self, message: BaseMessage) -> None:
        if isinstance(message.content, list) and message.content:
            self._blocks.append(message.content)
            if len(self._blocks) >= MOST_UNMERGED:
                self._blocks = [self._merged()]
        additions = {k: v for k, v in message.additional_kwargs.items() if k not in PASSING}
        if additions:
            self.additions = merge_dicts(self.additions, additions)
        self.metadata |= message.response_metadata

    @property
    def content(self) -> list[Any] | None:
        """None if there was only text."""
        return self._merged() if self._blocks else None

    def _merged(self) -> list[Any]:
        first, *rest = self._blocks
        merged = merge_content(first, *rest)
        assert isinstance(merged, list)
        return merged
