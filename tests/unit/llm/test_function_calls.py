"""OpenAI's older calls of functions, which LangChain keeps beside the message's text, and calls that are no JSON."""

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.tool import invalid_tool_call
from langchain_core.outputs import ChatGenerationChunk

from service.llm.accumulator import ToolCallParts
from service.llm.chain_output import Outputs
from service.llm.kept import Kept
from service.llm.model_call import ModelCall
from service.llm.provider_answer import ProviderAnswer, whole_chunk


def part(**called):
    return AIMessageChunk("", additional_kwargs={"function_call": called})


def test_parts_of_a_call_are_joined_whatever_each_of_them_is():
    outputs = Outputs()
    parts = [
        part(name="City", arguments=""),
        part(name="", arguments='{"na'),
        part(arguments='me": "Seoul"}'),
    ]
    assert [outputs.read(one) for one in parts] == [""] * 3
    outputs.end()
    assert outputs.tool_calls == [{"id": None, "name": "City", "args": {"name": "Seoul"}}]


def test_a_call_that_is_sent_back_counts_as_sent():
    called = {"name": "City", "arguments": '{"name": "Seoul"}'}
    said = AIMessage("", additional_kwargs={"function_call": called})
    texts = ModelCall([said], {}, "gpt-4o-mini", 0, takes_back=False).texts
    assert any("City" in text and "Seoul" in text for text in texts)


CUT = '{"name": "Seo'
FUNCTION = {"additional_kwargs": {"function_call": {"name": "City", "arguments": CUT}}}
TOOL = {"invalid_tool_calls": [invalid_tool_call(name="City", args=CUT, id="c1", error="no JSON")]}
cut = pytest.mark.parametrize("said", [FUNCTION, TOOL], ids=["function", "tool"])


@cut
def test_a_call_whose_arguments_are_no_json_is_handed_out_as_it_came(said):
    outputs = Outputs()
    assert outputs.read(AIMessage("", **said)) == ""
    (call,) = outputs.tool_calls
    assert (call["name"], call["args"]) == ("City", CUT)


@cut
def test_a_call_whose_arguments_are_no_json_counts_as_sent(said):
    texts = ModelCall([AIMessage("", **said)], {}, "gpt-4o-mini", 0, takes_back=False).texts
    assert f"City {CUT}" in texts


def test_a_call_without_a_name_has_an_empty_one():
    outputs = Outputs()
    nameless = invalid_tool_call(name=None, args=None, id=None, error=None)
    outputs.read(AIMessage("", invalid_tool_calls=[nameless]))
    assert outputs.tool_calls == [{"id": None, "name": "", "args": ""}]


def called_by(*messages):
    """The calls that a provider's class reports in these messages."""
    answer, parts = ProviderAnswer(Kept(), says_why=True), ToolCallParts()
    for chunk in answer.chunks(ChatGenerationChunk(message=one) for one in messages):
        parts.add(chunk.tool_calls)
    return [(name, arguments) for _, name, arguments in parts.found]


def test_another_providers_class_may_call_a_function():
    parts = [part(name="City", arguments='{"na'), part(arguments='me": "Seoul"}')]
    assert called_by(*parts) == [("City", '{"name": "Seoul"}')]


def test_a_model_that_cannot_stream_may_call_with_no_json():
    assert called_by(whole_chunk(AIMessage("", **TOOL))) == [("City", CUT)]


def test_a_model_that_cannot_stream_may_call_with_nothing():
    calls = [invalid_tool_call(name="City", args=None, id="c1", error=None)]
    assert called_by(whole_chunk(AIMessage("", invalid_tool_calls=calls))) == [("City", "")]
