"""What all model calls of one turn share, and what the guard has to know of each of them."""

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
    """What a chain asks of a model; its messages are the llm room's business.

    model: the name asked. question: the same for the same question. takes_back: whether what has been passed on can be
    thrown away. offers_tools: whether tool calls are an answer. most_chars: a longer answer is cut there.
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
    """Nothing has to be held for a model call."""
    return nullcontext()


@dataclass(slots=True)
class RunningTurn:
    """takes_back: whether the caller can be asked to throw text away. gone: nobody waits for the rest.

    limit: what ends the turn whatever its chain makes of it, since chains catch errors. hold: what a model call may
    cost, while it runs.
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
        """Whether it is the turn's first. Raises ChainLimitReached."""
        if self.limit is None and self.calls >= self.most_calls:
            self.limit = ChainLimitReached(cause=f"{self.most_calls} model calls")
        if self.limit is not None:
            raise self.limit
        self.calls += 1
        return self.calls == 1

    @contextmanager
    def holding(self, call: ModelCall) -> Iterator[None]:
        """Raises what ends the turn where its money does not reach."""
        with ExitStack() as held:
            try:
                held.enter_context(self.hold(call))
            except ChatError as refusal:
                self.limit = refusal
                raise
            yield

    def begin_attempt(self, model: str, now: float, provider: str) -> Attempt:
        """The attempt's id is never sent upstream twice, whatever the caller's own ids are."""
        attempt_id = f"{self.prompt.turn_id}.{len(self.attempts) + 1}"
        attempt = Attempt(model, now, id=attempt_id, provider=provider)
        self.attempts.append(attempt)
        return attempt


class ModelGuard(Protocol):
    """A model call under protection: its events, the last one Done; or it raises a ChatError."""

    def answer(self, call: ModelCall, turn: RunningTurn) -> Generator[CallEvent, None, None]: ...


def new_turn_id() -> str:
    """A UUIDv7 (RFC 9562): random, and in the order of time."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & (1 << 48) - 1) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 7 << 76
    return str(uuid.UUID(int=value & ~(3 << 62) | 2 << 62))
