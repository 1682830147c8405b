"""Watches a running chain through LangChain's callbacks: tools, custom events, step times, unguarded model calls."""

import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextvars import ContextVar
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.tracers._streaming import _StreamingCallbackHandler
from langchain_core.tracers.context import register_configure_hook
from langgraph.errors import GraphBubbleUp

from service.chat.events import Data
from service.llm.chain_output import NotJson, jsonable, messages_in
from service.llm.chain_turn import NOSTREAM, CallEnd, ChainTurn, Said, node_of
from service.llm.failures import of_model
from service.llm.guarded import PREFIX
from service.llm.own_calls import OwnCalls
from service.llm.step_times import StepTimes

# callbacks that a step passes to a call replace those of the config; hooks stay
WATCHER: ContextVar[Any] = ContextVar("chain_watcher", default=None)
register_configure_hook(WATCHER, inheritable=True)
MOST_NAME_CHARS = 256
# LangChain's own connecting parts are not steps
NO_STEPS = frozenset({"prompt", "parser"})
# the metadata with which with_structured_output marks its calls
OBJECT = "ls_structured_output_format"


class ChainWatcher(BaseCallbackHandler, _StreamingCallbackHandler[Any]):
    """One per turn, passed in the config. The marker makes models that are invoked inside a graph stream."""

    run_inline = True

    def __init__(self, chain: str, turn: ChainTurn) -> None:
        self._turn = turn
        self._around = turn.around
        self._clock = turn.around.clock
        self._own = OwnCalls(turn)
        self._steps = StepTimes(
            lambda step, seconds: turn.around.timed(chain, step, seconds), turn.around.clock
        )
        # the nodes of the model calls that are shown
        self._shown: dict[UUID, str] = {}
        self._said: set[UUID] = set()
        self._hidden: set[UUID] = set()
        self.model_errors: list[BaseException] = []

    def tap_output_iter(self, run_id: UUID, output: Iterator[Any]) -> Iterator[Any]:
        other = self._other_tap(sys._getframe(1).f_locals)  # noqa: SLF001
        return output if other is None else other.tap_output_iter(run_id, output)

    def tap_output_aiter(self, run_id: UUID, output: AsyncIterator[Any]) -> AsyncIterator[Any]:
        other = self._other_tap(sys._getframe(1).f_locals)  # noqa: SLF001
        return output if other is None else other.tap_output_aiter(run_id, output)

    def _other_tap(self, caller: Mapping[str, Any]) -> Any:
        """The handler of the chain's own astream_events(): LangChain asks only the first one that taps, which is ours.

        caller: its variables. LangGraph asks all of them.
        """
        if caller.get("stream_handler") is not self:
            return None
        taps = (
            h for h in caller["run_manager"].handlers if isinstance(h, _StreamingCallbackHandler)
        )
        return next((one for one in taps if one is not self), None)

    # custom events

    def on_custom_event(self, name: str, data: Any, **kwargs: Any) -> None:
        self.data(name, data)

    def data(self, name: Any, value: Any) -> None:
        """Data that cannot be JSON is dropped; the answer goes on."""
        name = str(name)
        if len(name) > MOST_NAME_CHARS:
            self._around.dropped(name[:MOST_NAME_CHARS], f"a name of {len(name)} characters")
            return
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
        # a tool that asks a human or hands over to another agent ends with an exception
        self._tool_is(run_id, "finished" if isinstance(error, GraphBubbleUp) else "failed")

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
            # a node's input is not its output
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
        tags = kwargs.get("tags") or []
        if OBJECT in (kwargs.get("options") or {}):
            self._turn.objects.add(run_id)
        if NOSTREAM in tags:
            self._hidden.add(run_id)
        if self._turn.shows(run_id, parent_run_id, metadata, tags):
            self._shown[run_id] = node_of(metadata)
        if _is_guarded(serialized, kwargs):
            return
        self._own.begin(run_id, _name(serialized), messages[0], kwargs)

    def on_llm_start(
        self,
        serialized: Any,
        prompts: list[str],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        """For plain text models (not chat models)."""
        messages = [BaseMessage(content=prompt, type="human") for prompt in prompts]
        self.on_chat_model_start(
            serialized, [messages], run_id=run_id, parent_run_id=parent_run_id, **kwargs
        )

    def on_llm_new_token(
        self, token: str | list[Any], *, chunk: Any = None, run_id: UUID, **kwargs: Any
    ) -> None:
        message = getattr(chunk, "message", None)
        text = str(message.text) if message is not None else str(token)
        self._own.read(run_id, text, message)
        # a guarded model has already shown its text itself
        if text and run_id in self._shown and run_id not in self._turn.live:
            self._said.add(run_id)
            self._turn.put(Said(run_id, text))

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        self._steps.end(run_id, counts=False)
        message = _message_of(response)
        if run_id in self._hidden and message is not None and message.id:
            self._turn.hidden_ids.add(message.id)
        if run_id in self._said:
            self._turn.put(CallEnd(run_id))
            if message is not None:
                self._turn.was_shown(message, run_id, self._shown[run_id])
        self._own.end(run_id, response, message)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        self._steps.end(run_id, counts=False)
        own = self._own.fail(run_id, error)
        if own is None:
            return
        if run_id in self._said and isinstance(error, Exception):
            self._turn.fail(run_id, of_model(error), own.model, has_said=True)
        self.model_errors.append(error)

    def end(self) -> None:
        """The turn is over."""
        self._own.close()


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
