"""A fallback of another provider: what the chain has bound is written in that provider's form."""

import pytest

from tests.integration.chains.test_providers import CHAIN
from tests.support.model_server import ModelServer, refuses
from tests.support.model_server import answers as openai_answers
from tests.support.provider_wire import anthropic
from tests.support.service import Service

FALLBACK = {
    "OPENAI_API_KEY": "sk-test-0123456789",
    "ANTHROPIC_API_KEY": "sk-ant-test-0123456789",
    "RETRY_ATTEMPTS": 1,
}


@pytest.mark.parametrize("chain", ["chat", "bound", "structured"])
def test_openai_is_anthropics_fallback(chain):
    with (
        ModelServer(anthropic.refuses(500, "api_error")) as primary,
        ModelServer() as second,
        Service(
            second.base_url,
            chain=CHAIN,
            LLM_MODEL="anthropic:claude-sonnet-4-5",
            ANTHROPIC_BASE_URL=f"http://{primary.address}",
            FALLBACK_MODEL="gpt-4o-mini",
            **FALLBACK,
        ) as service,
    ):
        if chain == "structured":
            second.says(openai_answers('{"name": "Seoul", "people": 9}'))
        status, _, answer = service.chat(chain=chain)
        assert (status, answer["model"]) == (200, "gpt-4o-mini")
        labels = {"gen_ai_provider_name": "openai", "gen_ai_request_model": "gpt-4o-mini"}
        assert service.metric("gen_ai_client_operation_duration_seconds_count", **labels) == 1
        (asked,) = second.bodies
        assert asked["model"] == "gpt-4o-mini"
        if chain == "bound":
            assert asked["tools"][0]["function"]["name"] == "add"
        if chain == "structured":
            assert asked["response_format"]["type"] == "json_schema"


@pytest.mark.parametrize("chain", ["chat", "bound", "agent"])
def test_anthropic_is_openais_fallback(chain):
    with (
        ModelServer(refuses(500, {"error": {"message": "no"}})) as primary,
        ModelServer(anthropic.answers()) as second,
        Service(
            primary.base_url,
            chain=CHAIN,
            LLM_MODEL="gpt-4o-mini",
            FALLBACK_MODEL="anthropic:claude-sonnet-4-5",
            FALLBACK_BASE_URL=f"http://{second.address}",
            FALLBACK_API_KEY="sk-ant-test-0123456789",
            **FALLBACK,
        ) as service,
    ):
        status, _, answer = service.chat(chain=chain)
        assert (status, answer["answer"]) == (200, "Hello world")
        assert answer["model"] == "claude-sonnet-4-5"
        (asked,) = second.bodies
        if chain != "chat":
            assert asked["tools"][0]["input_schema"]["required"] == ["a", "b"]
