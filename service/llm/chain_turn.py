"""The turn a chain runs in, held in a context variable, which LangChain's executors propagate."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol
from uuid import UUID

import gevent
from gevent.monkey import get_original
from gevent.queue import Full, Queue
from langchain_core.messages import BaseMessage

from service.chat.deadline import Clock
from service.chat.events import Data, Thinking, Usage
from service.chat.running_turn import ModelGuard, RunningTurn
from service.errors import ChatError

# larger mailboxes let a busy chain block the loop: 64 made others wait 5 s under load, 8 only one second
MAILBOX_EVENTS = 8
LOOK_SECONDS = 1.0
HOOKS = (".before_agent", ".before_model", ".after_model", ".after_agent")
# LangChain's mark for what a middleware asks a model for itself
INTERNAL = "lc_internal_call"
# LangGraph's tag for calls that are not part of the answer
NOSTREAM = "nostream"


# of the system's threads, not of greenlets
thread_id: Callable[[], int] = get_original("_thread", "get_ident")
thread_lock: Callable[[], Any] = get_original("_thread", "allocate_lock")


class TurnGone(BaseException):
    """Nobody is waiting for this turn. Not an Exception, so no fallback, retry or tool error handler catches it."""


class NoTurn(RuntimeError):
    """A guarded model was called outside a turn."""


@dataclass(frozen=True, slots=True)
class Said:
    """Text that is shown. call: the model call it comes from; None: the chain itself."""

    call: UUID | None
    text: str


@dataclass(frozen=True, slots=True)
class TookBack:
    """Discards what this call has shown."""

    call: UUID | None
    reason: Any
    model: str


@dataclass(frozen=True, slots=True)
class CallEnd:
    """This call says nothing more. void: it failed, so that what it has shown is void if the chain goes on."""

    call: UUID
    void: TookBack | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """A message that was shown. node: of the graph, where its model was called."""

    call: UUID
    text: str
    node: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The chain has ended, with an error if it failed."""

    result: Any = None
    error: BaseException | None = None


Item = Said | TookBack | CallEnd | Thinking | Data | Ended


class Guards(Protocol):
    """Finds a model's guard: the one for the configured model, or one for a model that a chain created itself."""

    def of(self, model: Any) -> ModelGuard: ...


@dataclass(frozen=True)
class Surroundings:
    """What running chains need from the service.

    bill: estimates a call's usage from the texts sent and received. cost: US dollars; None: no price. timed: called
    with chain, step and seconds. dropped: called with the name of a data event that was left out, and the reason.
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
    """running: the turn as the guard sees it. is_graph: whether the chain is a graph, whose nodes' models are shown.
    shows_live: whether they are while they speak.

    calls: the number of running model calls. parents, tools: the turn's runs, to recognize those inside a tool.
    objects: the model calls whose answer is an object for the chain. hidden_ids: the messages of calls tagged nostream.
    has_spoken: a model that was marked as shown has sent its text, which the chain repeats.
    """

    running: RunningTurn
    around: Surroundings
    is_graph: bool = False
    shows_live: bool = True
    calls: int = 0
    parents: dict[UUID, UUID | None] = field(default_factory=dict)
    tools: set[UUID] = field(default_factory=set)
    objects: set[UUID] = field(default_factory=set)
    live: set[UUID] = field(default_factory=set)
    thread: int = field(default_factory=thread_id)
    hub: Any = field(default_factory=gevent.get_hub)
    shown_ids: set[str] = field(default_factory=set)
    hidden_ids: set[str] = field(default_factory=set)
    has_spoken: bool = False
    shown: dict[str, Shown] = field(default_factory=dict)
    shown_texts: set[str] = field(default_factory=set)

    @cached_property
    def mailbox(self) -> "Queue[Item]":
        """Not used by chains that are run directly."""
        return Queue(MAILBOX_EVENTS)

    def put(self, item: Item) -> None:
        """Raises TurnGone if nobody reads any more."""
        if self.is_off_loop:
            self._put_on_loop(item)
            return
        while not self.running.gone:
            with contextlib.suppress(Full):
                self.mailbox.put(item, timeout=LOOK_SECONDS)
                return
        raise TurnGone

    @property
    def is_off_loop(self) -> bool:
        """Whether this runs in a real thread, where no greenlet of ours can be waited for."""
        return thread_id() != self.thread

    def _put_on_loop(self, item: Item) -> None:
        done, gone = thread_lock(), list[TurnGone]()

        def put() -> None:
            try:
                self.put(item)
            except TurnGone as error:
                gone.append(error)
            finally:
                done.release()

        done.acquire()
        self.hub.loop.run_callback_threadsafe(gevent.spawn, put)
        done.acquire()
        if gone:
            raise gone[0]

    def fail(self, call: UUID, error: ChatError, model: str, *, has_said: bool) -> None:
        """A call that is shown has failed. What nobody can take back ends the turn, whatever the chain goes on with."""
        if has_said and not self.running.takes_back:
            self.running.limit = error
        self.put(CallEnd(call, TookBack(call, error.code, model)))

    def was_shown(self, message: BaseMessage, call: UUID, node: str = "") -> None:
        """Remembers a shown message, so that it is not repeated when a node returns it."""
        text = str(message.text)
        if message.id:
            self.shown_ids.add(message.id)
            self.shown[message.id] = Shown(call, text, node)
        self.shown_texts.add(text.strip())

    @contextlib.contextmanager
    def calling(self) -> Iterator[None]:
        """While a model call is running, silence counts against the model."""
        self.calls += 1
        try:
            yield
        finally:
            self.calls -= 1

    def shows(
        self, run: UUID | None, parent: UUID | None, metadata: dict[str, Any], tags: list[str]
    ) -> bool:
        """Whether a graph's model call is shown: only calls of the graph's own nodes, not those of tools."""
        namespace = str(metadata.get("langgraph_checkpoint_ns", ""))
        at_top = bool(namespace) and "|" not in namespace
        # a middleware's model call (a summary, a verdict) is not part of the answer
        internal = INTERNAL in metadata or node_of(metadata).endswith(HOOKS)
        hidden = internal or NOSTREAM in tags or run in self.objects or self._in_tool(parent)
        return self.is_graph and self.shows_live and at_top and not hidden

    def _in_tool(self, run: UUID | None) -> bool:
        while run is not None:
            if run in self.tools:
                return True
            run = self.parents.get(run)
        return False


def node_of(metadata: Mapping[str, Any]) -> str:
    """The graph's node in which a model is called."""
    return str(metadata.get("langgraph_node", ""))


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
    if turn.is_off_loop:
        raise NoTurn(
            "a guarded model was called in a function that off_loop runs in a real thread: call it outside of it"
        )
    return turn
