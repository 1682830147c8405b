"""What a turn may use, and what it has used: the core asks, the access room answers."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from service.chat.attempt import Attempt
from service.chat.prompt import Prompt
from service.chat.running_turn import ModelCall
from service.errors import ChatError, Ending

# what a key, or a user under it, may be limited by
LimitName = Literal[
    "requests_per_minute", "tokens_per_minute", "open_answers", "budget_day", "budget_month"
]
BudgetPeriod = Literal["day", "month"]
# why a request was not taken for the holder of a key
KeyProblem = Literal["no_key", "malformed", "unknown", "disabled", "expired"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """The most that a model call should take. cost_usd None: the model has no price."""

    model: str
    input_tokens: int
    output_tokens: int
    cost_usd: float | None


class Account(Protocol):
    """One turn's. end() is taken once, later calls change nothing."""

    def begin(self, prompt: Prompt) -> None:
        """Raises Forbidden, RateLimited, BudgetExceeded, PayloadTooLarge or Unavailable."""

    def hold(self, call: ModelCall) -> AbstractContextManager[object]:
        """While a model call runs. Raises Forbidden, RateLimited, BudgetExceeded or Unavailable."""

    def attempt(self, attempt: Attempt) -> None: ...
    def end(self, ending: Ending, error: ChatError | None) -> None: ...
