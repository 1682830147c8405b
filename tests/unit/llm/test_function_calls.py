"""OpenAI's older calls of functions, which LangChain keeps beside the message's text."""

from langchain_core.messages import AIMessage, AIMessageChunk

from service.llm.chain_output import Outputs
from service.llm.model_call import ModelCall


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
