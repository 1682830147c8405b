"""The chain of the usual shape, which runs in its reader: what the model says is seen by the reader step by step."""

from dataclasses import replace

import pytest
from langchain_openai import ChatOpenAI

from service.chat.deadline import Deadline
from service.chat.events import TICK, Data, Done, ToolCalls, Usage
from service.chat.running_turn import RunningTurn
from service.llm.chain import build_chat
from service.llm.chain_plan import plan_of
from service.llm.chain_runner import answer
from service.llm.chain_turn import Surroundings
from service.llm.guarded import guarded_copy
from tests.unit.resilience.fakes import PROMPT, Clock

DONE = Done("tool_calls", "main", Usage(1, 1, "reported"), None)


class Model:
    """Guards, and the only guard among them: says its events, and keeps the call."""

    def __init__(self, *events):
        self._events = events
        self.said = 0
        self.call = None

    def of(self, _model):
        return self

    def answer(self, call, _turn):
        self.call = call
        for event in self._events:
            self.said += 1
            yield event


def configured():
    model = ChatOpenAI(model="main", api_key="none", base_url="http://127.0.0.1:9")
    return guarded_copy(model, is_configured=True)


def turn_of(chain, model, prompt=PROMPT):
    clock = Clock()
    around = Surroundings(model, None, None, None, None, 30, 0.25, clock)
    turn = RunningTurn(prompt, Deadline.after(60, clock), lambda _: None, 20)
    return answer("chat", plan_of(chain), turn, around)


def test_the_reader_has_its_turn_while_tool_calls_arrive():
    deltas = [{"index": 0, "function": {"arguments": part}} for part in ('{"a"', ": ", "1}")]
    model = Model(*(ToolCalls([delta]) for delta in deltas), DONE)
    events = [(event, model.said) for event in turn_of(build_chat(configured()), model)]
    assert events[:3] == [(TICK, 1), (TICK, 2), (TICK, 3)]
    assert events[3:] == [
        (Data("tool_calls", [{"id": None, "name": "", "args": {"a": 1}}]), 4),
        (DONE, 4),
    ]


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_what_a_chain_binds_wins_by_whatever_name(name):
    model = Model(DONE)
    asked = replace(PROMPT, own=frozenset({"max_tokens", "temperature"}), temperature=0.5)
    list(turn_of(build_chat(configured().bind(**{name: 5})), model, asked))
    assert model.call.options["max_tokens"] == 5
    assert name == "max_tokens" or name not in model.call.options
    assert model.call.most_tokens == 5
    assert model.call.own == {"temperature"}
