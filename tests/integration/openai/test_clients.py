"""Clients that leave, that lose patience, and that try again: what reaches the model."""

import openai
import pytest
from langchain_openai import ChatOpenAI

from tests.support.openai_clients import every_client
from tests.support.service import Service
from tests.support.simulator import SimulatorProcess, directive

SLOW = directive(tokens=1000, gap=0.02)


@pytest.fixture(scope="module")
def clients():
    with every_client() as clients:
        yield clients


@pytest.fixture(scope="module")
def _simulator():
    with SimulatorProcess() as running:
        yield running


@pytest.fixture
def simulator(_simulator):
    _simulator.reset()
    return _simulator


@pytest.fixture(scope="module")
def service(_simulator):
    with Service(_simulator.base_url, RETRY_ATTEMPTS=1, BREAKER_FAILURES=10_000) as running:
        yield running


def langchain(service, **more):
    return ChatOpenAI(model="sim", base_url=f"{service.url}/v1", api_key="none", **more)


@pytest.mark.parametrize("client", ["openai-node", "@ai-sdk/openai", "@ai-sdk/openai-compatible"])
def test_a_client_that_aborts_in_mid_answer_ends_the_call(clients, service, simulator, client):
    found = clients[client](service.url, SLOW, model="sim", streams=True, leaveAfter=20)
    assert found.finish is None
    assert simulator.wait(aborted=1)["requests"] == 1


def test_a_langchain_stream_that_is_closed_ends_the_call(service, simulator):
    stream = langchain(service).stream(SLOW)
    next(stream)
    stream.close()
    assert simulator.wait(aborted=1)["requests"] == 1


@pytest.mark.parametrize("streams", [False, True], ids=["whole", "streamed"])
def test_a_client_that_loses_patience_ends_the_call(clients, service, simulator, streams):
    silent = directive(fault="silent")
    asked = {"model": "sim", "streams": streams, "timeout": 500}
    found = clients["openai-node"](service.url, silent, **asked)
    assert found.error.kind == "APIConnectionTimeoutError"
    simulator.wait(aborted=1)
    client = langchain(service, timeout=0.5, max_retries=0)
    with pytest.raises(openai.APITimeoutError):
        list(client.stream(silent) if streams else [client.invoke(silent)])
    assert simulator.wait(aborted=2)["requests"] == 2


@pytest.mark.parametrize("fault", [429, 500, 503, "reset-before"])
@pytest.mark.parametrize("client", ["openai-node", "openai-node runner", "litellm"])
def test_a_clients_own_retries_are_spared(clients, service, simulator, client, fault):
    question = directive(fault=fault, first=0.01)
    found = clients[client](service.url, question, model="sim", streams=True, retries=2)
    assert found.error
    # a kept connection that was reset is replaced
    assert simulator.stats()["requests"] <= (2 if fault == "reset-before" else 1)


def test_langchains_with_retry_tries_again_as_it_says(service, simulator):
    chat = langchain(service)
    question = directive(fault=503, times=1)
    with pytest.raises(openai.InternalServerError):
        chat.invoke(question)
    simulator.reset()
    again = chat.with_retry(retry_if_exception_type=(openai.APIError,), stop_after_attempt=2)
    assert again.invoke(question).text
    assert simulator.stats()["requests"] == 2
    # what has been shown cannot be taken back, and LangChain does not try
    simulator.reset()
    with pytest.raises(openai.APIError):
        list(again.stream(directive(fault="cut", times=1)))
    assert simulator.stats()["requests"] == 1


def test_langchain_counts_the_tokens_of_a_stream(service, simulator):
    whole = None
    for message in langchain(service, stream_usage=True).stream(directive(tokens=7)):
        whole = message if whole is None else whole + message
    (answered,) = simulator.requests()
    counted = answered["usage"]
    assert whole.usage_metadata["input_tokens"] == counted["prompt_tokens"]
    assert whole.usage_metadata["output_tokens"] == counted["completion_tokens"] == 7
