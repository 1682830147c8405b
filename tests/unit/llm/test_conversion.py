"""What a chain has bound for one provider, asked of another."""

import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.tools import tool
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_ollama import ChatOllama
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

from service.llm.conversion import to_openai, to_provider


class City(BaseModel):
    name: str


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


MODELS = {
    "anthropic": ChatAnthropic(model="claude-sonnet-4-5", api_key="k"),
    "google": ChatGoogleGenerativeAI(model="gemini-2.5-flash", api_key="k", transport="rest"),
    "ollama": ChatOllama(model="llama3.2"),
}
OPENAI = ChatOpenAI(model="gpt-4o", api_key="k")


@pytest.fixture(params=MODELS)
def model(request):
    return MODELS[request.param]


def test_tools_become_openais(model):
    converted = to_openai(model.bind_tools([add]).kwargs)
    ((one,),) = converted.values()
    assert one["function"]["name"] == "add"
    assert one["function"]["parameters"]["required"] == ["a", "b"]


@pytest.mark.parametrize("choice", ["any", "add"])
def test_a_tool_that_has_to_be_called(model, choice):
    if isinstance(model, ChatOllama):
        pytest.skip("it knows no choice")
    converted = to_openai(model.bind_tools([add], tool_choice=choice).kwargs)["tool_choice"]
    named = {"type": "function", "function": {"name": "add"}}
    assert converted == ("required" if choice == "any" else named)


def test_the_form_of_an_answer_becomes_openais(model):
    bound = model.with_structured_output(City, method="json_schema").first.kwargs
    converted = to_openai(bound)["response_format"]
    assert converted["type"] == "json_schema"
    assert converted["json_schema"]["schema"]["properties"]["name"]["type"] == "string"


def test_what_only_the_provider_knows_is_left_out():
    search = {"type": "web_search_20250305", "name": "web_search"}
    assert to_openai({"tools": [search], "betas": ["x"], "thinking": {"type": "enabled"}}) == {}


def test_plain_options_stay():
    plain = {"temperature": 0.1, "max_tokens": 5, "stop": ["x"]}
    assert to_openai(plain) == to_provider(plain, MODELS["ollama"]) == plain


def test_openais_tools_become_the_providers(model):
    bound = OPENAI.bind_tools([add], tool_choice="any").kwargs
    again = to_openai(to_provider(bound, model))
    assert again["tools"][0]["function"]["name"] == "add"


def test_openais_form_of_an_answer_becomes_the_providers(model):
    bound = OPENAI.with_structured_output(City, method="json_schema").first.kwargs
    again = to_openai(to_provider(bound, model))["response_format"]
    assert again["json_schema"]["schema"]["properties"]["name"]["type"] == "string"
