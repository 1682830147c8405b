"""What the model calls of a turn share, and what the guard needs to know about each of them."""

import os
import time
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

from service.chat.attempt import Attempt
from service.chat.deadline import Deadline
from service.chat.events import CallEvent
from service.chat.prompt import Prompt
from service.errors import ChainLimitReached, ChatError

Report = Callable[[Attempt], None]


class ModelCall(Protocol):
    """A chain's call to a model, as the guard sees it: the messages stay in the llm room.

    question: equal for equal questions. takes_back: whether text that was passed on can be discarded. offers_tools:
    whether tool calls are an answer. most_chars: where a longer answer is cut.
    """

    @property
    def model(self) -> str: ...
    @property
    def question(self) -> int: ...
    @property
    def takes_back(self) -> bool: ...
    @property
    def offers_tools(self) -> bool: ...
    @property
    def most_chars(self) -> int: ...


Hold = Callable[[ModelCall], AbstractContextManager[object]]


def free(_call: ModelCall) -> AbstractContextManager[object]:
    """The default hold: model calls are free."""
    return nullcontext()


@dataclass(slots=True)
class RunningTurn:
    """takes_back: whether the caller can discard text. gone: nobody is waiting for the rest.

    limit: the error that ends the turn even if its chain catches it. hold: reserves what a model call may cost, while
    it runs.
    """

    prompt: Prompt
    deadline: Deadline
    report: Report
    most_calls: int
    hold: Hold = free
    takes_back: bool = True
    gone: bool = False
    restarted: bool = False
    limit: ChatError | None = None
    calls: int = 0
    attempts: list[Attempt] = field(default_factory=list)

    def begin_call(self) -> bool:
        """Returns whether it is the turn's first. Raises ChainLimitReached."""
        if self.limit is None and self.calls >= self.most_calls:
            self.limit = ChainLimitReached(cause=f"{self.most_calls} model calls")
        if self.limit is not None:
            raise self.limit
        self.calls += 1
        return self.calls == 1

    @contextmanager
    def holding(self, call: ModelCall) -> Iterator[None]:
        """Raises the refusal, which ends the turn, if the call cannot be paid for."""
        with ExitStack() as held:
            try:
                held.enter_context(self.hold(call))
            except ChatError as refusal:
                self.limit = refusal
                raise
            yield

    def begin_attempt(self, model: str, now: float, provider: str) -> Attempt:
        """Its id is unique upstream, whatever ids the callers choose."""
        attempt_id = f"{self.prompt.turn_id}.{len(self.attempts) + 1}"
        attempt = Attempt(model, now, id=attempt_id, provider=provider)
        self.attempts.append(attempt)
        return attempt


class ModelGuard(Protocol):
    """Makes a model call under protection: yields its events, the last one Done, or raises a ChatError."""

    def answer(self, call: ModelCall, turn: RunningTurn) -> Generator[CallEvent, None, None]: ...


def new_turn_id() -> str:
    """A UUIDv7 (RFC 9562): random, and sorted by time."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & (1 << 48) - 1) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 7 << 76
    return str(uuid.UUID(int=value & ~(3 << 62) | 2 << 62))
