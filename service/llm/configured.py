"""The LangChain model that the settings name: what is asked is written by it, and sent by service.llm.wire."""

from langchain_openai import ChatOpenAI


class ConfiguredChatOpenAI(ChatOpenAI):
    """A class of its own, so that it is told apart from the models that chains make."""
