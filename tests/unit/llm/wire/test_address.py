"""Base URLs in all the forms in which people write them."""

import base64

import pytest

from service.llm.wire.address import CHAT, MODELS, parse


@pytest.mark.parametrize(
    ("base_url", "target"),
    [
        ("https://api.openai.com/v1", "/v1/chat/completions"),
        ("https://api.openai.com/v1/", "/v1/chat/completions"),
        ("http://localhost:11434", "/chat/completions"),
        ("http://gateway/v1/chat/completions", "/v1/chat/completions"),
        ("http://gateway/v1/chat/completions/", "/v1/chat/completions"),
        ("http://gateway/openai?key=abc", "/openai/chat/completions?key=abc"),
        (
            "https://x.openai.azure.com/openai/deployments/gpt4/chat/completions?api-version=2024-10-21",
            "/openai/deployments/gpt4/chat/completions?api-version=2024-10-21",
        ),
        ("http://gateway/모델/v1", "/%EB%AA%A8%EB%8D%B8/v1/chat/completions"),
        ("http://gateway/a%20b", "/a%20b/chat/completions"),
        ("http://gateway/v1#part", "/v1/chat/completions"),
    ],
)
def test_what_stands_in_the_request_line(base_url, target):
    assert parse(base_url).target(CHAT) == target


def test_the_list_of_models_is_beside_the_completions():
    assert parse("http://h/v1/chat/completions?a=b").target(MODELS) == "/v1/models?a=b"


@pytest.mark.parametrize(
    ("base_url", "host", "port", "netloc"),
    [
        ("https://API.OpenAI.com/v1", "api.openai.com", 443, "api.openai.com"),
        ("http://llm/v1", "llm", 80, "llm"),
        ("http://llm:8080/v1", "llm", 8080, "llm:8080"),
        ("http://[::1]:8080/v1", "::1", 8080, "[::1]:8080"),
        ("http://[::1]/v1", "::1", 80, "[::1]"),
        ("http://bücher.example/v1", "xn--bcher-kva.example", 80, "xn--bcher-kva.example"),
        ("http://user:word@llm:8080/v1", "llm", 8080, "llm:8080"),
    ],
)
def test_where_it_is(base_url, host, port, netloc):
    address = parse(base_url)
    assert (address.host, address.port, address.netloc) == (host, port, netloc)


@pytest.mark.parametrize(
    ("base_url", "pair"),
    [
        ("http://llm/v1", None),
        ("http://user:word@llm/v1", "user:word"),
        ("http://user@llm/v1", "user:"),
        ("http://us%40er:w%2Fo%3Ard@llm/v1", "us@er:w/o:rd"),
        ("http://:word@llm/v1", ":word"),
    ],
)
def test_user_and_password_are_sent_as_basic(base_url, pair):
    basic = parse(base_url).basic
    assert (basic and base64.b64decode(basic.removeprefix("Basic ")).decode()) == pair


def test_nothing_secret_is_shown():
    address = parse("https://user:canary@h.example:8443/v1?key=canary")
    assert address.shown("/models") == "https://h.example:8443/v1/models"
    assert "canary" not in repr(address)
    assert base64.b64encode(b"user:canary").decode() not in repr(address)


@pytest.mark.parametrize(
    ("host", "kind"),
    [
        ("api.openai.com", "openai"),
        ("eu.api.openai.com", "openai"),
        ("mine.openai.azure.com", "azure"),
        ("mine.cognitiveservices.azure.com", "azure"),
        ("mine.services.ai.azure.com", "azure"),
        ("api.openai.com.evil.example", "other"),
        ("notapi-openai.com", "other"),
        ("api.mistral.ai", "other"),
        ("127.0.0.1", "other"),
    ],
)
def test_the_makers_of_the_api_are_known_by_their_names(host, kind):
    assert parse(f"https://{host}/v1").kind == kind
