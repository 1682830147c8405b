"""Model names as configured: `anthropic:claude-sonnet-4-5` names its provider, `gpt-4o-mini` is OpenAI's."""

from typing import NamedTuple

OPENAI = "openai"
# the providers LangChain's init_chat_model knows; any other prefix is part of the name (llama3.1:8b)
PROVIDERS = frozenset(
    {
        OPENAI, "anthropic", "anthropic_bedrock", "azure_ai", "azure_openai", "baseten", "bedrock", "bedrock_converse",
        "cohere", "deepseek", "fireworks", "google_anthropic_vertex", "google_genai", "google_vertexai", "groq", "ibm",
        "litellm", "meta", "mistralai", "nvidia", "ollama", "openrouter", "perplexity", "together", "upstage", "xai",
    }
)  # fmt: skip


class ModelName(NamedTuple):
    """name: without the provider, as in requests, prices and metrics."""

    provider: str
    name: str


def parse(written: str) -> ModelName:
    provider, colon, name = written.partition(":")
    if colon and name and provider in PROVIDERS:
        return ModelName(provider, name)
    return ModelName(OPENAI, written)
