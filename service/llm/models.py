"""The LangChain model behind the chain, and the call of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import openai
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from service.chat.prompt import Prompt
from service.llm.chain import build_chain
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


def build_model(model: str, access: Access) -> ChatOpenAI:
    """One per worker, after the fork: it holds the connection pool.

    Everything that the environment or a model's name could change behind our back is said explicitly.
    """
    client = openai.DefaultHttpxClient(
        timeout=openai.Timeout(access.read_seconds, connect=access.connect_seconds),
        limits=_limits(access.connections),
        follow_redirects=False,
    )
    return ChatOpenAI(
        model=model,
        api_key=SecretStr(access.api_key or NO_KEY),
        base_url=access.base_url,
        timeout=access.read_seconds,
        max_retries=0,
        stream_usage=True,
        use_responses_api=False,
        http_client=client,
        organization="",
        output_version="v0",
    )


def _limits(connections: int) -> Any:
    return type(openai.DEFAULT_CONNECTION_LIMITS)(
        max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=30
    )


def opener(model: ChatOpenAI, name: str | None, tick_seconds: float) -> Callable[[Prompt], Ticking]:
    """Opens a prompt's stream; name: the model asked whatever the prompt names, None for the prompt's."""

    def open_stream(prompt: Prompt) -> Ticking:
        chain = build_chain(cast("Any", model.bind(**_options(prompt, name or prompt.model))))
        return Ticking(
            lambda: cast("Iterator[AIMessageChunk]", chain.stream(_input(prompt))), tick_seconds
        )

    return open_stream


def _options(prompt: Prompt, model: str) -> dict[str, Any]:
    options: dict[str, Any] = {
        "model": model,
        "max_tokens": prompt.max_tokens,
        "extra_headers": {"X-Request-ID": prompt.request_id},
    }
    if prompt.temperature is not None:
        options["temperature"] = prompt.temperature
    return options


def _input(prompt: Prompt) -> dict[str, Any]:
    return {
        "system": prompt.system,
        "history": [_message(item.role, item.content) for item in prompt.history],
        "question": prompt.question,
    }


def _message(role: str, content: str) -> BaseMessage:
    return HumanMessage(content) if role == "user" else AIMessage(content)
