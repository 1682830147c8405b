"""The LangChain model behind the chain, and how its stream is opened."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import openai
from langchain_core.language_models import BaseChatModel
from langchain_core.outputs import ChatGenerationChunk
from langchain_openai import ChatOpenAI
from openai.lib._parsing import type_to_response_format_param
from pydantic import SecretStr

from service.chat.running_turn import ModelGuard
from service.llm.connections import server_at
from service.llm.guarded import Guarded
from service.llm.model_call import ModelCall
from service.llm.openai_stream import LeanChatOpenAI, LeanStream
from service.llm.provider_chunks import whole_chunk
from service.llm.stock import StockChatOpenAI
from service.llm.ticking import Ticking

NO_KEY = "none"


@dataclass(frozen=True)
class Access:
    """Where a model is reached. read_seconds: a backstop under the app's own deadlines."""

    base_url: str
    api_key: str
    connect_seconds: float
    read_seconds: float
    connections: int


def build_model(model: str, access: Access, *, lean: bool, tick_seconds: float) -> ChatOpenAI:
    """One per worker, after the fork: it holds the connection pool. Raises UnusableProxy for lean.

    Everything that the environment or a model's name could change behind our back is said explicitly.
    """
    # said twice: LangChain's is what counts for a request, and a plain number would be its connect timeout, too
    timeout = openai.Timeout(access.read_seconds, connect=access.connect_seconds)
    client = openai.DefaultHttpxClient(
        timeout=timeout, limits=_limits(access.connections), follow_redirects=False
    )
    kind = LeanChatOpenAI if lean else StockChatOpenAI
    built = kind(
        model=model,
        api_key=SecretStr(access.api_key or NO_KEY),
        base_url=access.base_url,
        timeout=timeout,
        max_retries=0,
        stream_usage=True,
        use_responses_api=False,
        http_client=client,
        organization="",
        output_version="v0",
    )
    if isinstance(built, LeanChatOpenAI):
        key, seconds = access.api_key or NO_KEY, access.connect_seconds
        server = server_at(access.base_url, key, seconds, access.connections)
        built.reads_from(server, tick_seconds)
    return built


def _limits(connections: int) -> Any:
    return type(openai.DEFAULT_CONNECTION_LIMITS)(
        max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=30
    )


Stream = Ticking | LeanStream
Opener = Callable[[ModelCall, str], Stream]


def opener(model: ChatOpenAI, name: str | None, tick_seconds: float) -> Opener:
    """Opens a call's stream; name: the model asked whatever the call names, None for the call's."""

    def open_stream(call: ModelCall, request_id: str) -> Stream:
        options = {
            **call.options,
            "model": name or call.model,
            "extra_headers": {**call.options.get("extra_headers", {}), "X-Request-ID": request_id},
        }
        if isinstance(options.get("response_format"), type):
            options["response_format"] = type_to_response_format_param(options["response_format"])
        stream = (
            model.ticking(call.messages, **options) if isinstance(model, LeanChatOpenAI) else None
        )
        return stream or Ticking(lambda: model._stream(call.messages, **options), tick_seconds)  # noqa: SLF001

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
