"""The call under protection."""

from collections.abc import Callable, Generator
from dataclasses import dataclass

from service.chat.events import Attempt, Done, Event
from service.chat.prompt import Prompt
from service.resilience.attempt import Call, Patience, Upstream
from service.resilience.deadline import Clock, Deadline


@dataclass(frozen=True)
class Guard:
    """Asks the upstream once, within the turn's deadline."""

    primary: Upstream
    patience: Patience
    turn_seconds: float
    clock: Clock

    def answer(
        self, prompt: Prompt, report: Callable[[Attempt], None]
    ) -> Generator[Event, None, None]:
        deadline = Deadline.after(self.turn_seconds, self.clock)
        call = Call(self.primary, prompt, self.patience, deadline, self.clock)
        try:
            yield from call.events()
        finally:
            report(call.attempt)
        yield whole(call.attempt)


def whole(attempt: Attempt) -> Done:
    """The end of an answer whose attempt ended well."""
    assert attempt.finish_reason is not None
    assert attempt.usage is not None
    return Done(attempt.finish_reason, attempt.model, attempt.usage, attempt.cost_usd)
