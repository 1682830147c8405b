"""Embeddings whose cost is counted; LangChain calls no callbacks for them."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from langchain_core.embeddings import Embeddings

from service.chat.attempt import Attempt
from service.chat.events import Usage
from service.llm.chain_turn import TURN

R = TypeVar("R")


class AccountedEmbeddings(Embeddings):
    """Delegates everything else to the wrapped embeddings. Outside a turn (to build an index, say) it bills nothing."""

    def __init__(self, embeddings: Embeddings, model: str | None) -> None:
        self._embeddings = embeddings
        self._model = model or str(getattr(embeddings, "model", type(embeddings).__name__))
        package = type(embeddings).__module__.partition(".")[0]
        self._provider = package.removeprefix("langchain_")

    def embed_query(self, text: str) -> list[float]:
        return self._billed([text], lambda: self._embeddings.embed_query(text))

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return self._billed(texts, lambda: self._embeddings.embed_documents(texts))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._embeddings, name)

    def _billed(self, texts: list[str], embed: Callable[[], R]) -> R:
        turn = TURN.get(None)
        if turn is None:
            return embed()
        attempt = turn.running.begin_attempt(self._model, time.monotonic(), self._provider)
        try:
            vectors = embed()
            attempt.result = "ok"
        except Exception as error:
            attempt.result, attempt.cause = "dependency_failed", type(error).__name__
            raise
        else:
            return vectors
        finally:
            self._report(attempt, turn, texts)

    def _report(self, attempt: Attempt, turn: Any, texts: list[str]) -> None:
        attempt.ended_at = time.monotonic()
        attempt.usage = turn.around.bill([], "\n".join(texts))
        attempt.usage = Usage(attempt.usage.output_tokens, 0, "estimated")
        attempt.cost_usd = turn.around.cost(self._model, attempt.usage)
        turn.running.report(attempt)
