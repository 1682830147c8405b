"""The events that the guard reports; telemetry listens, and the guard does not know about it."""

from typing import Literal, Protocol

from service.chat.attempt import RetryDenial
from service.errors import ErrorCode

BreakerState = Literal["closed", "half-open", "open"]


class Listener(Protocol):
    """reason: the failure's code, or why a retry was denied. model: a configured name.

    alone: the breaker is open for one caller only.
    """

    def retried(self, reason: ErrorCode) -> None: ...
    def retry_denied(self, reason: RetryDenial) -> None: ...
    def fell_back(self, reason: ErrorCode) -> None: ...
    def restarted(self, reason: ErrorCode) -> None: ...
    def breaker_is(self, model: str, state: BreakerState, *, alone: bool = False) -> None: ...
    def dependency_is(self, dependency: str, *, up: bool, cause: str | None = None) -> None: ...
