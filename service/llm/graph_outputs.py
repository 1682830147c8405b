"""Reads the output of a LangGraph graph: its nodes' messages and state updates, and its writer's data."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    RemoveMessage,
    ToolMessage,
    convert_to_messages,
)

from service.llm.accumulator import is_json
from service.llm.agents import AFTER, MODEL, Agent
from service.llm.chain_output import as_text, calls_of, messages_in, text_of_tool
from service.llm.chain_turn import ChainTurn
from service.llm.shown_messages import ShownMessages, added, added_to

ANSWER_FIELDS = ("answer", "output", "response", "result", "generation")
MESSAGES = "messages"
# LangGraph's name for it
INTERRUPT = "__interrupt__"


class GraphOutputs:
    """One per turn. tell_data: called with name and value. interrupted: a node called `interrupt`, to ask a human."""

    def __init__(
        self, turn: ChainTurn, tell_data: Callable[[str, Any], None], agent: Agent | None = None
    ) -> None:
        self.interrupted = False
        self._agent = agent
        self._tell_data = tell_data
        self._shown = ShownMessages(turn)
        self._holds = agent is not None and agent.holds(takes_back=turn.running.takes_back)
        self._state: dict[str, Any] = {}
        self._result: Any = None
        self._last: BaseMessage | None = None
        # of the running step, and of the one before
        self._step: list[BaseMessage] = []
        self._last_step: list[BaseMessage] = []
        # the state's last one, if the latest step has added any
        self._ends_in: BaseMessage | None = None
        # what may still be redacted or replaced, by id
        self._held: dict[str, BaseMessage] = {}

    def tell(self, item: Any) -> None:
        """Passes on the writer's data. A dictionary with one key is a name and a value."""
        named = isinstance(item, dict) and len(item) == 1
        name, value = next(iter(item.items())) if named else ("custom", item)
        self._tell_data(str(name), value)

    def read(self, updates: Mapping[str, Any]) -> None:
        for node, update in updates.items():
            if node == INTERRUPT:
                self._interrupt(update)
                continue
            parts = update if isinstance(update, list) else [update]
            if self._agent is not None and node == MODEL:
                self._shown.keep([one for part in parts for one in _messages(part)], node)
            if node != MODEL and not node.endswith(AFTER):
                self._release()
            for part in parts:
                self._read(part)

    def end_step(self, state: Any) -> None:
        """state: after the step's nodes, of which those that ran in parallel are in an order of their own."""
        messages = messages_in(state.get(MESSAGES) if isinstance(state, Mapping) else state)
        # the state completes the arguments of calls that were cut
        as_returned = {message.id: message for message in self._step}
        last = messages[-1] if messages and self._step else None
        self._ends_in = last and as_returned.get(last.id, last)
        self._last_step, self._step = self._step, []

    def _interrupt(self, interrupts: Any) -> None:
        self.interrupted = True
        for one in interrupts:
            self._tell_data("interrupt", one.value)

    def _read(self, update: Any) -> None:
        """Takes the messages that a node returned and has not shown already; other state is the result."""
        messages = _messages(update)
        is_state = isinstance(update, Mapping)
        for message in messages:
            self._say(message, may_hide=is_state)
        if not is_state or MESSAGES in update:
            self._step += messages
        if isinstance(update, Mapping):
            self._state |= update
            # what a task returned before was a step on the way
            self._result = self._state.get("structured_response")
        elif update is not None:
            # from a function that is an entrypoint or a task
            self._result = None if messages else update

    def _say(self, message: BaseMessage, *, may_hide: bool) -> None:
        if isinstance(message, RemoveMessage):
            self._remove(message)
            return
        self._last = message
        if self._agent is not None and self._agent.answers_object:
            return
        if may_hide and self._shown.hides(message):
            return
        if not self._holds:
            self._shown.say(message)
        elif message.id in self._held or not self._shown.knows(message):
            self._held[message.id or uuid4().hex] = message

    def _remove(self, removed: RemoveMessage) -> None:
        """Removed right after it was said: it was rejected. Older messages are removed to save tokens."""
        self._held.pop(str(removed.id), None)
        if self._last is not None and self._last.id == removed.id:
            self._shown.remove(self._last)

    def _release(self) -> None:
        held, self._held = self._held, {}
        for message in held.values():
            # the middleware's input since
            self._shown.forget(message)
            self._shown.say(message)

    def close(self) -> None:
        """The graph has ended."""
        self._release()
        if isinstance(self._result, str) and not self.interrupted:
            self._shown.end_in(self._result)
        if self._last is not None:
            # some guardrails change the message itself
            self._shown.revise(self._last)

    def end(self, said: list[str]) -> str:
        """Returns the remaining text. said: by call, in order."""
        if self._result is not None:
            return self._unsaid(said) if said else _text_of(self._result)
        if isinstance(self._last, ToolMessage) and not self.interrupted:
            return text_of_tool(self._last)
        if not said and self._last is not None and self._answers(self._last):
            return str(self._last.text)
        if said:
            return self._hidden_end(said) or self._added(said[-1])
        return "" if self.tool_calls else _state_text(self._state)

    @property
    def tool_calls(self) -> list[dict[str, Any]]:
        """The calls that the graph leaves to its caller by ending in them; an agent's are its own."""
        last = self._ends_in
        if self._agent is not None or self.interrupted or self._result is not None:
            return []
        answers = _answer_field(self._state) is not None
        return calls_of(last) if isinstance(last, AIMessage) and not answers else []

    def _hidden_end(self, said: list[str]) -> str:
        """The graph's last message, if nothing of its last step was shown: it is the answer, whatever came before."""
        last = self._ends_in
        if last is None or not all(self._shown.hides(message) for message in self._last_step):
            return ""
        text = str(last.text)
        is_said = text.strip() in (one.strip() for one in said)
        return text if self._answers(last) and not is_said else ""

    def _answers(self, message: BaseMessage) -> bool:
        """Whether an unseen message is the answer. Supervisors take what an agent said as a human's, with its name."""
        if self._shown.hides(message):
            return not self.interrupted and _answer_field(self._state) is None
        if isinstance(message, AIMessage):
            return self._agent is not None
        return isinstance(message, HumanMessage) and bool(message.name) and not self.interrupted

    def _unsaid(self, said: list[str]) -> str:
        """What of a function's result is not said yet; an object may have been said as JSON."""
        if not isinstance(self._result, str):
            return "" if is_json(said[-1]) else as_text(self._result)
        rest = added_to(self._result, said)
        return self._result if rest is None else rest

    def _added(self, said: str) -> str:
        """What a node has added to its model's text, such as sources."""
        answer = _answer_field(self._state)
        return (added(answer, said) or "") if isinstance(answer, str) else ""


def _text_of(result: Any) -> str:
    return result if isinstance(result, str) else as_text(result)


def _messages(update: Any) -> list[BaseMessage]:
    """Messages in any form graphs accept, including dictionaries and pairs."""
    told = update.get(MESSAGES) if isinstance(update, Mapping) else None
    if told is None:
        return messages_in(update)
    try:
        return convert_to_messages(told if isinstance(told, list) else [told])
    except (ValueError, TypeError, NotImplementedError):
        return messages_in(update)


def _answer_field(state: Mapping[str, Any]) -> Any:
    return next((state[name] for name in ANSWER_FIELDS if state.get(name) is not None), None)


def _state_text(state: Mapping[str, Any]) -> str:
    """The answer of a graph without messages: its answer field, or the whole state as JSON."""
    answer = _answer_field(state)
    if answer is not None:
        return _text_of(answer)
    rest = {name: value for name, value in state.items() if name != MESSAGES}
    return as_text(rest) if rest else ""
