"""Builds the configured LangChain model and opens its streams."""

from collections.abc import Callable
from typing import Any

import openai
from langchain_openai import ChatOpenAI
from openai.lib._parsing import type_to_response_format_param
from pydantic import SecretStr

from service.chat.running_turn import ModelGuard
from service.llm.configured import ConfiguredChatOpenAI
from service.llm.conversion import in_openai_form
from service.llm.model_call import ModelCall
from service.llm.ticking import Ticking
from service.llm.wire.answer_stream import AnswerStream
from service.llm.wire.client import NO_KEY, Access, Client

# some servers reject an empty instruction
NO_SYSTEM = {"role": "system", "content": ""}


def build_model(model: str, access: Access) -> ConfiguredChatOpenAI:
    """One per worker, to compose requests. Everything that the environment could change is set explicitly."""
    return ConfiguredChatOpenAI(
        model=model,
        api_key=SecretStr(access.api_key or NO_KEY),
        base_url=access.base_url,
        max_retries=0,
        stream_usage=True,
        use_responses_api=False,
        organization="",
        output_version="v0",
        # these clients send nothing, but would fail on an unsupported kind of proxy
        http_client=openai.DefaultHttpxClient(trust_env=False),
        http_async_client=openai.DefaultAsyncHttpxClient(trust_env=False),
    )


Stream = Ticking | AnswerStream
Opener = Callable[[ModelCall, str], Stream]


def opener(model: ChatOpenAI, client: Client, name: str | None) -> Opener:
    """Opens a call's stream. name: the model to call; None: the one that the call names."""

    def open_stream(call: ModelCall, request_id: str) -> Stream:
        call.kept.forget()
        options = {**in_openai_form(call), "model": name or call.model}
        if isinstance(options.get("response_format"), type):
            options["response_format"] = type_to_response_format_param(options["response_format"])
        asked = model._get_request_payload(call.messages, **options)  # noqa: SLF001
        asked["messages"] = [message for message in asked["messages"] if message != NO_SYSTEM]
        return client.stream(asked, call.own, request_id)

    return open_stream


class Guards:
    """Finds a model's guard: the one for the configured model, or one created once for a model of a chain's own."""

    def __init__(self, configured: ModelGuard, make: Callable[[Any], ModelGuard]) -> None:
        self._configured = configured
        self._make = make

    def of(self, model: Any) -> ModelGuard:
        if model._is_configured:  # noqa: SLF001
            return self._configured
        if model._guard is None:  # noqa: SLF001
            model._guard = self._make(model)  # noqa: SLF001
        guard: ModelGuard = model._guard  # noqa: SLF001
        return guard
