"""The turn that a chain runs in, found through a context variable, which LangChain's executors propagate."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol
from uuid import UUID

from gevent.queue import Full, Queue
from langchain_core.messages import BaseMessage

from service.chat.deadline import Clock
from service.chat.events import Data, Thinking, Usage
from service.chat.running_turn import ModelGuard, RunningTurn
from service.errors import ChatError

# larger mailboxes let a busy chain keep the loop: 64 made others wait 5 s under load, 8 one second
MAILBOX_EVENTS = 8
LOOK_SECONDS = 1.0
HOOKS = (".before_agent", ".before_model", ".after_model", ".after_agent")
# LangChain's mark for what a middleware asks a model for itself
INTERNAL = "lc_internal_call"


class TurnGone(BaseException):
    """Nobody waits for this turn: no Exception, so that no fallback, retry or tool error handler goes on."""


class NoTurn(RuntimeError):
    """A guarded model was called where no turn can be seen."""


@dataclass(frozen=True, slots=True)
class Said:
    """Text that is shown. call: which model call says it, None for the chain itself."""

    call: UUID | None
    text: str


@dataclass(frozen=True, slots=True)
class TookBack:
    """What this call has shown is void."""

    call: UUID | None
    reason: Any
    model: str


@dataclass(frozen=True, slots=True)
class CallEnd:
    """This call says nothing more. void: it failed, so that what it has shown is void if the chain goes on."""

    call: UUID
    void: TookBack | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """The chain is done: with its last object, perhaps, or by a failure."""

    result: Any = None
    error: BaseException | None = None


Item = Said | TookBack | CallEnd | Thinking | Data | Ended


class Guards(Protocol):
    """Finds the guard of a model: the configured one's, or one that is made for a model of the chain's own."""

    def of(self, model: Any) -> ModelGuard: ...


@dataclass(frozen=True)
class Surroundings:
    """What chains are run with.

    bill: the usage of a call, by what was sent and what came; cost: US dollars, None for a model without a price.
    timed: chain, step, seconds; dropped: a data event's name, and why it was left out.
    """

    guards: Guards
    bill: Callable[[Sequence[str], str], Usage]
    cost: Callable[[str, Usage], float | None]
    timed: Callable[[str, str, float], None]
    dropped: Callable[[str, str], None]
    step_seconds: float
    tick_seconds: float
    clock: Clock = time.monotonic


@dataclass(eq=False)
class ChainTurn:
    """running: what the guard knows. is_graph: whether the chain is a graph, whose nodes' models are shown.

    calls: model calls that run now. parents, tools: the runs of the turn, to tell what runs inside a tool. objects: the
    model calls whose answer is an object for the chain.
    """

    running: RunningTurn
    around: Surroundings
    is_graph: bool = False
    calls: int = 0
    parents: dict[UUID, UUID | None] = field(default_factory=dict)
    tools: set[UUID] = field(default_factory=set)
    objects: set[UUID] = field(default_factory=set)
    live: set[UUID] = field(default_factory=set)
    shown_ids: set[str] = field(default_factory=set)
    shown_texts: set[str] = field(default_factory=set)

    @cached_property
    def mailbox(self) -> "Queue[Item]":
        """Chains that are run directly have none."""
        return Queue(MAILBOX_EVENTS)

    def put(self, item: Item) -> None:
        """Raises TurnGone once nobody reads."""
        while not self.running.gone:
            with contextlib.suppress(Full):
                self.mailbox.put(item, timeout=LOOK_SECONDS)
                return
        raise TurnGone

    def fail(self, call: UUID, error: ChatError, model: str, *, has_said: bool) -> None:
        """A call that is shown has failed. What nobody can take back ends the turn, whatever the chain goes on with."""
        if has_said and not self.running.takes_back:
            self.running.limit = error
        self.put(CallEnd(call, TookBack(call, error.code, model)))

    def was_shown(self, message: BaseMessage) -> None:
        """What a node returns of it has been said."""
        if message.id:
            self.shown_ids.add(message.id)
        self.shown_texts.add(str(message.text).strip())

    @contextlib.contextmanager
    def calling(self) -> Iterator[None]:
        """While a model call runs, silence is the model's."""
        self.calls += 1
        try:
            yield
        finally:
            self.calls -= 1

    def shows(
        self, run: UUID | None, parent: UUID | None, metadata: dict[str, Any], tags: list[str]
    ) -> bool:
        """Whether a model call of a graph is shown: of a node of the graph itself, and not of a tool."""
        namespace = str(metadata.get("langgraph_checkpoint_ns", ""))
        at_top = bool(namespace) and "|" not in namespace
        # what a middleware asks a model (a summary, a verdict) is no answer
        internal = INTERNAL in metadata or str(metadata.get("langgraph_node", "")).endswith(HOOKS)
        hidden = internal or "nostream" in tags or run in self.objects or self._in_tool(parent)
        return self.is_graph and at_top and not hidden

    def _in_tool(self, run: UUID | None) -> bool:
        while run is not None:
            if run in self.tools:
                return True
            run = self.parents.get(run)
        return False


TURN: ContextVar[ChainTurn] = ContextVar("chain_turn")


def current() -> ChainTurn:
    """Raises NoTurn, or TurnGone."""
    turn = TURN.get(None)
    if turn is None:
        raise NoTurn(
            "a guarded model was called outside of a turn: in a Thread or greenlet of the chain's own, say, which does "
            "not carry the context on (use contextvars.copy_context().run), or when the chain was built"
        )
    if turn.running.gone:
        raise TurnGone
    return turn
