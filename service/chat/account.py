"""What a turn may use and has used: the interface that the access room implements."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from service.chat.attempt import Attempt
from service.chat.prompt import Prompt
from service.chat.running_turn import ModelCall
from service.errors import ChatError, Ending

# the limits of a key, or of a user under it
LimitName = Literal[
    "requests_per_minute", "tokens_per_minute", "open_answers", "budget_day", "budget_month"
]
BudgetPeriod = Literal["day", "month"]
# why a request's key was not accepted
KeyProblem = Literal["no_key", "malformed", "unknown", "disabled", "expired"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """An upper estimate for a model call. cost_usd None: the model has no price."""

    model: str
    input_tokens: int
    output_tokens: int
    cost_usd: float | None


class Account(Protocol):
    """The account of one turn. Only the first end() counts."""

    def begin(self, prompt: Prompt) -> None:
        """Raises Forbidden, RateLimited, BudgetExceeded, PayloadTooLarge or Unavailable."""

    def hold(self, call: ModelCall) -> AbstractContextManager[object]:
        """Held while a model call runs. Raises Forbidden, RateLimited, BudgetExceeded or Unavailable."""

    def attempt(self, attempt: Attempt) -> None: ...
    def end(self, ending: Ending, error: ChatError | None) -> None: ...
