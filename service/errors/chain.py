"""Failures of chain steps other than model calls."""

from service.errors.base import ChatError
from service.errors.upstream import AnswerEmpty


class ChainFailure(ChatError):
    """A chain step other than a model call failed: it affects no breaker and is not retried."""


class StepTimeout(ChainFailure):
    code = "step_timeout"
    status = 504
    retryable = True
    ending = "timed_out"
    message = "A step of the answer took too long. Please try again."


class DependencyFailed(ChainFailure):
    """Chains may raise it, too."""

    code = "dependency_failed"
    status = 502
    retryable = True
    ending = "dependency_failed"
    message = "A service that this answer depends on is unavailable. Please try again shortly."


class ChainLimitReached(ChainFailure):
    code = "chain_limit_reached"
    status = 502
    message = "The answer needed more model calls than this service allows."


class ChainSilent(ChainFailure):
    code = "answer_empty"
    status = 502
    message = AnswerEmpty.message
