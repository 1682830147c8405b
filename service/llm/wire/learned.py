"""What a model's refusals reveal about parameters, and how to ask it instead."""

import json
from dataclasses import dataclass, replace
from typing import Literal

from service.llm.wire.payload import (
    NEW_LIMIT,
    OLD_LIMIT,
    Payload,
    renamed,
    without_stream,
    without_system_role,
)
from service.llm.wire.refusal import Overflow, RefusedParameter

Change = Literal["left_out", "renamed", "lowered", "moved"]

# parts of the question itself: without them, the answer would be to a different question
ESSENTIAL = frozenset(
    {"model", "messages", "tools", "tool_choice", "functions", "function_call"}
    | {"response_format", "stop", "n"}
)
SYSTEM, STREAM = "system", "stream"
LIMITS = (NEW_LIMIT, OLD_LIMIT)
# gateways use the name of the server behind them
SAME_LIMIT = frozenset({*LIMITS, "max_output_tokens"})
# estimates the tokens of the next question; if that is too low, the server rejects it and states the number
BYTES_PER_TOKEN = 5
PROMPT_MARGIN_TOKENS = 64


@dataclass(frozen=True, slots=True)
class News:
    """A parameter and how it was adapted. most: the number it was lowered to."""

    parameter: str
    change: Change
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Learned:
    """left_out: names of parameters. whole: the model cannot stream. news: what was learned, the oldest first."""

    left_out: frozenset[str] = frozenset()
    limit_name: str | None = None
    moves_system: bool = False
    whole: bool = False
    most_tokens: int | None = None
    window: int | None = None
    news: tuple[News, ...] = ()

    def applied(self, asked: Payload, own: frozenset[str]) -> Payload:
        """The payload for this model. own: the caller's parameters, which are neither left out nor lowered."""
        left_out = self.left_out - _names(own)
        payload = {name: value for name, value in asked.items() if name not in left_out}
        if self.moves_system:
            payload["messages"] = without_system_role(payload["messages"])
        if self.whole:
            payload = without_stream(payload)
        if self.limit_name is not None:
            for name in LIMITS:
                payload = renamed(payload, name, self.limit_name)
        if not own & {OLD_LIMIT}:
            self._lower(payload)
        return payload

    def refused(
        self, refused: RefusedParameter, payload: Payload, own: frozenset[str]
    ) -> "tuple[Learned, Payload] | None":
        """payload: the rejected one. Returns what to ask instead; None: nothing else would be the same question."""
        learned = self._after(refused, payload, own)
        if learned is None:
            return None
        instead = learned.applied(payload, own)
        return None if instead == payload else (learned, instead)

    def overflowed(
        self, overflow: Overflow, payload: Payload, own: frozenset[str]
    ) -> "tuple[Learned, Payload] | None":
        """The same question, with the answer limited to the rest of the window; None: there is no rest."""
        name = limit_in(payload)
        if name is None or OLD_LIMIT in own:
            return None
        left = tokens_left(overflow, payload[name])
        if left is None:
            # without a limit, the server uses the rest of the window
            instead = {each: value for each, value in payload.items() if each != name}
            return self._with(News(name, "left_out")), instead
        if not 0 < left < payload[name]:
            return None
        learned = replace(self._with(News(name, "lowered", left)), window=overflow.window)
        return learned, {**payload, name: left}

    def _after(
        self, refused: RefusedParameter, payload: Payload, own: frozenset[str]
    ) -> "Learned | None":
        name = refused.name
        if name in (SYSTEM, "developer"):
            return replace(self._with(News(SYSTEM, "moved")), moves_system=True)
        if name == STREAM:
            return replace(self._with(News(STREAM, "left_out")), whole=True)
        if name in SAME_LIMIT and name not in payload and refused.reason == "value":
            name = limit_in(payload) or name
        if name not in payload or name in ESSENTIAL:
            return None
        if name in LIMITS:
            return self._without_limit(name, refused, own)
        return None if name in own else self._leave_out(name)

    def _without_limit(
        self, name: str, refused: RefusedParameter, own: frozenset[str]
    ) -> "Learned | None":
        """Renames, lowers or removes the length limit."""
        if refused.reason == "unsupported":
            return self._rename_limit(name, own)
        most = refused.allowed_max
        if OLD_LIMIT in own or most == 0:
            return None
        if most is None:
            return self._leave_out(name)
        return replace(self._with(News(name, "lowered", most)), most_tokens=most)

    def _rename_limit(self, name: str, own: frozenset[str]) -> "Learned | None":
        other = OLD_LIMIT if name == NEW_LIMIT else NEW_LIMIT
        if self.limit_name in (None, other):
            return replace(self._with(News(name, "renamed")), limit_name=other)
        # neither name is accepted
        return None if OLD_LIMIT in own else self._leave_out(name)

    def _leave_out(self, name: str) -> "Learned":
        names = set(LIMITS) if name in LIMITS else {name}
        return replace(self._with(News(name, "left_out")), left_out=self.left_out | names)

    def _with(self, news: News) -> "Learned":
        return replace(self, news=(*self.news, news))

    def _lower(self, payload: Payload) -> None:
        name = limit_in(payload)
        if name is None:
            return
        if self.most_tokens is not None:
            payload[name] = min(payload[name], self.most_tokens)
        if self.window is not None:
            left = self.window - _prompt_tokens(payload)
            payload[name] = min(payload[name], left) if left > 0 else payload[name]


def limit_in(payload: Payload) -> str | None:
    """The name under which the payload has a length limit."""
    return next((name for name in LIMITS if name in payload), None)


def tokens_left(overflow: Overflow, asked: int) -> int | None:
    """The tokens left in the window besides the prompt, by the server's count; None if it did not say."""
    if overflow.window is None:
        return None
    if overflow.prompt is not None:
        return overflow.window - overflow.prompt
    return None if overflow.requested is None else overflow.window - (overflow.requested - asked)


def _names(own: frozenset[str]) -> frozenset[str]:
    return own | frozenset(LIMITS) if OLD_LIMIT in own else own


def _prompt_tokens(payload: Payload) -> int:
    size = len(json.dumps(payload["messages"], ensure_ascii=False).encode("utf-8", "replace"))
    return size // BYTES_PER_TOKEN + PROMPT_MARGIN_TOKENS
