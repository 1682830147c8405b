"""Failures of a model or its server."""

from typing import ClassVar, Literal

from service.errors.base import ChatError, Detail, Ending


class UpstreamFailure(ChatError):
    """What the guard may do about it.

    repeatable: asking the same model again may help; most_attempts, where it is set, bounds the attempts that end so.
    reroutable: another model may be asked. trips: it counts against the model's circuit breaker; else it is neutral.
    systemic: it cannot be due to what was asked. retry_forbidden: the server says that asking again is no use.
    retry_after_in_words: when to come back is said in a sentence alone.
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


# what of our own set-up a provider refuses; access: it knows the key, and does not let it in
SetUp = Literal["key", "model", "address", "access"]


class UpstreamRejected(UpstreamFailure):
    code = "upstream_rejected"
    status = 502
    message = "The model provider rejected this service's credentials. Please contact the operator."
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
    """The conversation does not fit: a model with a larger window may take it."""

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
    """About this request alone, as HTTP 409."""

    trips = False


class UpstreamUnavailable(UpstreamError):
    """HTTP 503: the server speaks of itself, not of the request."""

    systemic = True


class UpstreamUnreachable(UpstreamError):
    """DNS, connecting or TLS failed: nothing was sent."""

    systemic = True


class UpstreamUntrusted(UpstreamUnreachable):
    """Its certificate is wrong, and will be a second later."""

    repeatable = False


class AnswerEmpty(UpstreamFailure):
    code = "answer_empty"
    status = 502
    message = "The language model returned an empty answer. Please try again."
    repeatable = True
    reroutable = True
    most_attempts = 2


class AnswerSpent(AnswerEmpty):
    """Asking again would spend the same tokens again."""

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
    """A lost packet is worth a second try; a host that drops them all is not worth a third."""

    repeatable = True
    most_attempts = 2
    systemic = True


class ThinkingTimeout(UpstreamTimeout):
    """It lives, so its breaker does not count this; another model may come to an end sooner."""

    trips = False


class TurnTimeout(UpstreamTimeout):
    reroutable = False
    trips = False
