"""Decides whether to retry a failed attempt, and when: one tenacity policy, built for each model call and route.

tenacity decides and counts; the guard waits in ticks, so that it notices a caller who disconnects.
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

# never at once: synchronized retries can keep a failing upstream down
FLOOR_SECONDS = 0.25
JITTER_SECONDS = 0.25
LONGEST_WAIT_SECONDS = 1.5
LONGEST_RETRY_AFTER_SECONDS = 2
ALL_WAITS_SECONDS = 3.0

Denied = Callable[[RetryDenial], None]


@dataclass(frozen=True)
class RetryPolicy:
    """attempts: per upstream and model call, including the first."""

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
    """The retries of one model call. The count starts over at each route; the time waited does not.

    Most calls do not fail, so nothing is built before the first failure.
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
        """Seconds to wait before the next attempt, which must then be drawn; None: no further attempt."""
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
        """Takes one attempt from the budget, if there is one."""
        self._drawn = self._policy.budget.draw()
        return self._drawn

    def may_wait(self, seconds: float) -> bool:
        """Whether a running retry may be given back and there is time to wait for that; uses up the time."""
        if self._waited + seconds >= ALL_WAITS_SECONDS or seconds >= self._deadline.remaining():
            return False
        self._waited += seconds
        return self._policy.budget.may_refill

    def answered(self) -> None:
        """The model has begun to answer the current attempt."""
        self._end(answered=True)

    def close(self) -> None:
        """A current attempt that was not answered is spent."""
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
    # a wait given only in a sentence is passed on, but is no reason to give up
    return 0 if failure.retry_after_in_words and seconds > LONGEST_RETRY_AFTER_SECONDS else seconds


class _JitteredWait(wait_base):
    """A growing wait with jitter, never shorter than Retry-After."""

    def __init__(self) -> None:
        self._growing = wait_exponential_jitter(
            multiplier=FLOOR_SECONDS, jitter=JITTER_SECONDS, max=LONGEST_WAIT_SECONDS
        )

    def __call__(self, retry_state: RetryCallState) -> float:
        return max(self._growing(retry_state), _named_wait(retry_state))


class _StopAtKindsMost(stop_base):
    """Stops at the failure's own limit: some failures are worth fewer attempts."""

    def __call__(self, retry_state: RetryCallState) -> bool:
        most = _failure(retry_state).most_attempts
        return most is not None and retry_state.attempt_number >= most


class _Denial(stop_base):
    """A stop condition that reports its reason to the listener."""

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
