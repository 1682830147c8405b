"""Retries and endless waits of providers' clients, switched off."""

from typing import Any

import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_ollama import ChatOllama
from langchain_openai import AzureChatOpenAI, ChatOpenAI
from pydantic import Field

from service.llm.guarded import Guarded
from service.llm.sdk_clients import Unguardable, with_timeouts, without_retries
from service.llm.steps import guarded


def made(model: BaseChatModel) -> Any:
    copy = guarded(model)
    with_timeouts(copy, 3, 125)
    return copy


def times(client: Any) -> tuple[float, float]:
    return client.timeout.connect, client.timeout.read


@pytest.mark.parametrize(
    "model",
    [
        ChatOpenAI(model="gpt-4o", api_key="k"),
        AzureChatOpenAI(
            model="gpt-4o", api_key="k", azure_endpoint="https://a.example", api_version="1"
        ),
    ],
)
def test_openais_clients_that_are_built_already(model):
    copy = made(model)
    assert (copy.max_retries, copy.root_client.max_retries) == (0, 0)
    assert copy.client._client.max_retries == 0
    assert times(copy.root_client) == times(copy.client._client) == (3, 125)


def test_anthropics_client():
    model = ChatAnthropic(model="claude-sonnet-4-5", api_key="k")
    assert model._client.max_retries == 2
    copy = made(model)
    assert (copy.max_retries, copy._client.max_retries) == (0, 0)
    assert times(copy._client) == (3, 125)
    assert model._client.max_retries == 2


def test_ollamas_client():
    assert times(made(ChatOllama(model="llama3.2"))._client._client) == (3, 125)


def test_googles_client_goes_over_http_and_asks_once():
    copy = made(ChatGoogleGenerativeAI(model="gemini-2.5-flash", api_key="k", transport="rest"))
    assert (copy.transport, copy.max_retries, copy.timeout) == ("rest", 0, 125)
    assert copy.client.transport.kind == "rest"
    assert copy.client.stream_generate_content.keywords == {"retry": None}


def test_a_model_without_any_of_this_is_guarded_as_it_is():
    assert isinstance(made(FakeListChatModel(responses=["a"])), Guarded)


class Frozen(FakeListChatModel):
    max_retries: int = Field(4, frozen=True)


def test_what_cannot_be_switched_off_is_refused_by_name():
    with pytest.raises(Unguardable, match=r"Frozen.max_retries cannot be set to 0"):
        without_retries(Frozen(responses=["a"]))
