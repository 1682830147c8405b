"""What one model of one server does not take: learned from its refusals, and kept as long as the worker lives."""

import json
from collections.abc import Callable
from typing import Literal

from service.llm.wire.payload import NEW_LIMIT, OLD_LIMIT, Payload, renamed, without_system_role
from service.llm.wire.refusal import Overflow, RefusedParameter

Change = Literal["left_out", "renamed", "lowered", "moved"]
# parameter and what became of it
Adapted = Callable[[str, Change], None]

# the question itself: without one of them the answer would be to another question
ESSENTIAL = frozenset(
    {"model", "messages", "stream", "tools", "tool_choice", "functions", "function_call"}
    | {"response_format", "stop", "n"}
)
SYSTEM = "system"
LIMITS = (NEW_LIMIT, OLD_LIMIT)
# for the next question's prompt, whose tokens nobody has counted; too few are refused and counted by the server
BYTES_PER_TOKEN = 5
PROMPT_MARGIN_TOKENS = 64


class Habits:
    """One per model, server and worker. adapted is called when something is learned."""

    def __init__(self, adapted: Adapted) -> None:
        self._adapted = adapted
        self._left_out: set[str] = set()
        self._limit_name: str | None = None
        self._moves_system = False
        self._most_tokens: int | None = None
        self._window: int | None = None

    def applied(self, asked: Payload, own: frozenset[str]) -> Payload:
        """What is asked of this model. own: the caller's parameters, which are neither left out nor lowered."""
        left_out = self._left_out - _names(own)
        payload = {name: value for name, value in asked.items() if name not in left_out}
        if self._moves_system:
            payload["messages"] = without_system_role(payload["messages"])
        if self._limit_name is not None:
            for name in LIMITS:
                payload = renamed(payload, name, self._limit_name)
        if not own & {OLD_LIMIT}:
            self._lower(payload)
        return payload

    def learn_refused(
        self, refused: RefusedParameter, payload: Payload, own: frozenset[str]
    ) -> Payload | None:
        """payload: what was refused. What to ask instead; None: nothing else would be the same question."""
        if not self._learned(refused, payload, own):
            return None
        instead = self.applied(payload, own)
        return None if instead == payload else instead

    def learn_overflow(
        self, overflow: Overflow, payload: Payload, own: frozenset[str]
    ) -> Payload | None:
        """The same question with what is left of the window for its answer; None: nothing is."""
        name = next((each for each in LIMITS if each in payload), None)
        if name is None or OLD_LIMIT in own:
            return None
        left = tokens_left(overflow, payload[name])
        if left is None:
            # a server that is asked for no length takes what there is
            self._adapted(name, "left_out")
            return {each: value for each, value in payload.items() if each != name}
        if not 0 < left < payload[name]:
            return None
        self._window = overflow.window
        self._adapted(name, "lowered")
        return {**payload, name: left}

    def _learned(self, refused: RefusedParameter, payload: Payload, own: frozenset[str]) -> bool:
        name = refused.name
        if name in (SYSTEM, "developer"):
            return self._move_system()
        if name not in payload or name in ESSENTIAL:
            return False
        if name in LIMITS and refused.reason == "unsupported":
            return self._rename_limit(name, own)
        if name in _names(own):
            return False
        if name in LIMITS and refused.allowed_max is not None:
            return self._cap(name, refused.allowed_max)
        return self._leave_out(name)

    def _lower(self, payload: Payload) -> None:
        for name in LIMITS:
            if name not in payload:
                continue
            if self._most_tokens is not None:
                payload[name] = min(payload[name], self._most_tokens)
            if self._window is not None:
                left = self._window - _prompt_tokens(payload)
                payload[name] = min(payload[name], left) if left > 0 else payload[name]

    def _move_system(self) -> bool:
        self._learn(SYSTEM, "moved", already=self._moves_system)
        self._moves_system = True
        return True

    def _rename_limit(self, name: str, own: frozenset[str]) -> bool:
        other = OLD_LIMIT if name == NEW_LIMIT else NEW_LIMIT
        if self._limit_name in (None, other):
            self._learn(name, "renamed", already=self._limit_name == other)
            self._limit_name = other
            return True
        # it takes neither
        return OLD_LIMIT not in own and self._leave_out(name)

    def _cap(self, name: str, most: int) -> bool:
        self._learn(name, "lowered", already=self._most_tokens == most)
        self._most_tokens = most
        return most > 0

    def _leave_out(self, name: str) -> bool:
        self._learn(name, "left_out", already=name in self._left_out)
        self._left_out |= set(LIMITS) if name in LIMITS else {name}
        return True

    def _learn(self, parameter: str, change: Change, *, already: bool) -> None:
        if not already:
            self._adapted(parameter, change)


def _names(own: frozenset[str]) -> frozenset[str]:
    return own | frozenset(LIMITS) if OLD_LIMIT in own else own


def tokens_left(overflow: Overflow, asked: int) -> int | None:
    """What the window holds beside the prompt, as the server counts; None where it did not say."""
    if overflow.window is None:
        return None
    if overflow.prompt is not None:
        return overflow.window - overflow.prompt
    return None if overflow.requested is None else overflow.window - (overflow.requested - asked)


def _prompt_tokens(payload: Payload) -> int:
    size = len(json.dumps(payload["messages"], ensure_ascii=False).encode("utf-8", "replace"))
    return size // BYTES_PER_TOKEN + PROMPT_MARGIN_TOKENS
