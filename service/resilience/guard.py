"""The guarded model call, on one page: try each model, retry, fall back to the next, restart an answer that was cut."""

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass

from service.chat.attempt import Attempt
from service.chat.deadline import Clock
from service.chat.events import TICK, CallEvent, Done, Restart, Token, ToolCalls
from service.chat.running_turn import ModelCall, RunningTurn
from service.errors import ChatError, CircuitOpen, Rejected, UpstreamFailure
from service.resilience.blame import Origin
from service.resilience.breaker import Breaker, Breakers, Outcome, Permit
from service.resilience.call import Upstream, UpstreamCall
from service.resilience.listener import Listener
from service.resilience.patience import Limits, Patience
from service.resilience.retry import Retries, RetryPolicy

Steps = Generator[CallEvent, None, Attempt]


@dataclass(frozen=True)
class Route:
    """An upstream, and the breaker of each of its models."""

    upstream: Upstream
    breakers: Breakers

    def breaker(self, call: ModelCall) -> Breaker:
        return self.breakers.of(self.upstream.model_for(call))


@dataclass(frozen=True)
class Asking:
    """A running model call, its origin and its retries."""

    call: ModelCall
    turn: RunningTurn
    origin: Origin
    retries: Retries


class Interrupted(Exception):
    """The answer was cut after its first content."""

    def __init__(self, failure: UpstreamFailure) -> None:
        super().__init__(failure.code)
        self.failure = failure


@dataclass(frozen=True)
class Guard:
    """routes: the primary, and possibly a fallback. sleep and clock use monotonic seconds."""

    routes: tuple[Route, ...]
    retry: RetryPolicy
    patience: Patience
    listener: Listener
    clock: Clock
    sleep: Callable[[float], None]
    tick_seconds: float

    def answer(self, call: ModelCall, turn: RunningTurn) -> Generator[CallEvent, None, None]:
        """Yields the model's events, ticks, at most one Restart, and a final Done, or raises a ChatError."""
        retries = self.retry.begin(turn.deadline)
        asking = Asking(call, turn, Origin.of(call, turn), retries)
        first = turn.begin_call()
        with turn.holding(call), closing(retries):
            try:
                attempt = yield from self._ask_each(asking)
            except Interrupted as cut:
                attempt = yield from self._restart(cut.failure, asking)
        if first:
            self.retry.budget.earn()
        yield _done(attempt)

    def _ask_each(self, asking: Asking) -> Steps:
        """Tries the routes in order until one begins to answer; nothing has been shown until then, so nobody notices.

        If none does, the first failure is raised: the caller asked for the primary, not for the fallback.
        """
        first: ChatError | None = None
        for place in range(len(self.routes)):
            if first is not None:
                self.listener.fell_back(first.code)
            try:
                return (yield from self._ask(place, asking))
            except (Rejected, UpstreamFailure) as failure:
                first = first or failure
                if not _may_go_on(failure) or asking.turn.deadline.passed():
                    break
        assert first is not None
        raise first from None

    def _ask(self, place: int, asking: Asking) -> Steps:
        route = self.routes[place]
        breaker = route.breaker(asking.call)
        permit = breaker.admit(asking.origin)
        limits = self.patience.limits(breaker.model, spared=self._spared(place, asking))
        asking.retries.begin_route()
        while True:
            try:
                return (yield from self._try(route, permit, asking, limits))
            except UpstreamFailure as failure:
                # no wait if the breaker has opened in the meantime
                shut = breaker.rejects(asking.origin)
                wait = None if shut else asking.retries.after(failure)
                if wait is None or not (yield from self._drawn(place, asking)):
                    # a call that is retried has not failed yet: breakers count turns, not attempts
                    permit.settle(_outcome(failure))
                    raise
                yield from self._pause(wait)
                permit = _admit_again(breaker, asking.origin, failure)
                self.listener.retried(failure.code)

    def _spared(self, place: int, asking: Asking) -> bool:
        """Whether a later route would accept the call."""
        behind = (route.breaker(asking.call) for route in self.routes[place + 1 :])
        return any(not breaker.rejects(asking.origin) for breaker in behind)

    def _try(self, route: Route, permit: Permit, asking: Asking, limits: Limits) -> Steps:
        """Makes one attempt. Raises Interrupted after the first content, before it the attempt's own error.

        The caller decides whether an UpstreamFailure counts, unless the attempt is a probe.
        """
        upstream_call = UpstreamCall(
            route.upstream, asking.call, asking.turn, limits, self.tick_seconds, self.clock
        )
        begun = False
        try:
            with closing(upstream_call.events()) as events:
                for event in events:
                    if not begun and isinstance(event, Token | ToolCalls):
                        begun = True
                        permit.content()
                        asking.retries.answered()
                        self.patience.answered(permit.model)
                    yield event
            permit.settle("success")
        except UpstreamFailure as failure:
            cut = upstream_call.attempt.chunks and failure.reroutable
            if cut or permit.probe:
                permit.settle(_outcome(failure))
            if cut:
                raise Interrupted(failure) from None
            raise
        finally:
            if permit.probe:
                permit.settle("neutral")
            if begun:
                self.patience.answered(permit.model)
            asking.turn.report(upstream_call.attempt)
        return upstream_call.attempt

    def _restart(self, cut: UpstreamFailure, asking: Asking) -> Steps:
        """Makes one more attempt, from the beginning. If it fails, the first failure is reported."""
        over = asking.turn.deadline.passed()
        if over or asking.turn.restarted or not asking.call.takes_back:
            raise cut
        asking.turn.restarted = True
        route = self.routes[-1]
        restart = Restart(cut.code, route.upstream.model_for(asking.call))
        breaker = route.breaker(asking.call)
        limits = self.patience.limits(breaker.model, spared=False)
        try:
            permit = breaker.admit(asking.origin)
            self.listener.restarted(cut.code)
            with closing(self._try(route, permit, asking, limits)) as steps:
                return (yield from _announced(restart, steps))
        except UpstreamFailure as failure:
            permit.settle(_outcome(failure))
            raise cut from None
        except (Rejected, Interrupted):
            raise cut from None

    def _drawn(self, place: int, asking: Asking) -> Generator[CallEvent, None, bool]:
        """Whether the budget has a retry. Waits for one to be given back, unless a fallback would accept the call."""
        while not asking.retries.draw():
            if self._spared(place, asking) or not asking.retries.may_wait(self.tick_seconds):
                self.listener.retry_denied("budget")
                return False
            yield from self._pause(self.tick_seconds)
        return True

    def _pause(self, seconds: float) -> Generator[CallEvent, None, None]:
        until = self.clock() + seconds
        while (left := until - self.clock()) > 0:
            self.sleep(min(left, self.tick_seconds))
            yield TICK


def _may_go_on(failure: ChatError) -> bool:
    """Whether another route may be tried."""
    return isinstance(failure, CircuitOpen) or (
        isinstance(failure, UpstreamFailure) and failure.reroutable
    )


def _outcome(failure: UpstreamFailure) -> Outcome:
    if not failure.trips:
        return "neutral"
    return "systemic" if failure.systemic else "failure"


def _admit_again(breaker: Breaker, origin: Origin, failure: UpstreamFailure) -> Permit:
    """A breaker that opened in the meantime ends the retries with the original failure."""
    try:
        return breaker.admit(origin)
    except CircuitOpen:
        raise failure from None


def _announced(restart: Restart, steps: Steps) -> Steps:
    """Announces the restart with its first text, so that a failed restart does not discard the text so far."""
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
    """The final event of a complete answer."""
    assert attempt.finish_reason is not None
    assert attempt.usage is not None
    return Done(attempt.finish_reason, attempt.model, attempt.usage, attempt.cost_usd)
