"""Whose model a name is."""

import pytest
from langchain.chat_models.base import _BUILTIN_PROVIDERS

from service.llm import extras
from service.settings import UnsafeSettings, load
from service.settings.names import PROVIDERS, parse
from tests.support.service import ROOT

# they need more than a name, or ask OpenAI's classes in another way
LEFT_OUT = {"huggingface", "langsmith", "bedrock_mantle_anthropic", "bedrock_mantle_openai"}


@pytest.mark.parametrize(
    ("written", "provider", "name"),
    [
        ("gpt-4o-mini", "openai", "gpt-4o-mini"),
        ("openai:gpt-4o", "openai", "gpt-4o"),
        ("anthropic:claude-sonnet-4-5", "anthropic", "claude-sonnet-4-5"),
        ("ollama:llama3.1:8b", "ollama", "llama3.1:8b"),
        ("llama3.1:8b", "openai", "llama3.1:8b"),
        ("ft:gpt-4o-mini:org::id", "openai", "ft:gpt-4o-mini:org::id"),
        ("anthropic/claude-sonnet-4-5", "openai", "anthropic/claude-sonnet-4-5"),
        ("anthropic:", "openai", "anthropic:"),
        ("", "openai", ""),
    ],
)
def test_only_a_providers_name_in_front_is_one(written, provider, name):
    assert parse(written) == (provider, name)


def test_the_providers_are_langchains():
    assert set(_BUILTIN_PROVIDERS) - LEFT_OUT == PROVIDERS


def test_names_are_used_without_their_provider():
    loaded = load(
        {
            "LLM_MODEL": "anthropic:a",
            "LLM_MODELS": "anthropic:b",
            "FALLBACK_MODEL": "gpt-4o",
            "ANTHROPIC_API_KEY": "k",
            "OPENAI_API_KEY": "o",
        }
    )
    assert (loaded.provider, loaded.models, loaded.api_key) == ("anthropic", ("a", "b"), "k")
    assert (loaded.fallback, loaded.fallback_key) == (("openai", "gpt-4o"), "o")
    assert loaded.for_packages == {"ANTHROPIC_API_KEY": "k", "OPENAI_API_KEY": "o"}


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"LLM_MODEL": "anthropic:a"}, "ANTHROPIC_API_KEY is not set"),
        ({"LLM_MODEL": "google_genai:a"}, "GOOGLE_API_KEY is not set"),
        (
            {"LLM_MODEL": "ollama:a", "LLM_MODELS": "b"},
            "LLM_MODELS: b belongs to another provider than LLM_MODEL; write ollama:NAME",
        ),
        ({"LLM_MODEL": "ollama:a", "FALLBACK_MODEL": "gpt-4o"}, "OPENAI_API_KEY is not set"),
        (
            {"OPENAI_API_KEY": "k", "FALLBACK_MODEL": "anthropic:a"},
            "ANTHROPIC_API_KEY is not set",
        ),
    ],
)
def test_what_is_missing_is_named(variables, sentence):
    with pytest.raises(UnsafeSettings, match=sentence):
        load(variables)


@pytest.mark.parametrize(
    "variables",
    [
        {"LLM_MODEL": "ollama:a"},
        {"LLM_MODEL": "anthropic:a", "ANTHROPIC_BASE_URL": "http://gateway"},
        {"LLM_MODEL": "groq:a"},
    ],
)
def test_not_all_need_a_key(variables):
    assert load(variables).api_key == ""


def test_the_fallbacks_key_goes_to_its_providers_address_alone():
    variables = {"OPENAI_API_KEY": "o", "ANTHROPIC_API_KEY": "a", "FALLBACK_MODEL": "anthropic:x"}
    assert load(variables).fallback_key == "a"
    assert load(variables | {"FALLBACK_BASE_URL": "http://elsewhere"}).fallback_key == ""
    assert load(variables | {"FALLBACK_API_KEY": "own"}).fallback_key == "own"


@pytest.mark.parametrize(("provider", "extra"), [(k, v[0]) for k, v in extras.EXTRAS.items()])
def test_a_package_that_is_missing_is_named_with_the_way_to_it(monkeypatch, provider, extra):
    extras.require(provider)
    monkeypatch.setattr(extras, "find_spec", lambda _: None)
    with pytest.raises(extras.MissingExtra, match=rf'EXTRAS="{extra}"'):
        extras.require(provider)


def test_each_extra_has_a_lock_that_the_image_can_install():
    dockerfile = (ROOT / "Dockerfile").read_text()
    ignored = (ROOT / ".dockerignore").read_text()
    for extra, _ in extras.EXTRAS.values():
        lock = f"requirements-{extra}.txt"
        assert (ROOT / lock).is_file()
        assert lock in dockerfile
        assert f"!{lock}" in ignored


def test_what_is_no_extra_is_nobodys_business():
    extras.require("openai")
    extras.require("mistralai")
