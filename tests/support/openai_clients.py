"""OpenAI's clients as users run them. Those that the service does not depend on run in their own environments.

with every_client() as clients:
    found = clients["openai-node"](url, "hi", model="sim", streams=True)
    found.text, found.finish, found.error
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Self

import httpx
import openai
import pytest
from langchain_openai import ChatOpenAI

from tests.support.service import ROOT

ENVIRONMENT = ROOT / ".venv" / "clients"
PROGRAMS = ROOT / "tests/integration/openai/clients"
NODE = ("node", str(PROGRAMS / "clients.mjs"), str(ENVIRONMENT))
NODE_CLIENTS = (
    "openai-node",
    "openai-node runner",
    "@ai-sdk/openai",
    "@ai-sdk/openai-compatible",
)
NAMES = ("openai-python", "langchain", *NODE_CLIENTS, "litellm")
# a connection that ends in mid-stream is not wrapped
FAILURES = (openai.OpenAIError, httpx.HTTPError)
LITELLM = (str(ENVIRONMENT / "bin/python"), str(PROGRAMS / "litellm_client.py"))


@dataclass(frozen=True)
class Error:
    """What a client raised. kind: its class."""

    kind: str
    message: str
    status: int | None = None
    code: str | None = None
    requestId: str | None = None  # noqa: N815 - the name that Node's client has for it


@dataclass(frozen=True)
class Outcome:
    """What the client's user gets from one call."""

    text: str
    finish: str | None
    usage: int | None
    error: Error | None


class Program:
    """A process that is given calls and answers with outcomes, one a line."""

    def __init__(self, command: tuple[str, ...]) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, client: str, url: str, question: str, **call: Any) -> Outcome:
        asked = {
            "client": client,
            "url": f"{url}/v1",
            "key": "none",
            "messages": [{"role": "user", "content": question}],
            **call,
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        told = json.loads(self._process.stdout.readline())
        error = told.pop("error")
        return Outcome(**told, error=Error(**error) if error else None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # its pipes are closed with it
        with self._process:
            self._process.kill()


Ask = Callable[..., Outcome]


@contextmanager
def every_client() -> Iterator[dict[str, Ask]]:
    """By name; each is asked (url, question, model=…, streams=…)."""
    require()
    with Program(NODE) as node, Program(LITELLM) as litellm:
        yield {
            "openai-python": ask_openai,
            "langchain": ask_langchain,
            **{name: partial(node.ask, name) for name in NODE_CLIENTS},
            "litellm": partial(litellm.ask, "litellm"),
        }


def require() -> None:
    if shutil.which("node") and (ENVIRONMENT / "node_modules").is_dir():
        return
    lacking = "OpenAI's clients are not installed (make .venv/.clients; it needs node and npm)"
    if os.environ.get("CI"):
        pytest.fail(lacking)
    pytest.skip(lacking)


def ask_openai(url: str, question: str, *, model: str, streams: bool) -> Outcome:
    read = Read()
    asked = {"model": model, "messages": [{"role": "user", "content": question}]}
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        create: Any = client.chat.completions.create
        try:
            if streams:
                for chunk in create(**asked, stream=True, stream_options={"include_usage": True}):
                    read.chunk(chunk)
            else:
                read.chunk(create(**asked))
        except FAILURES as error:
            return read.outcome(error)
    return read.outcome()


def ask_langchain(url: str, question: str, *, model: str, streams: bool) -> Outcome:
    chat = ChatOpenAI(
        model=model,
        base_url=f"{url}/v1",
        api_key="none",  # type: ignore[arg-type]
        max_retries=0,
        stream_usage=True,
    )
    read = Read()
    try:
        for message in chat.stream(question) if streams else [chat.invoke(question)]:
            read.text += message.text
            read.finish = message.response_metadata.get("finish_reason", read.finish)
            if message.usage_metadata:
                read.usage = message.usage_metadata["total_tokens"]
    except FAILURES as error:
        return read.outcome(error)
    return read.outcome()


@dataclass
class Read:
    """What a Python client has given so far."""

    text: str = ""
    finish: str | None = None
    usage: int | None = None

    def chunk(self, chunk: Any) -> None:
        for choice in chunk.choices:
            said = choice.delta if hasattr(choice, "delta") else choice.message
            self.text += said.content or ""
            self.finish = choice.finish_reason or self.finish
        if chunk.usage:
            self.usage = chunk.usage.total_tokens

    def outcome(self, error: Exception | None = None) -> Outcome:
        return Outcome(self.text, self.finish, self.usage, _described(error) if error else None)


def _described(error: Exception) -> Error:
    return Error(
        type(error).__name__,
        str(error),
        getattr(error, "status_code", None),
        getattr(error, "code", None),
        getattr(error, "request_id", None),
    )
