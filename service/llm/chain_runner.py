"""Runs a chain for a turn: the usual shape directly, any other in a separate greenlet that never blocks its reader."""

import contextlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from typing import Any

import gevent
from gevent.queue import Empty
from langchain_core.prompts import BasePromptTemplate

from service.chat.deadline import Silence
from service.chat.events import TICK, Data, Done, Event, Restart, Token, ToolCalls
from service.chat.running_turn import RunningTurn
from service.errors import (
    AnswerEmpty,
    ChainSilent,
    ChatError,
    Detail,
    Internal,
    InvalidRequest,
    StepTimeout,
    TurnTimeout,
)
from service.llm.accumulator import ToolCallParts
from service.llm.chain_input import chain_input
from service.llm.chain_output import NotJson
from service.llm.chain_plan import FastPath, Plan
from service.llm.chain_producer import Producer, configurable
from service.llm.chain_turn import (
    TURN,
    CallEnd,
    ChainTurn,
    Ended,
    Item,
    Said,
    Surroundings,
    TookBack,
)
from service.llm.chain_watcher import ChainWatcher
from service.llm.failures import of_model
from service.llm.shown_texts import ShownTexts
from service.llm.step_failures import of_step
from service.llm.usage import total

# the keys by which chains store conversations, and the header they come from
HEADERS = {"session_id": "X-Session-ID", "thread_id": "X-Session-ID", "user_id": "X-User-ID"}
# a model call reports its own missed deadline, slightly later
GRACE_SECONDS = 3.0
POLL_SECONDS = 0.001
SETTLE_SECONDS = 0.01
ANSWERED: Any = "tool_calls"


def answer(
    name: str, plan: Plan, turn: RunningTurn, around: Surroundings
) -> Generator[Event, None, None]:
    """Yields a turn's events, each within a tick, the last one Done. Raises ChatError."""
    given = configurable(turn.prompt)
    missing = sorted({HEADERS[name] for name in plan.needs - given.keys()})
    if missing:
        reason = "must be an ID of 8 to 64 letters, digits, '.', '_' or '-': this chain remembers conversations"
        raise InvalidRequest(details=tuple(Detail(header, reason) for header in missing))
    if plan.fast is not None:
        return _fast(plan, plan.fast, turn, around)
    return _Running(name, plan, turn, around).events()


def _fast(
    plan: Plan, fast: FastPath, turn: RunningTurn, around: Surroundings
) -> Generator[Event, None, None]:
    call = _fast_call(plan, fast, turn, around)
    tools = ToolCallParts()
    with closing(around.guards.of(fast.model).answer(call, turn)) as events:
        for event in events:
            if isinstance(event, ToolCalls):
                tools.add(event.deltas)
                # they may stream for long, and the caller must be checked
                yield TICK
                continue
            if isinstance(event, Restart):
                tools = ToolCallParts()
            elif isinstance(event, Done) and tools.found:
                yield Data("tool_calls", tools.told)
            yield event


def _fast_call(plan: Plan, fast: FastPath, turn: RunningTurn, around: Surroundings) -> Any:
    token = TURN.set(ChainTurn(turn, around))
    try:
        value = chain_input(turn.prompt, plan.wanted, plan.variables)
        if fast.fill is not None and isinstance(value, dict):
            return fast.model.call_with(fast.fill(value), fast.options)
        if not fast.prompts:
            value = value["messages"] if isinstance(value, dict) else value
        for step in fast.prompts:
            value = _prompted(step, value)
        return fast.model.call_for(value, fast.options)
    finally:
        TURN.reset(token)


def _prompted(step: BasePromptTemplate[Any], value: Any) -> Any:
    """Skips invoke's callbacks: a chain with any is not run directly."""
    if isinstance(value, dict) and type(step).invoke is BasePromptTemplate.invoke:
        return step.format_prompt(**value)
    return step.invoke(value)


class _Running:
    """One turn of one chain: the producer puts items into the mailbox, and the reader turns them into events."""

    def __init__(self, name: str, plan: Plan, turn: RunningTurn, around: Surroundings) -> None:
        self._plan = plan
        self._around = around
        self._running = turn
        agent = plan.agent
        live = agent is None or agent.is_live(takes_back=turn.takes_back)
        self._turn = ChainTurn(turn, around, is_graph=plan.graph is not None, shows_live=live)
        self._watcher = ChainWatcher(name, self._turn)
        self._producer = Producer(plan, self._turn, self._watcher)
        self._shown = ShownTexts()
        self._late_since: float | None = None

    # the reader's side

    def events(self) -> Generator[Event, None, None]:
        producer = gevent.spawn(self._producer.run)
        try:
            yield from self._read()
        finally:
            # a sleeping tool is left in a greenlet that nobody waits for
            self._running.gone = True
            producer.kill(block=False)
            self._watcher.end()
            self._settle()

    def _settle(self) -> None:
        """Model calls in LangChain's own greenlets notice the end at their next tick; they have to be billed."""
        # in rounds of our own loop: one that is late has not given them their turn
        for _ in range(int(2 * self._around.tick_seconds / SETTLE_SECONDS)):
            if not self._turn.calls or not _may_wait():
                return
            gevent.sleep(SETTLE_SECONDS)

    def _read(self) -> Generator[Event, None, None]:
        silence = Silence(self._around.clock, 2 * self._around.tick_seconds)
        while True:
            silence.resume()
            items = self._arrived()
            if not items:
                self._judge(silence.step())
                yield TICK
                continue
            silence.broken()
            event: Event | None = None
            for event in self._events_of(items):
                yield event
                if isinstance(event, Done):
                    return
            if event is None:
                # everything that arrived has to wait, but the reader must not
                yield TICK

    def _arrived(self) -> list[Item]:
        mailbox = self._turn.mailbox
        try:
            items = [mailbox.get(timeout=self._around.tick_seconds)]
        except Empty:
            # our loop may be late: let the producer run before judging the silence
            gevent.sleep(POLL_SECONDS)
            items = []
        with contextlib.suppress(Empty):
            while len(items) <= mailbox.maxsize:
                items.append(mailbox.get_nowait())
        return items

    def _events_of(self, items: list[Item]) -> Iterator[Event]:
        """Joins texts that arrived together, and puts them before a failure."""
        texts: list[str] = []
        for item in items:
            if isinstance(item, Ended) and texts:
                yield Token("".join(texts))
                texts = []
            for event in self._events_of_one(item):
                if isinstance(event, Token):
                    texts.append(event.text)
                    continue
                if texts:
                    yield Token("".join(texts))
                    texts = []
                yield event
        if texts:
            yield Token("".join(texts))

    def _events_of_one(self, item: Item) -> Iterable[Event]:
        if isinstance(item, Said):
            return self._shown.say(item.call, item.text)
        if isinstance(item, TookBack):
            return self._shown.take_back(item)
        if isinstance(item, CallEnd):
            return self._shown.end(item)
        return self._end(item) if isinstance(item, Ended) else (item,)

    def _judge(self, silent_seconds: float) -> None:
        calls = self._turn.calls > 0
        if not calls and silent_seconds >= self._around.step_seconds:
            raise StepTimeout(cause="silence outside of model calls")
        if not self._running.deadline.passed():
            return
        now = self._around.clock()
        self._late_since = self._late_since or now
        if calls and now - self._late_since < GRACE_SECONDS:
            return
        raise TurnTimeout(cause="turn deadline") if calls else StepTimeout(cause="turn deadline")

    def _end(self, end: Ended) -> Iterator[Event]:
        if self._running.limit is not None:
            # even if the chain caught it
            raise self._running.limit
        if end.error is not None:
            raise self._failure(end.error)
        yield from self._shown.close()
        if rest := self._rest():
            yield from self._shown.say(None, rest)
        calls = self._producer.tool_calls
        if calls:
            yield Data("tool_calls", calls)
        if not calls and not self._shown.text and not self._producer.interrupted:
            raise AnswerEmpty(cause="chain") if self._running.calls else ChainSilent(cause="chain")
        yield self._done(has_calls=bool(calls))

    def _rest(self) -> str:
        try:
            return self._producer.rest(self._shown.by_call)
        except NotJson as kind:
            raise Internal(cause=f"the answer is no JSON: {kind}") from kind

    def _failure(self, error: BaseException) -> ChatError:
        if isinstance(error, Exception) and error in self._watcher.model_errors:
            return of_model(error)
        return of_step(error)

    def _done(self, *, has_calls: bool) -> Done:
        # a call that the chain abandoned has contributed to the answer, too
        whole = [one for one in self._running.attempts if one.result in ("ok", "cancelled")]
        answers = [attempt for attempt in whole if attempt.finish_reason is not None]
        usages = [attempt.usage for attempt in whole if attempt.usage is not None]
        costs = [attempt.cost_usd for attempt in whole if attempt.usage is not None]
        known = [cost for cost in costs if cost is not None]
        cost = round(sum(known), 10) if len(known) == len(costs) else None
        last = answers[-1] if answers else None
        ended = last.finish_reason if last is not None else None
        # a call that was cut looks like any other
        reason = "length" if ended == "length" else ANSWERED if has_calls else "stop"
        model = last.model if last is not None else self._running.prompt.model
        return Done(reason, model, total(usages), cost)


def _may_wait() -> bool:
    """False while the garbage collector closes an abandoned generator."""
    return gevent.getcurrent() is not gevent.get_hub()
