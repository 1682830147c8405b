"""Decides which failures count against a model, and against which callers.

One caller's input may make a model fail every time, and must not block the model for everybody else. So each turn and
each question count once, and failures that all come from one caller count against that caller only.
"""

from dataclasses import dataclass
from hashlib import blake2b

from service.chat.running_turn import ModelCall, RunningTurn

# whose requests are meant: each element narrows the previous one; () means everybody
Scope = tuple[str, ...]
EVERYBODY: Scope = ()


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a model call comes from. caller: digests of the address and the user."""

    turn: str
    question: int
    caller: Scope

    @classmethod
    def of(cls, call: ModelCall, turn: RunningTurn) -> "Origin":
        prompt = turn.prompt
        caller = (_digest(prompt.address), _digest(prompt.user_id or ""))
        return cls(prompt.turn_id, call.question, caller)

    def within(self, scope: Scope) -> bool:
        return self.caller[: len(scope)] == scope


class Tally:
    """The failures since the last success or change of state. scope: the narrowest one that covers them all."""

    def __init__(self) -> None:
        self._turns: set[str] = set()
        self._questions: set[int] = set()
        self.scope: Scope = EVERYBODY

    def __len__(self) -> int:
        return len(self._turns)

    def add(self, origin: Origin, *, systemic: bool) -> None:
        """systemic: neither the question nor the caller can be the cause of the failure."""
        if origin.turn in self._turns or (not systemic and origin.question in self._questions):
            return
        caller = EVERYBODY if systemic else origin.caller
        self.scope = _common(self.scope, caller) if self._turns else caller
        self._turns.add(origin.turn)
        if not systemic:
            self._questions.add(origin.question)


def _common(one: Scope, other: Scope) -> Scope:
    shared = 0
    while shared < min(len(one), len(other)) and one[shared] == other[shared]:
        shared += 1
    return one[:shared]


def _digest(name: str) -> str:
    """Breakers share scopes through Redis, which should not learn who the callers are."""
    return blake2b(name.encode(), digest_size=6).hexdigest()
