"""The model call under protection, on one page: ask each model, retry, go on to the next; restart what was cut."""

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass

from service.chat.attempt import Attempt
from service.chat.deadline import Clock
from service.chat.events import TICK, CallEvent, Done, Restart, Token, ToolCalls
from service.chat.running_turn import ModelCall, RunningTurn
from service.errors import ChatError, CircuitOpen, Rejected, UpstreamFailure
from service.resilience.breaker import Breaker, Breakers, Permit
from service.resilience.call import Patience, Upstream, UpstreamCall
from service.resilience.listener import Listener
from service.resilience.retry import RetryPolicy

Steps = Generator[CallEvent, None, Attempt]


@dataclass(frozen=True)
class Route:
    """A way to an answer: an upstream, and the breaker of each of its models."""

    upstream: Upstream
    breakers: Breakers

    def breaker(self, call: ModelCall) -> Breaker:
        return self.breakers.of(self.upstream.model_for(call))


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
    listener: Listener
    clock: Clock
    sleep: Callable[[float], None]

    def answer(self, call: ModelCall, turn: RunningTurn) -> Generator[CallEvent, None, None]:
        """What the model says, perhaps a restart, ticks, then one Done; or a ChatError is raised."""
        if turn.begin_call():
            self.retry.budget.earn()
        try:
            attempt = yield from self._ask_each(call, turn)
        except Interrupted as cut:
            attempt = yield from self._restart(cut.failure, call, turn)
        yield _done(attempt)

    def _ask_each(self, call: ModelCall, turn: RunningTurn) -> Steps:
        """The first route that begins to answer; until then nothing has been shown, and changing over is silent."""
        failure: ChatError | None = None
        for route in self.routes:
            if failure is not None:
                self.listener.fell_back(failure.code)
            try:
                return (yield from self._ask(route, call, turn))
            except CircuitOpen as rejection:
                failure = failure or rejection
            except UpstreamFailure as refusal:
                failure = refusal
                if not refusal.reroutable:
                    break
        assert failure is not None
        raise failure

    def _ask(self, route: Route, call: ModelCall, turn: RunningTurn) -> Steps:
        breaker = route.breaker(call)
        retries = self.retry.begin(turn.deadline)
        permit = breaker.admit()
        while True:
            try:
                return (yield from self._try(route, permit, call, turn))
            except UpstreamFailure as failure:
                # nobody waits for a breaker that this failure has opened
                wait = None if breaker.state == "open" else retries.after(failure)
                if wait is None:
                    raise
                yield from self._pause(wait)
                permit = _admit_again(breaker, failure)
                self.listener.retried(failure.code)

    def _try(self, route: Route, permit: Permit, call: ModelCall, turn: RunningTurn) -> Steps:
        """One attempt. Raises Interrupted once there was content, else what the attempt raised."""
        upstream_call = UpstreamCall(route.upstream, call, turn, self.patience, self.clock)
        try:
            with closing(upstream_call.events()) as events:
                for event in events:
                    if isinstance(event, Token | ToolCalls):
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
            turn.report(upstream_call.attempt)
        return upstream_call.attempt

    def _restart(self, cut: UpstreamFailure, call: ModelCall, turn: RunningTurn) -> Steps:
        """One more attempt, from the beginning. Whatever it fails of, the first failure is reported."""
        if turn.restarted or not call.takes_back:
            raise cut
        turn.restarted = True
        route = self.routes[-1]
        restart = Restart(cut.code, route.upstream.model_for(call))
        try:
            permit = route.breaker(call).admit()
            self.listener.restarted(cut.code)
            with closing(self._try(route, permit, call, turn)) as steps:
                return (yield from _announced(restart, steps))
        except (Rejected, UpstreamFailure, Interrupted):
            raise cut from None

    def _pause(self, seconds: float) -> Generator[CallEvent, None, None]:
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
        if isinstance(event, Token | ToolCalls) and not announced:
            yield restart
            announced = True
        yield event


def _done(attempt: Attempt) -> Done:
    """The end of an answer whose attempt ended well."""
    assert attempt.finish_reason is not None
    assert attempt.usage is not None
    return Done(attempt.finish_reason, attempt.model, attempt.usage, attempt.cost_usd)
