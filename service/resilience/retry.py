"""Whether a failed attempt is made again, and after how long: one tenacity policy, built for each model call and route.

tenacity decides and counts; the guard waits, in ticks, so that a caller who leaves in a wait is noticed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tenacity
from tenacity import RetryCallState, Retrying
from tenacity.stop import stop_after_attempt, stop_base
from tenacity.wait import wait_base, wait_exponential_jitter

from service.chat.attempt import RetryDenial
from service.chat.deadline import Deadline
from service.errors import UpstreamFailure
from service.resilience.budget import RetryBudget
from service.resilience.listener import Listener

# never at once: a herd of retries in step is what brings an upstream down for good
FLOOR_SECONDS = 0.25
JITTER_SECONDS = 0.25
LONGEST_WAIT_SECONDS = 1.5
LONGEST_RETRY_AFTER_SECONDS = 2
ALL_WAITS_SECONDS = 3.0

Denied = Callable[[RetryDenial], None]


@dataclass(frozen=True)
class RetryPolicy:
    """attempts: at one upstream in one model call, the first included."""

    attempts: int
    budget: RetryBudget
    listener: Listener

    def begin(self, deadline: Deadline) -> "Retries":
        return Retries(self, deadline)

    def retrying(self, deadline: Deadline) -> Retrying:
        denied = self.listener.retry_denied
        return Retrying(
            retry=tenacity.retry_if_exception(_repeatable),
            wait=_JitteredWait(),
            stop=(
                stop_after_attempt(self.attempts)
                | _StopAtKindsMost()
                | _StopAtLongRetryAfter(denied)
                | _StopAtAllWaits(denied)
                | _StopAtDeadline(denied, deadline)
            ),
            reraise=True,
        )


class Retries:
    """The attempts of one model call: the count begins again at each route, the time waited does not.

    Most calls fail nowhere, so nothing is built before the first failure.
    """

    def __init__(self, policy: RetryPolicy, deadline: Deadline) -> None:
        self._policy = policy
        self._deadline = deadline
        self._state: RetryCallState | None = None
        self._waited = 0.0
        self._drawn = False

    def begin_route(self) -> None:
        self.close()
        self._state = None

    def after(self, failure: UpstreamFailure) -> float | None:
        """Seconds to wait before the next attempt, which has to be drawn; None: there is none."""
        self.close()
        self._state = state = self._state or self._begun()
        state.idle_for = self._waited
        state.set_exception((type(failure), failure, None))
        try:
            wait: Any = state.retry_object.iter(state)
        except UpstreamFailure:
            return None
        state.prepare_for_next_attempt()
        self._waited = state.idle_for
        return float(wait)

    def draw(self) -> bool:
        """Whether the budget has one more attempt."""
        self._drawn = self._policy.budget.draw()
        return self._drawn

    def may_wait(self, seconds: float) -> bool:
        """Whether an attempt under way may give its own back, and there is time to wait for that: it is taken."""
        if self._waited + seconds >= ALL_WAITS_SECONDS or seconds >= self._deadline.remaining():
            return False
        self._waited += seconds
        return self._policy.budget.may_refill

    def answered(self) -> None:
        """The attempt under way has begun to be answered."""
        self._end(answered=True)

    def close(self) -> None:
        """Where the attempt under way has not been answered, it was in vain."""
        self._end(answered=False)

    def _end(self, *, answered: bool) -> None:
        if self._drawn:
            self._drawn = False
            self._policy.budget.end(answered=answered)

    def _begun(self) -> RetryCallState:
        retrying = self._policy.retrying(self._deadline)
        retrying.begin()
        return RetryCallState(retrying, None, (), {})


def _failure(state: RetryCallState) -> UpstreamFailure:
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, UpstreamFailure)
    return error


def _repeatable(error: BaseException) -> bool:
    return isinstance(error, UpstreamFailure) and error.repeatable and not error.retry_forbidden


def _named_wait(state: RetryCallState) -> float:
    failure = _failure(state)
    seconds = failure.retry_after_seconds or 0
    # a sentence for people is passed on, and is no reason to give up
    return 0 if failure.retry_after_in_words and seconds > LONGEST_RETRY_AFTER_SECONDS else seconds


class _JitteredWait(wait_base):
    """Jittered and growing, and no shorter than Retry-After."""

    def __init__(self) -> None:
        self._growing = wait_exponential_jitter(
            multiplier=FLOOR_SECONDS, jitter=JITTER_SECONDS, max=LONGEST_WAIT_SECONDS
        )

    def __call__(self, retry_state: RetryCallState) -> float:
        return max(self._growing(retry_state), _named_wait(retry_state))


class _StopAtKindsMost(stop_base):
    """Some failures are worth fewer attempts than others."""

    def __call__(self, retry_state: RetryCallState) -> bool:
        most = _failure(retry_state).most_attempts
        return most is not None and retry_state.attempt_number >= most


class _Denial(stop_base):
    """A stop that is reported to the listener, with its reason."""

    reason: RetryDenial

    def __init__(self, denied: Denied) -> None:
        self._denied = denied

    def __call__(self, retry_state: RetryCallState) -> bool:
        if self.stops(retry_state):
            self._denied(self.reason)
            return True
        return False

    def stops(self, state: RetryCallState) -> bool:
        raise NotImplementedError


class _StopAtLongRetryAfter(_Denial):
    reason = "retry_after"

    def stops(self, state: RetryCallState) -> bool:
        return _named_wait(state) > LONGEST_RETRY_AFTER_SECONDS


class _StopAtAllWaits(_Denial):
    reason = "waits"

    def stops(self, state: RetryCallState) -> bool:
        return state.idle_for + state.upcoming_sleep >= ALL_WAITS_SECONDS


class _StopAtDeadline(_Denial):
    reason = "deadline"

    def __init__(self, denied: Denied, deadline: Deadline) -> None:
        super().__init__(denied)
        self._deadline = deadline

    def stops(self, state: RetryCallState) -> bool:
        return state.upcoming_sleep >= self._deadline.remaining()
