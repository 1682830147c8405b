"""The LangChain model behind the chain, and how its stream is opened."""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any, cast

import openai
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from service.chat.events import Event, ToolCalls
from service.chat.prompt import Prompt
from service.chat.running_turn import ModelGuard, RunningTurn
from service.llm.chain import build_chain
from service.llm.connections import server_at
from service.llm.openai_stream import LeanChatOpenAI, LeanStream, direct
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


@dataclass(frozen=True)
class ChainCall:
    """The whole chain as one model call."""

    prompt: Prompt
    takes_back: bool
    offers_tools: bool = False

    @property
    def model(self) -> str:
        return self.prompt.model

    @property
    def texts(self) -> list[str]:
        """What the model is sent."""
        prompt = self.prompt
        return [prompt.system, *(item.content for item in prompt.history), prompt.question]

    @property
    def question(self) -> int:
        return hash(self.prompt.question)


def answerer(guard: ModelGuard) -> Callable[[RunningTurn], Generator[Event, None, None]]:
    def answer(turn: RunningTurn) -> Generator[Event, None, None]:
        for event in guard.answer(ChainCall(turn.prompt, turn.takes_back), turn):
            if not isinstance(event, ToolCalls):
                yield event

    return answer


def opener(
    model: ChatOpenAI, name: str | None, tick_seconds: float
) -> Callable[[ChainCall, str], Stream]:
    """Opens a call's stream; name: the model asked whatever the call names, None for the call's."""

    def open_stream(call: ChainCall, request_id: str) -> Stream:
        prompt = call.prompt
        options = _options(prompt, name or prompt.model, request_id)
        chain = build_chain(cast("Any", model.bind(**options)))
        value = _input(prompt)
        return direct(chain, value) or Ticking(
            lambda: cast("Iterator[AIMessageChunk]", chain.stream(value)), tick_seconds
        )

    return open_stream


def _options(prompt: Prompt, model: str, request_id: str) -> dict[str, Any]:
    options: dict[str, Any] = {
        "model": model,
        "temperature": prompt.temperature,
        "max_tokens": prompt.max_tokens,
        "extra_headers": {"X-Request-ID": request_id},
    }
    return {name: value for name, value in options.items() if value is not None}


def _input(prompt: Prompt) -> dict[str, Any]:
    return {
        "system": prompt.system,
        "history": [_message(item.role, item.content) for item in prompt.history],
        "question": prompt.question,
    }


def _message(role: str, content: str) -> BaseMessage:
    return HumanMessage(content) if role == "user" else AIMessage(content)
