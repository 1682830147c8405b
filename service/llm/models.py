"""The LangChain model behind the chain, and how its stream is opened."""

from collections.abc import Callable, Iterator
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.outputs import ChatGenerationChunk
from langchain_openai import ChatOpenAI
from openai.lib._parsing import type_to_response_format_param
from pydantic import SecretStr

from service.chat.running_turn import ModelGuard
from service.llm.configured import ConfiguredChatOpenAI
from service.llm.guarded import Guarded
from service.llm.model_call import ModelCall
from service.llm.provider_chunks import whole_chunk
from service.llm.ticking import Ticking
from service.llm.wire.answer_stream import AnswerStream
from service.llm.wire.client import NO_KEY, Access, Client

# an empty one is refused by some servers
NO_SYSTEM = {"role": "system", "content": ""}


def build_model(model: str, access: Access) -> ConfiguredChatOpenAI:
    """One per worker. It writes what is asked; whatever the environment could change behind our back is said."""
    return ConfiguredChatOpenAI(
        model=model,
        api_key=SecretStr(access.api_key or NO_KEY),
        base_url=access.base_url,
        max_retries=0,
        stream_usage=True,
        use_responses_api=False,
        organization="",
        output_version="v0",
    )


Stream = Ticking | AnswerStream
Opener = Callable[[ModelCall, str], Stream]


def opener(model: ChatOpenAI, client: Client, name: str | None) -> Opener:
    """Opens a call's stream; name: the model asked whatever the call names, None for the call's."""

    def open_stream(call: ModelCall, request_id: str) -> Stream:
        options = {**call.options, "model": name or call.model}
        if isinstance(options.get("response_format"), type):
            options["response_format"] = type_to_response_format_param(options["response_format"])
        asked = model._get_request_payload(call.messages, **options)  # noqa: SLF001
        asked["messages"] = [message for message in asked["messages"] if message != NO_SYSTEM]
        return client.stream(asked, call.own, request_id)

    return open_stream


def own_opener(model: Any, tick_seconds: float) -> Opener:
    """Opens a call of a guarded model of the chain's own, by its provider's class."""
    bare: Any = super(Guarded, model)

    def generations(call: ModelCall) -> Iterator[ChatGenerationChunk]:
        if type(model)._stream_of_provider is not BaseChatModel._stream:  # noqa: SLF001
            yield from bare._stream(call.messages, **call.options)  # noqa: SLF001
            return
        message = bare._generate(call.messages, **call.options).generations[0].message  # noqa: SLF001
        yield ChatGenerationChunk(message=whole_chunk(message))

    return lambda call, _request_id: Ticking(lambda: generations(call), tick_seconds)


class Guards:
    """Finds a model's guard: the configured one's, or one that is made once for a model of the chain's own."""

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
