"""Failures of a model or its server."""

from typing import ClassVar, Literal

from service.errors.base import ChatError, Detail, Ending


class UpstreamFailure(ChatError):
    """Failures of the LLM; the class attributes say what the guard may do about each.

    repeatable: a retry at the same model may help; most_attempts, if set, limits the attempts. reroutable: the fallback
    may be tried. trips: counts against the model's circuit breaker; otherwise it is neutral. systemic: cannot be caused
    by the question. retry_forbidden: the server says that a retry is useless. retry_after_in_words: the time to wait
    was given only in a sentence.
    """

    ending: ClassVar[Ending] = "upstream_failed"
    repeatable: ClassVar[bool] = False
    most_attempts: ClassVar[int | None] = None
    reroutable: ClassVar[bool] = False
    trips: ClassVar[bool] = False
    systemic: ClassVar[bool] = False
    retry_forbidden = False
    retry_after_in_words = False


class UpstreamRateLimited(UpstreamFailure):
    code = "upstream_rate_limited"
    status = 429
    retryable = True
    message = "The language model is handling too many requests. Please try again shortly."
    repeatable = True
    reroutable = True
    default_retry_after_seconds = 5


class UpstreamQuotaExhausted(UpstreamFailure):
    code = "upstream_quota_exhausted"
    status = 503
    message = "The model provider's account has no credit left. Please contact the operator."
    reroutable = True
    default_retry_after_seconds = 300


# the part of our configuration that a provider rejects; access: the key is valid but not allowed
SetUp = Literal["key", "model", "address", "access"]


class UpstreamRejected(UpstreamFailure):
    code = "upstream_rejected"
    status = 502
    message = (
        "The model provider rejected this service's configuration. Please contact the operator."
    )
    reroutable = True

    def __init__(
        self,
        *,
        refused: SetUp = "access",
        details: tuple[Detail, ...] = (),
        retry_after_seconds: float | None = None,
        cause: str | None = None,
    ) -> None:
        super().__init__(details=details, retry_after_seconds=retry_after_seconds, cause=cause)
        self.refused = refused


class UpstreamInvalidRequest(UpstreamFailure):
    code = "upstream_invalid_request"
    status = 400
    ending = "invalid"
    message = "The language model cannot process this request, for example because it is too long."


class ContextTooLong(UpstreamInvalidRequest):
    """The conversation does not fit, but may fit a model with a larger context window."""

    reroutable = True


class ContentFiltered(UpstreamFailure):
    code = "content_filtered"
    status = 422
    ending = "filtered"
    message = "The language model's content policy does not allow this request or its answer."


class UpstreamError(UpstreamFailure):
    code = "upstream_error"
    status = 502
    retryable = True
    message = "The language model failed to answer. Please try again."
    repeatable = True
    reroutable = True
    trips = True


class UpstreamConflict(UpstreamError):
    """Concerns only this request, like HTTP 409."""

    trips = False


class UpstreamUnavailable(UpstreamError):
    """HTTP 503: about the server, not the request."""

    systemic = True


class UpstreamUnreachable(UpstreamError):
    """DNS, connecting or TLS failed: nothing was sent."""

    systemic = True


class UpstreamUntrusted(UpstreamUnreachable):
    """Its certificate is invalid, so a retry is pointless."""

    repeatable = False


class AnswerEmpty(UpstreamFailure):
    code = "answer_empty"
    status = 502
    message = "The language model returned an empty answer. Please try again."
    repeatable = True
    reroutable = True
    most_attempts = 2


class AnswerSpent(AnswerEmpty):
    """A retry would only spend the same tokens again."""

    repeatable = False


class UpstreamTimeout(UpstreamFailure):
    code = "upstream_timeout"
    status = 504
    retryable = True
    ending = "timed_out"
    message = "The language model took too long to answer. Please try again."
    reroutable = True
    trips = True


class ConnectTimeout(UpstreamTimeout):
    """A lost packet justifies a second attempt; a host that drops every packet does not justify a third."""

    repeatable = True
    most_attempts = 2
    systemic = True


class ThinkingTimeout(UpstreamTimeout):
    """The model is alive, so its breaker does not count this; another model may finish sooner."""

    trips = False


class TurnTimeout(UpstreamTimeout):
    reroutable = False
    trips = False
