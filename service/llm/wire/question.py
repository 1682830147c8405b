"""What is asked of a server, and what is asked instead once it has refused the way it was asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import orjson

from service.errors import ChatError
from service.llm.wire.habits import Habits
from service.llm.wire.payload import Payload
from service.llm.wire.refusal import ParameterRefused, WindowExceeded

# a server may refuse several parameters, each in a refusal of its own
MOST_TIMES = 8


@dataclass(frozen=True)
class Question:
    """own: the parameters that a caller chose, which are neither left out nor changed. asked: how often so far."""

    habits: Habits
    payload: Payload
    own: frozenset[str]
    request_id: str
    extra_headers: Mapping[str, str] = field(default_factory=dict)
    asked: int = 0

    @property
    def body(self) -> bytes:
        return orjson.dumps(self.payload)

    def headers(self, sent_before: int) -> dict[str, str]:
        """No id is sent twice, since some servers refuse one that they know."""
        times = self.asked + sent_before
        request_id = f"{self.request_id}.{times}" if times else self.request_id
        return {**self.extra_headers, "X-Request-ID": request_id}

    def after(self, refusal: ChatError) -> "Question | None":
        """The same question, asked as the server wants it; None: it was no refusal of that kind, or nothing helps."""
        if self.asked >= MOST_TIMES:
            return None
        payload = None
        if isinstance(refusal, ParameterRefused):
            payload = self.habits.learn_refused(refusal.refused, self.payload, self.own)
        elif isinstance(refusal, WindowExceeded):
            payload = self.habits.learn_overflow(refusal.overflow, self.payload, self.own)
        return None if payload is None else replace(self, payload=payload, asked=self.asked + 1)
