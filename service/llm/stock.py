"""LangChain's own client (LLM_CLIENT=stock), which the lean one builds on."""

from typing import Any

from langchain_core.language_models import LanguageModelInput
from langchain_openai import ChatOpenAI

NO_SYSTEM = {"role": "system", "content": ""}


class StockChatOpenAI(ChatOpenAI):
    """Sends no system message where there is no instruction: an empty one is refused by some servers."""

    def _get_request_payload(
        self, input_: LanguageModelInput, *, stop: list[str] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        payload = super()._get_request_payload(input_, stop=stop, **kwargs)
        payload["messages"] = [item for item in payload["messages"] if item != NO_SYSTEM]
        return payload
