"""The producer's side of a running chain: what LangChain hands out becomes items in the turn's mailbox."""

import contextlib
from typing import Any
from uuid import uuid4

import gevent
from langchain_core.messages import AIMessage, ToolMessage

from service.llm.chain_input import chain_input
from service.llm.chain_output import Outputs, is_json, messages_in, result_text
from service.llm.chain_plan import Plan
from service.llm.chain_turn import TURN, ChainTurn, Ended, Said, TurnGone
from service.llm.chain_watcher import ChainWatcher


class Producer:
    """Runs in a greenlet of its own. outputs: what the chain has handed out, besides what was said."""

    def __init__(self, plan: Plan, turn: ChainTurn, watcher: ChainWatcher) -> None:
        self.outputs = Outputs()
        self._plan = plan
        self._turn = turn
        self._watcher = watcher
        self._state: dict[str, Any] = {}

    def run(self) -> None:
        TURN.set(self._turn)
        try:
            self._stream()
        except (TurnGone, gevent.GreenletExit):
            return
        except BaseException as error:  # noqa: BLE001 - a SystemExit in a tool ends this turn, not the worker
            self._put_last(Ended(error=error))
        else:
            self._put_last(Ended())

    def _put_last(self, item: Ended) -> None:
        with contextlib.suppress(TurnGone):
            self._turn.put(item)

    def _stream(self) -> None:
        plan = self._plan
        value = chain_input(
            self._turn.running.prompt, plan.wanted, keeps_history=plan.keeps_history
        )
        config = self._config()
        if plan.graph is not None:
            if plan.before is not None:
                value = plan.before.invoke(value, config)
            self._run_graph(plan.graph, value, config)
            return
        for out in plan.chain.stream(value, config):
            text = self.outputs.read(out)
            if text and not plan.shows_model:
                self._turn.put(Said(None, text))

    def _config(self) -> Any:
        prompt = self._turn.running.prompt
        ids = {
            "session_id": prompt.session_id,
            "thread_id": prompt.session_id,
            "user_id": prompt.user_id,
            "request_id": prompt.request_id,
        }
        known = {name: value for name, value in ids.items() if value is not None}
        return {"configurable": known, "callbacks": [self._watcher]}

    def _run_graph(self, graph: Any, value: Any, config: Any) -> None:
        if self._plan.needs_session and isinstance(value, dict) and "messages" in value:
            value["messages"] = [*_cancelled_calls(graph, config), *value["messages"]]
        for mode, item in graph.stream(value, config, stream_mode=["updates", "custom"]):
            if mode == "custom":
                self._tell(item)
            elif isinstance(item, dict):
                for update in item.values():
                    self._read_update(update)

    def _tell(self, item: Any) -> None:
        """A dictionary of one key is a name and a value."""
        named = isinstance(item, dict) and len(item) == 1
        name, value = next(iter(item.items())) if named else ("custom", item)
        self._watcher.data(str(name), value)

    def _read_update(self, update: Any) -> None:
        """Messages that a node returned, and did not say while it made them; what else a state has is its result."""
        for message in messages_in(update):
            if message.id in self._turn.shown_ids and message.id is not None:
                continue
            if isinstance(message, AIMessage) and (text := str(message.text)):
                self._turn.put(Said(uuid4(), text))
            if message.id:
                self._turn.shown_ids.add(message.id)
        if isinstance(update, dict):
            self._state |= update
            self.outputs.result = update.get("structured_response", self.outputs.result)

    def rest(self, said: list[str]) -> str:
        """The object that is the answer, unless a model has said it already. said: by each call, in order."""
        if self._plan.graph is None:
            return self.outputs.end()
        if self.outputs.result is None:
            return "" if said else result_text(self._state)
        return "" if said and is_json(said[-1]) else self.outputs.end()


def _cancelled_calls(graph: Any, config: Any) -> list[ToolMessage]:
    """A turn that was left in a tool leaves calls without results, which every model refuses from then on."""
    messages = messages_in((graph.get_state(config).values or {}).get("messages") or [])
    answered = {message.tool_call_id for message in messages if isinstance(message, ToolMessage)}
    return [
        ToolMessage("The call was cancelled.", tool_call_id=call["id"] or "", status="error")
        for message in messages
        if isinstance(message, AIMessage)
        for call in message.tool_calls
        if call["id"] not in answered
    ]
