"""Models of other providers: built by LangChain's init_chat_model and called through their own classes."""

from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, SystemMessage
from langchain_core.outputs import ChatGenerationChunk

from service.chat.events import Chunk
from service.llm.asked_model import with_options
from service.llm.conversion import in_openai_form, to_provider
from service.llm.guarded import ASKED, guarded_copy, provider_class
from service.llm.model_call import ModelCall
from service.llm.provider_answer import ProviderAnswer, whole_chunk
from service.llm.sdk_clients import with_timeouts, without_retries
from service.llm.ticking import Ticking
from service.llm.wire.client import Access

# the names of address and key in each provider's class
KEYWORDS = {
    "anthropic": ("base_url", "api_key"),
    "google_genai": ("base_url", "api_key"),
    "azure_openai": ("azure_endpoint", "api_key"),
    "ollama": ("base_url", None),
}
# gRPC blocks all other greenlets while it waits
FIXED: Mapping[str, Mapping[str, Any]] = {"google_genai": {"transport": "rest"}}
NO_KEY = "none"
ADDRESSES = ("base_url", "openai_api_base", "anthropic_api_url", "azure_endpoint", "endpoint")
# packages whose clients can send headers per call
WITH_HEADERS = ("langchain_openai", "langchain_anthropic")

# every provider's package reports a finish reason, except these
UNSAID = ("langchain_core", "langchain_community")


class UnusableModel(ValueError):
    """The configured model cannot be built."""


def build_model(provider: str, name: str, access: Access) -> Any:
    """The configured model, guarded: one per worker, after the fork. Raises UnusableModel with one sentence.

    An empty address means the provider's default.
    """
    # slow to import, and most deployments use OpenAI's API
    from langchain.chat_models import init_chat_model  # noqa: PLC0415

    options = dict(FIXED.get(provider, {}))
    address, key = KEYWORDS.get(provider, (None, None))
    if address and access.base_url:
        options[address] = access.base_url
    if key:
        options[key] = access.api_key or NO_KEY
    try:
        model = guarded_copy(
            init_chat_model(name, model_provider=provider, **options), is_configured=True
        )
        without_retries(model)
        with_timeouts(model, access.connect_seconds, access.read_seconds)
    except Exception as error:
        # the reader is the operator, at start: the error's own text helps
        words = f"{type(error).__name__}: {error}".splitlines()[0][:300]
        raise UnusableModel(f"the model {provider}:{name}: {words}") from error
    return model


def place_of(model: Any) -> tuple[Any, ...]:
    """The server of a model: models at the same one share breakers."""
    return provider_class(model), *(str(getattr(model, name, None)) for name in ADDRESSES)


def provider_of(model: Any) -> str:
    """The provider's name as in LLM_MODEL, if LangChain's class reveals it."""
    return str(model._get_ls_params().get("ls_provider") or "unknown")  # noqa: SLF001


def provider_opener(
    model: Any, name: str | None, tick_seconds: float
) -> Callable[[ModelCall, str], Ticking]:
    """Opens a call with its provider's class. name: the model to call; None: the one that the call names.

    A copy of the model that the chain made is called as it is.
    """
    kind = provider_class(model)

    def open_stream(call: ModelCall, request_id: str) -> Ticking:
        options = {**call.options, "model": name or call.model}
        by = call.by
        if provider_class(by) is not kind:
            by, options = (
                model,
                to_provider(in_openai_form(call), model) | {"model": options["model"]},
            )
        return Ticking(lambda: _chunks(by, options, call, request_id), tick_seconds)

    return open_stream


def _chunks(
    model: Any, options: Mapping[str, Any], call: ModelCall, request_id: str
) -> Generator[Chunk, None, None]:
    asked, options = with_options(model, options)
    package = str(provider_class(model).__module__).partition(".")[0]
    if package in WITH_HEADERS:
        headers = options.get("extra_headers") or {}
        options["extra_headers"] = {**headers, "X-Request-ID": request_id}
    answer = ProviderAnswer(
        call.kept, says_why=package.startswith("langchain_") and package not in UNSAID
    )
    yield from answer.chunks(_generations(asked, _said(call.messages), options))


def _generations(
    model: Any, messages: list[BaseMessage], options: Mapping[str, Any]
) -> Iterator[ChatGenerationChunk]:
    ASKED.set(model)
    kind = provider_class(model)
    if kind._stream is not BaseChatModel._stream:  # noqa: SLF001
        yield from kind._stream(model, messages, **options)  # noqa: SLF001
        return
    message = kind._generate(model, messages, **options).generations[0].message  # noqa: SLF001
    yield ChatGenerationChunk(message=whole_chunk(message))


def _said(messages: list[BaseMessage]) -> list[BaseMessage]:
    """The messages without an empty instruction, which some providers reject."""
    return [one for one in messages if one.content or not isinstance(one, SystemMessage)]
