"""The record of one attempt at an upstream: when it ran, how it ended and what it used."""

from dataclasses import dataclass
from typing import Literal

from service.chat.events import Usage
from service.errors import ErrorCode, SetUp

# ended without an error: complete, or cancelled by us or the caller
NoError = Literal["ok", "cancelled"]
AttemptResult = NoError | ErrorCode
# why a retryable failure was not retried
RetryDenial = Literal["budget", "deadline", "waits", "retry_after"]


@dataclass(slots=True)
class Attempt:
    """One request to one upstream. Times are monotonic seconds; None: it did not happen.

    id: sent upstream as X-Request-ID. provider: whose API is used. refused: which part of our configuration the
    provider rejects.
    """

    model: str
    started_at: float
    ended_at: float = 0.0
    first_chunk_at: float | None = None
    last_chunk_at: float | None = None
    chunks: int = 0
    result: AttemptResult = "cancelled"
    cause: str | None = None
    refused: SetUp | None = None
    finish_reason: str | None = None
    usage: Usage | None = None
    cost_usd: float | None = None
    id: str = ""
    provider: str = "openai"

    @property
    def mean_gap(self) -> float | None:
        """Mean seconds between pieces of content; None for fewer than two."""
        if self.chunks < 2 or self.first_chunk_at is None or self.last_chunk_at is None:
            return None
        return (self.last_chunk_at - self.first_chunk_at) / (self.chunks - 1)
