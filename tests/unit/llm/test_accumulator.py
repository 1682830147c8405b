"""Messages, and their tool calls, from the pieces that servers write them in."""

import pytest

from service.chat.events import Thinking, Token, ToolCalls
from service.llm.accumulator import Accumulator, ToolCallParts
from service.llm.wire.frames import FrameReader
from tests.support.model_server import choice, fin


def piece(arguments, name=None, **more):
    function = {"arguments": arguments} if name is None else {"name": name, "arguments": arguments}
    return {"function": function, **more}


TWO = [("a", "f", '{"x":1}'), ("b", "g", '{"y":2}')]
PIECES = {
    "openai": [[piece("", "f", index=0, id="a")], [piece('{"x":1}', index=0)], [piece("", "g", index=1, id="b")],
               [piece('{"y"', index=1)], [piece(":2}", index=1)]],
    "at once": [[piece('{"x":1}', "f", index=0, id="a"), piece('{"y":2}', "g", index=1, id="b")]],
    "at once, no numbers": [[piece('{"x":1}', "f", id="a"), piece('{"y":2}', "g", id="b")]],
    "no numbers": [[piece('{"x":1}', "f", id="a")], [piece('{"y":2}', "g", id="b")]],
    "no numbers, in pieces": [[piece('{"x"', "f", id="a")], [piece(":1}")], [piece("", "g", id="b")],
                              [piece('{"y":2}')]],
    "null numbers": [[piece('{"x":1}', "f", id="a", index=None)], [piece('{"y":2}', "g", id="b", index=None)]],
    "one number for all": [[piece('{"x":1}', "f", id="a", index=0)], [piece('{"y":2}', "g", id="b", index=0)]],
    "one number, in pieces": [[piece('{"x"', "f", id="a", index=0)], [piece(":1}", index=0)],
                              [piece('{"y"', "g", id="b", index=0)], [piece(":2}", index=0)]],
    "a new id in each piece": [[piece('{"x"', "f", id="a", index=0)], [piece(":1}", id="a2", index=0)],
                               [piece('{"y":2}', "g", id="b", index=1)]],
    "arguments as an object": [[piece({"x": 1}, "f", id="a", index=0)], [piece({"y": 2}, "g", id="b", index=1)]],
    "numbers as text": [[piece("", "f", index="0", id="a"), piece("", "g", index="1", id="b")],
                        [piece('{"x":1}', index="0")], [piece('{"y":2}', index="1")]],
    "from one": [[piece('{"x":1}', "f", index=1, id="a")], [piece('{"y":2}', "g", index=2, id="b")]],
}  # fmt: skip


@pytest.mark.parametrize("pieces", PIECES.values(), ids=PIECES)
def test_two_calls_stay_two(pieces):
    reader, parts = FrameReader(), ToolCallParts()
    for delta in pieces:
        parts.add(reader.read(choice({"tool_calls": delta})).tool_calls)
    assert parts.found == TWO
    assert reader.read(fin("stop")).finish_reason == "tool_calls"


@pytest.mark.parametrize("number", [{}, {"index": 0}, {"index": 0, "id": ""}, {"id": None}])
@pytest.mark.parametrize("at_once", [True, False])
def test_two_whole_calls_without_ids_stay_two(number, at_once):
    calls = [piece('{"x":1}', "f", **number), piece('{"y":2}', "g", **number)]
    reader, parts = FrameReader(), ToolCallParts()
    for deltas in [calls] if at_once else [[call] for call in calls]:
        parts.add(reader.read(choice({"tool_calls": deltas})).tool_calls)
    assert [call[1:] for call in parts.found] == [("f", '{"x":1}'), ("g", '{"y":2}')]


def test_a_name_in_each_piece_is_one_call():
    reader, parts = FrameReader(), ToolCallParts()
    for arguments in ('{"x"', ":1", "}"):
        delta = {"tool_calls": [piece(arguments, "f", index=0)]}
        parts.add(reader.read(choice(delta)).tool_calls)
    assert parts.found == [(None, "f", '{"x":1}')]


def test_the_call_of_older_servers():
    reader, parts = FrameReader(), ToolCallParts()
    for call in ({"name": "f", "arguments": ""}, {"arguments": '{"x"'}, {"arguments": ":1}"}):
        parts.add(reader.read(choice({"function_call": call})).tool_calls)
    assert parts.found == [(None, "f", '{"x":1}')]


def test_halves_of_an_emoji_are_joined():
    whole = Accumulator()
    for half in ("\ud83d", "\ude00"):
        whole.add(Token(half))
        whole.add(Thinking(half))
    for part in ('{"x":"\ud83d', '\ude00"}'):
        whole.add(ToolCalls([piece(part, "f", index=0, id="a")]))
    whole.add(Token(" \ud83d alone"))
    message = whole.message()
    assert message.content == "😀 \ufffd alone"
    assert message.additional_kwargs["reasoning_content"] == "😀"
    assert message.tool_calls[0]["args"] == {"x": "😀"}


LONG = 92055901755477000271990251


def test_arguments_keep_a_number_of_more_than_64_bits():
    whole = Accumulator()
    whole.add(ToolCalls([piece(f'{{"n": {LONG}, "m": [-{LONG}]}}', "f", index=0, id="a")]))
    (call,) = whole.message().tool_calls
    assert call["args"] == {"n": LONG, "m": [-LONG]}


def test_an_answer_with_a_schema_keeps_a_number_of_more_than_64_bits():
    whole = Accumulator()
    whole.add(Token(f'{{"n": {LONG}}}'))
    message = whole.message({"response_format": {"type": "json_object"}})
    assert message.additional_kwargs["parsed"] == {"n": LONG}
