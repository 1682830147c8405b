"""The producer's side of a running chain: turns LangChain's output into items in the turn's mailbox."""

import contextlib
from typing import Any

from langchain_core.messages import AIMessage, ToolMessage

from service.chat.prompt import Prompt
from service.llm.chain_input import chain_input
from service.llm.chain_output import Outputs, messages_in
from service.llm.chain_plan import Plan
from service.llm.chain_turn import TURN, ChainTurn, Ended, Said, TurnGone
from service.llm.chain_watcher import WATCHER, ChainWatcher
from service.llm.graph_outputs import GraphOutputs


class Producer:
    """Runs in a separate greenlet. outputs: the chain's output other than text that was shown."""

    def __init__(self, plan: Plan, turn: ChainTurn, watcher: ChainWatcher) -> None:
        self._input = chain_input(
            turn.running.prompt, plan.wanted, plan.variables, keeps_history=bool(plan.needs)
        )
        self.outputs = Outputs(
            self._input,
            adds_lists=plan.adds_lists,
            answer_field=plan.answer_field,
            fields=plan.fields,
        )
        self._plan = plan
        self._turn = turn
        self._watcher = watcher
        self._graph = GraphOutputs(turn, watcher.data, plan.agent)

    @property
    def interrupted(self) -> bool:
        return self._graph.interrupted

    def run(self) -> None:
        TURN.set(self._turn)
        WATCHER.set(self._watcher)
        try:
            self._stream()
        except BaseException as error:  # noqa: BLE001 - a SystemExit in a tool ends this turn, not the worker
            # if the turn is over, nobody reads the mailbox; this ends the producer
            self._put_last(Ended(error=error))
        else:
            self._put_last(Ended())

    def _put_last(self, item: Ended) -> None:
        with contextlib.suppress(TurnGone):
            self._turn.put(item)

    def _stream(self) -> None:
        plan = self._plan
        value = self._input
        known = configurable(self._turn.running.prompt)
        config: Any = {"configurable": known, "callbacks": [self._watcher]}
        if plan.graph is not None:
            if plan.before is not None:
                value = plan.before.invoke(value, config)
            self._run_graph(plan.graph, value, config)
            return
        for out in plan.chain.stream(value, config):
            text = self.outputs.read(out)
            if text and not (plan.shows_model or self._turn.has_spoken):
                self._turn.put(Said(None, text))

    def _run_graph(self, graph: Any, value: Any, config: Any) -> None:
        if self._plan.needs and isinstance(value, dict) and "messages" in value:
            value["messages"] = [*_cancelled_calls(graph, config), *value["messages"]]
        modes: Any = ["updates", "custom", *(["values"] if self._plan.agent is None else [])]
        for mode, item in graph.stream(value, config, stream_mode=modes):
            if mode == "custom":
                self._graph.tell(item)
            elif mode == "values":
                self._graph.end_step(item)
            elif isinstance(item, dict):
                self._graph.read(item)
        self._graph.close()

    @property
    def tool_calls(self) -> list[dict[str, Any]]:
        return (self.outputs if self._plan.graph is None else self._graph).tool_calls

    def rest(self, said: list[str]) -> str:
        """An answer that is an object, unless a model's text was it already. said: by call, in order."""
        return self.outputs.end() if self._plan.graph is None else self._graph.end(said)


def configurable(prompt: Prompt) -> dict[str, str]:
    """The keys by which chains find conversations and callers."""
    ids = {
        "session_id": prompt.session_id,
        "thread_id": prompt.session_id,
        "user_id": prompt.user_id,
        "request_id": prompt.request_id,
    }
    return {name: value for name, value in ids.items() if value is not None}


def _cancelled_calls(graph: Any, config: Any) -> list[ToolMessage]:
    """Results for the tool calls of an abandoned turn: without them, every model would reject the conversation."""
    messages = messages_in((graph.get_state(config).values or {}).get("messages") or [])
    answered = {message.tool_call_id for message in messages if isinstance(message, ToolMessage)}
    return [
        ToolMessage("The call was cancelled.", tool_call_id=call["id"] or "", status="error")
        for message in messages
        if isinstance(message, AIMessage)
        for call in message.tool_calls
        if call["id"] not in answered
    ]
