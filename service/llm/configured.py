"""The LangChain model that the settings name: what is asked is written by it, and sent by service.llm.wire."""

from langchain_openai import ChatOpenAI


class ConfiguredChatOpenAI(ChatOpenAI):
    """A subclass, so that it can be distinguished from models that chains create."""
