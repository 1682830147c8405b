"""The model call under protection, on one page: ask each model, retry, go on to the next; restart what was cut."""

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass

from service.chat.attempt import Attempt
from service.chat.events import TICK, Done, Event, Restart, Token
from service.chat.prompt import Prompt
from service.errors import ChatError, CircuitOpen, Rejected, UpstreamFailure
from service.resilience.breaker import Breaker, Permit
from service.resilience.call import Patience, Upstream, UpstreamCall
from service.resilience.deadline import Clock, Deadline
from service.resilience.listener import Listener
from service.resilience.retry import RetryPolicy

Steps = Generator[Event, None, Attempt]


@dataclass(frozen=True)
class Route:
    """A way to an answer: an upstream, and the breaker of each of its models."""

    upstream: Upstream
    breakers: dict[str, Breaker]

    def breaker(self, prompt: Prompt) -> Breaker:
        return self.breakers[self.upstream.model_for(prompt)]


@dataclass(frozen=True)
class ModelCall:
    """What stays the same through all attempts of a model call."""

    prompt: Prompt
    report: Callable[[Attempt], None]
    deadline: Deadline


class Interrupted(Exception):
    """An answer was cut after its first content."""

    def __init__(self, failure: UpstreamFailure) -> None:
        super().__init__(failure.code)
        self.failure = failure


@dataclass(frozen=True)
class Guard:
    """routes: the primary, and perhaps a fallback. sleep and clock are in monotonic seconds."""

    routes: tuple[Route, ...]
    retry: RetryPolicy
    patience: Patience
    turn_seconds: float
    listener: Listener
    clock: Clock
    sleep: Callable[[float], None]

    def answer(
        self, prompt: Prompt, report: Callable[[Attempt], None]
    ) -> Generator[Event, None, None]:
        """Tokens, ticks, perhaps a restart, then one Done; or a ChatError is raised."""
        self.retry.budget.earn()
        call = ModelCall(prompt, report, Deadline.after(self.turn_seconds, self.clock))
        try:
            attempt = yield from self._ask_each(call)
        except Interrupted as cut:
            attempt = yield from self._restart(cut.failure, call)
        yield _done(attempt)

    def _ask_each(self, call: ModelCall) -> Steps:
        """The first route that begins to answer; until then nothing has been shown, and changing over is silent."""
        failure: ChatError | None = None
        for route in self.routes:
            if failure is not None:
                self.listener.fell_back(failure.code)
            try:
                return (yield from self._ask(route, call))
            except CircuitOpen as rejection:
                failure = failure or rejection
            except UpstreamFailure as refusal:
                failure = refusal
                if not refusal.reroutable:
                    break
        assert failure is not None
        raise failure

    def _ask(self, route: Route, call: ModelCall) -> Steps:
        breaker = route.breaker(call.prompt)
        retries = self.retry.begin(call.deadline)
        permit = breaker.admit()
        while True:
            try:
                return (yield from self._try(route, permit, call))
            except UpstreamFailure as failure:
                # nobody waits for a breaker that this failure has opened
                wait = None if breaker.state == "open" else retries.after(failure)
                if wait is None:
                    raise
                yield from self._pause(wait)
                permit = _admit_again(breaker, failure)
                self.listener.retried(failure.code)

    def _try(self, route: Route, permit: Permit, call: ModelCall) -> Steps:
        """One attempt. Raises Interrupted once there was content, else what the attempt raised."""
        upstream_call = UpstreamCall(
            route.upstream, call.prompt, self.patience, call.deadline, self.clock
        )
        try:
            with closing(upstream_call.events()) as events:
                for event in events:
                    if isinstance(event, Token):
                        permit.content()
                    yield event
            permit.settle("success")
        except UpstreamFailure as failure:
            permit.settle("failure" if failure.trips else "neutral")
            if upstream_call.attempt.chunks and failure.reroutable:
                raise Interrupted(failure) from None
            raise
        finally:
            permit.settle("neutral")
            call.report(upstream_call.attempt)
        return upstream_call.attempt

    def _restart(self, cut: UpstreamFailure, call: ModelCall) -> Steps:
        """One more attempt, from the beginning. If it fails for whatever reason, the first failure is reported."""
        route = self.routes[-1]
        restart = Restart(cut.code, route.upstream.model_for(call.prompt))
        try:
            permit = route.breaker(call.prompt).admit()
            self.listener.restarted(cut.code)
            with closing(self._try(route, permit, call)) as steps:
                return (yield from _announced(restart, steps))
        except (Rejected, UpstreamFailure, Interrupted):
            raise cut from None

    def _pause(self, seconds: float) -> Generator[Event, None, None]:
        until = self.clock() + seconds
        while (left := until - self.clock()) > 0:
            self.sleep(min(left, self.patience.tick_seconds))
            yield TICK


def _admit_again(breaker: Breaker, failure: UpstreamFailure) -> Permit:
    """A breaker that opened meanwhile ends the retries, with the failure that there was."""
    try:
        return breaker.admit()
    except CircuitOpen:
        raise failure from None


def _announced(restart: Restart, steps: Steps) -> Steps:
    """The restart is announced with its first text, so that one which fails leaves the text that there is."""
    announced = False
    while True:
        try:
            event = next(steps)
        except StopIteration as end:
            if not announced:
                yield restart
            attempt: Attempt = end.value
            return attempt
        if isinstance(event, Token) and not announced:
            yield restart
            announced = True
        yield event


def _done(attempt: Attempt) -> Done:
    """The end of an answer whose attempt ended well."""
    assert attempt.finish_reason is not None
    assert attempt.usage is not None
    return Done(attempt.finish_reason, attempt.model, attempt.usage, attempt.cost_usd)
