"""A request to a server, and how to ask differently after the server has rejected a parameter."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import orjson

from service.errors import ChatError, Detail
from service.llm.surrogates import joined
from service.llm.wire.address import Address
from service.llm.wire.habits import Habits
from service.llm.wire.learned import Learned, limit_in, tokens_left
from service.llm.wire.payload import OLD_LIMIT, Payload
from service.llm.wire.redirect import Redirected
from service.llm.wire.refusal import Overflow, ParameterRefused, WindowExceeded

# a server may reject several parameters, one per response
MOST_TIMES = 8


@dataclass(frozen=True)
class Question:
    """own: the caller's parameters, which are neither left out nor changed. asked: how often so far.

    target: for the request line. learned: how to ask the model, kept once it has answered.
    """

    address: Address
    target: str
    habits: Habits
    payload: Payload
    own: frozenset[str]
    request_id: str
    learned: Learned = field(default_factory=Learned)
    extra_headers: Mapping[str, str] = field(default_factory=dict)
    asked: int = 0
    redirected: bool = False

    @property
    def model(self) -> str:
        return str(self.payload["model"])

    @property
    def body(self) -> bytes:
        try:
            return orjson.dumps(self.payload)
        except TypeError:
            # halves of surrogate pairs, or numbers beyond 64 bits
            return joined(json.dumps(self.payload, ensure_ascii=False)).encode()

    def headers(self, sent_before: int) -> dict[str, str]:
        """No id is sent twice, because some servers reject an id they have seen."""
        times = 2 * self.asked + sent_before
        request_id = f"{self.request_id}.{times}" if times else self.request_id
        return {**self.extra_headers, "X-Request-ID": request_id}

    def after(self, refusal: ChatError) -> "Question | None":
        """The same question, asked the way the server wants; None: the refusal was another one, or nothing helps."""
        if self.asked >= MOST_TIMES:
            return None
        if isinstance(refusal, Redirected):
            return self._elsewhere(refusal)
        instead = None
        if isinstance(refusal, ParameterRefused):
            instead = self.learned.refused(refusal.refused, self.payload, self.own)
        elif isinstance(refusal, WindowExceeded):
            instead = self.learned.overflowed(refusal.overflow, self.payload, self.own)
        if instead is None:
            return None
        learned, payload = instead
        return replace(self, learned=learned, payload=payload, asked=self.asked + 1)

    def answered(self) -> None:
        """Called when the model has answered: remembers how it was asked."""
        self.habits.keep(self.learned)

    def explain(self, refusal: ChatError) -> None:
        """The error details for the caller: only fields that the caller sent."""
        if isinstance(refusal, ParameterRefused):
            refusal.details = tuple(each for each in refusal.details if each.field in self.own)
        elif isinstance(refusal, WindowExceeded) and OLD_LIMIT in self.own:
            refusal.details = self._own_limit(refusal.overflow)

    def _elsewhere(self, redirect: Redirected) -> "Question | None":
        target = redirect.target_at(self.address, self.target)
        if self.redirected or target is None:
            return None
        return replace(self, target=target, redirected=True, asked=self.asked + 1)

    def _own_limit(self, overflow: Overflow) -> tuple[Detail, ...]:
        """The error details if the conversation fits and only the caller's own length limit does not."""
        name = limit_in(self.payload)
        asked = 0 if name is None else self.payload[name]
        left = tokens_left(overflow, asked)
        if left is None or not 0 < left < asked:
            return ()
        return (Detail(OLD_LIMIT, f"must be at most {left} for this conversation"),)
