"""What happens inside a running chain, by LangChain's callbacks: tools, the chain's own events, steps' times, and model
calls that no guard sees."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.tracers._streaming import _StreamingCallbackHandler

from service.chat.attempt import Attempt
from service.chat.events import Data, Usage
from service.llm.chain_output import NotJson, jsonable, messages_in
from service.llm.chain_turn import ChainTurn, Said
from service.llm.guarded import PREFIX
from service.llm.model_call import ModelCall
from service.llm.provider_answer import REPORTS_PARTS, finish_word
from service.llm.step_times import StepTimes
from service.llm.usage import usage_of

# what LangChain itself puts between steps is no step
NO_STEPS = frozenset({"prompt", "parser"})


@dataclass
class OwnCall:
    """A call of a model that no guard stands around, as far as it went."""

    model: str
    messages: list[BaseMessage]
    options: dict[str, Any]
    attempt: Attempt
    texts: list[str] = field(default_factory=list)
    usage: Usage | None = None


class ChainWatcher(BaseCallbackHandler, _StreamingCallbackHandler[Any]):
    """One per turn, handed over in the config; the marker makes models that are invoked in a graph stream."""

    run_inline = True

    def __init__(self, chain: str, turn: ChainTurn) -> None:
        self._turn = turn
        self._around = turn.around
        self._clock = turn.around.clock
        self._own: dict[UUID, OwnCall] = {}
        self._steps = StepTimes(
            lambda step, seconds: turn.around.timed(chain, step, seconds), turn.around.clock
        )
        self._shown: set[UUID] = set()
        self._said: set[UUID] = set()
        self.model_errors: list[BaseException] = []

    def tap_output_iter(self, run_id: UUID, output: Iterator[Any]) -> Iterator[Any]:
        return output

    def tap_output_aiter(self, run_id: UUID, output: AsyncIterator[Any]) -> AsyncIterator[Any]:
        return output

    # the chain's own events

    def on_custom_event(self, name: str, data: Any, **kwargs: Any) -> None:
        self.data(name, data)

    def data(self, name: str, value: Any) -> None:
        """What is no JSON is left out: the answer goes on."""
        try:
            self._turn.put(Data(name, jsonable(value)))
        except NotJson as reason:
            self._around.dropped(name, str(reason))

    # tools

    def on_tool_start(
        self,
        serialized: Any,
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        name = kwargs.get("name") or (serialized or {}).get("name") or "tool"
        self._turn.tools.add(run_id)
        self._steps.begin(run_id, parent_run_id, name)
        self._turn.put(Data("tool", {"tool": name, "state": "started"}))

    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        self._tool_is(run_id, "finished")

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        self._tool_is(run_id, "failed")

    def _tool_is(self, run_id: UUID, state: str) -> None:
        step = self._steps.end(run_id)
        if step is not None:
            seconds = round(self._clock() - step.began, 3)
            self._turn.put(Data("tool", {"tool": step.name, "state": state, "seconds": seconds}))

    # steps

    def on_chain_start(
        self,
        serialized: Any,
        inputs: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        self._turn.parents[run_id] = parent_run_id
        if self._turn.is_graph:
            # what a node is given is not what it says
            self._turn.shown_ids.update(m.id for m in messages_in(inputs) if m.id)
        if kwargs.get("run_type") not in NO_STEPS and parent_run_id is not None:
            self._steps.begin(run_id, parent_run_id, kwargs.get("name") or _name(serialized))

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        self._steps.end(run_id)

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        self._steps.end(run_id)

    def on_retriever_start(
        self,
        serialized: Any,
        query: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        self._steps.begin(run_id, parent_run_id, kwargs.get("name") or _name(serialized))

    def on_retriever_end(self, documents: Any, *, run_id: UUID, **kwargs: Any) -> None:
        self._steps.end(run_id)

    def on_retriever_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        self._steps.end(run_id)

    # model calls

    def on_chat_model_start(
        self,
        serialized: Any,
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        self._turn.parents[run_id] = parent_run_id
        self._steps.begin(run_id, parent_run_id, "model")
        metadata = kwargs.get("metadata") or {}
        if self._turn.shows(parent_run_id, metadata, kwargs.get("tags") or []):
            self._shown.add(run_id)
        if _is_guarded(serialized, kwargs):
            return
        params = kwargs.get("invocation_params") or {}
        model = params.get("model") or params.get("model_name") or metadata.get("ls_model_name")
        model = str(model or _name(serialized))
        provider = str(metadata.get("ls_provider") or "unknown")
        attempt = self._turn.running.begin_attempt(model, self._clock(), provider)
        options = {name: params[name] for name in ("tools", "functions") if params.get(name)}
        self._own[run_id] = OwnCall(model, messages[0], options, attempt)
        self._turn.calls += 1

    def on_llm_start(
        self,
        serialized: Any,
        prompts: list[str],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        """A model of plain text."""
        messages = [BaseMessage(content=prompt, type="human") for prompt in prompts]
        self.on_chat_model_start(
            serialized, [messages], run_id=run_id, parent_run_id=parent_run_id, **kwargs
        )

    def on_llm_new_token(
        self, token: str | list[Any], *, chunk: Any = None, run_id: UUID, **kwargs: Any
    ) -> None:
        own = self._own.get(run_id)
        message = getattr(chunk, "message", None)
        text = str(message.text) if message is not None else str(token)
        if own is not None:
            self._read_own(own, text, message)
        # a guarded model that is invoked has shown its text itself
        if text and run_id in self._shown and run_id not in self._turn.live:
            self._said.add(run_id)
            self._turn.put(Said(run_id, text))

    def _read_own(self, own: OwnCall, text: str, message: Any) -> None:
        now = self._clock()
        own.texts.append(text)
        if text:
            own.attempt.chunks += 1
            own.attempt.first_chunk_at = own.attempt.first_chunk_at or now
            own.attempt.last_chunk_at = now
        reported = usage_of(message)
        # servers that report running totals: the last one is the whole
        own.usage = reported or own.usage

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        self._steps.end(run_id, counts=False)
        message = _message_of(response)
        if message is not None and run_id in self._said:
            self._turn.was_shown(message)
        own = self._own.pop(run_id, None)
        if own is None:
            return
        if message is not None:
            parts = own.attempt.provider == REPORTS_PARTS
            own.usage = (not parts and own.usage) or usage_of(message)
            own.attempt.finish_reason = finish_word(message.response_metadata)
        own.texts = own.texts or _texts_of(response)
        own.attempt.finish_reason = own.attempt.finish_reason or "stop"
        own.attempt.result = "ok"
        self._report(own)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        self._steps.end(run_id, counts=False)
        own = self._own.pop(run_id, None)
        if own is None:
            return
        self.model_errors.append(error)
        if not isinstance(error, Exception):
            own.attempt.result = "cancelled"
        else:
            own.attempt.result = "upstream_error"
            own.attempt.cause = type(error).__name__
        self._report(own)

    def end(self) -> None:
        """The turn is over: what still runs is accounted as far as it went."""
        for run_id in list(self._own):
            own = self._own.pop(run_id)
            own.attempt.result = "cancelled"
            self._report(own)

    def _report(self, own: OwnCall) -> None:
        self._turn.calls -= 1
        attempt = own.attempt
        attempt.ended_at = self._clock()
        if own.usage is None and attempt.result != "upstream_error":
            call = ModelCall(own.messages, own.options, own.model, 0, takes_back=False)
            own.usage = self._around.bill(call.texts, "".join(own.texts))
        attempt.usage = own.usage
        if attempt.usage is not None:
            attempt.cost_usd = self._around.cost(own.model, attempt.usage)
        self._turn.running.report(attempt)


def _texts_of(response: LLMResult) -> list[str]:
    return [one.text for several in response.generations for one in several]


def _message_of(response: LLMResult) -> BaseMessage | None:
    generation = (
        response.generations[0][0] if response.generations and response.generations[0] else None
    )
    return generation.message if isinstance(generation, ChatGeneration) else None


def _is_guarded(serialized: dict[str, Any] | None, about: dict[str, Any]) -> bool:
    names = [
        *((serialized or {}).get("id") or []),
        (serialized or {}).get("name"),
        about.get("name"),
    ]
    return any(str(name).startswith(PREFIX) for name in names)


def _name(serialized: dict[str, Any] | None) -> str:
    return str((serialized or {}).get("name") or "step")
