"""Calls of unguarded models that a chain created itself: limited like all others, and billed as far as they go."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

import gevent
from langchain_core.messages import BaseMessage
from langchain_core.outputs import LLMResult

from service.chat.attempt import Attempt
from service.chat.events import Usage
from service.errors import ChatError
from service.llm.chain_turn import ChainTurn, TurnGone
from service.llm.event_loops import current_task
from service.llm.model_call import ModelCall
from service.llm.provider_answer import REPORTS_PARTS, finish_word
from service.llm.usage import usage_of


@dataclass
class OwnCall:
    """A call of an unguarded model, as far as it went. interrupt: ends it where it waits for a silent model."""

    model: str
    messages: list[BaseMessage]
    options: dict[str, Any]
    attempt: Attempt
    interrupt: Callable[[], object]
    texts: list[str] = field(default_factory=list)
    usage: Usage | None = None


class OwnCalls:
    """The calls of one turn, by run; fed by LangChain's callbacks. Raises TurnGone."""

    def __init__(self, turn: ChainTurn) -> None:
        self._turn = turn
        self._around = turn.around
        self._clock = turn.around.clock
        self._running: dict[UUID, OwnCall] = {}
        self._left: set[UUID] = set()

    def begin(
        self, run_id: UUID, kind: str, messages: list[BaseMessage], about: dict[str, Any]
    ) -> None:
        """kind: the name of the model's class. about: LangChain's keyword arguments."""
        self._may_begin()
        metadata = about.get("metadata") or {}
        params = about.get("invocation_params") or {}
        model = params.get("model") or params.get("model_name") or metadata.get("ls_model_name")
        model = str(model or kind)
        provider = str(metadata.get("ls_provider") or "unknown")
        attempt = self._turn.running.begin_attempt(model, self._clock(), provider)
        options = {name: params[name] for name in ("tools", "functions") if params.get(name)}
        self._running[run_id] = OwnCall(model, messages, options, attempt, self._interrupter())
        self._turn.calls += 1

    def _may_begin(self) -> None:
        """Applies the guard's limits. Raises TurnGone, because LangChain turns a handler's Exceptions into warnings."""
        if self._turn.running.gone:
            raise TurnGone
        try:
            self._turn.running.begin_call()
        except ChatError as limit:
            raise TurnGone from limit

    def read(self, run_id: UUID, text: str, message: Any) -> None:
        own = self._running.get(run_id)
        if own is None:
            if run_id in self._left:
                raise TurnGone
            return
        now = self._clock()
        own.texts.append(text)
        if text:
            own.attempt.chunks += 1
            own.attempt.first_chunk_at = own.attempt.first_chunk_at or now
            own.attempt.last_chunk_at = now
        # some servers report running totals: the last one is complete
        own.usage = usage_of(message) or own.usage

    def end(self, run_id: UUID, response: LLMResult, message: BaseMessage | None) -> None:
        own = self._ended(run_id)
        if own is None:
            return
        if message is not None:
            parts = own.attempt.provider == REPORTS_PARTS
            own.usage = (not parts and own.usage) or usage_of(message)
            if _is_cached(message):
                own.usage = Usage(0, 0, "reported")
            own.attempt.finish_reason = finish_word(message.response_metadata)
        own.texts = own.texts or _texts_of(response)
        own.attempt.finish_reason = own.attempt.finish_reason or "stop"
        own.attempt.result = "ok"
        self._report(own)

    def fail(self, run_id: UUID, error: BaseException) -> OwnCall | None:
        """Ends the call, if it is one of these."""
        own = self._ended(run_id)
        if own is None:
            return None
        if not isinstance(error, Exception):
            own.attempt.result = "cancelled"
        else:
            own.attempt.result = "upstream_error"
            own.attempt.cause = type(error).__name__
        self._report(own)
        return own

    def close(self) -> None:
        """The turn is over: ends running calls, and bills them as far as they went."""
        for run_id in list(self._running):
            own = self._running.pop(run_id)
            self._left.add(run_id)
            own.attempt.result = "cancelled"
            self._report(own)
            self._turn.hub.loop.run_callback(self._interrupt, run_id, own)

    def _interrupt(self, run_id: UUID, own: OwnCall) -> None:
        """Called by the loop, between greenlets: a call that has ended since is left alone, and so is what follows."""
        if run_id in self._left:
            own.interrupt()

    def _interrupter(self) -> Callable[[], object]:
        """Killing the producer does not reach a call in an executor's greenlet, whose end the producer waits for."""
        if self._turn.is_off_loop:
            return lambda: None
        task = current_task()
        if task is not None:
            return partial(task.get_loop().call_soon_threadsafe, task.cancel)
        return partial(gevent.getcurrent().throw, TurnGone)

    def _ended(self, run_id: UUID) -> OwnCall | None:
        self._left.discard(run_id)
        return self._running.pop(run_id, None)

    def _report(self, own: OwnCall) -> None:
        self._turn.calls -= 1
        attempt = own.attempt
        attempt.ended_at = self._clock()
        text = "".join(own.texts)
        if own.usage is None and (text or attempt.result != "upstream_error"):
            call = ModelCall(own.messages, own.options, own.model, 0, takes_back=False)
            own.usage = self._around.bill(call.texts, text)
        attempt.usage = own.usage
        if attempt.usage is not None:
            attempt.cost_usd = self._around.cost(own.model, attempt.usage)
        self._turn.running.report(attempt)


def _is_cached(message: BaseMessage) -> bool:
    """Whether an answer comes from LangChain's cache, which marks it so. It keeps the usage of the first time."""
    return "total_cost" in (getattr(message, "usage_metadata", None) or {})


def _texts_of(response: LLMResult) -> list[str]:
    return [one.text for several in response.generations for one in several]
