"""The configured LangChain model. It composes the request, and service.llm.wire sends it."""

from langchain_openai import ChatOpenAI


class ConfiguredChatOpenAI(ChatOpenAI):
    """A subclass, so that it can be distinguished from models that chains create themselves."""
