"""The one error tree.

ChatError
├── InvalidRequest                 the caller's fault, seen before the model is asked
│   ├── PayloadTooLarge
│   ├── UnsupportedMediaType
│   └── RequestTimeout             the body did not arrive
├── Unauthorized, Forbidden        who asks, before there is a turn
├── Rejected                       our own limits
│   ├── RateLimited
│   ├── BudgetExceeded
│   ├── Unavailable                nobody can be let in now
│   ├── Overloaded
│   ├── CircuitOpen
│   └── Draining
├── UpstreamFailure                the LLM's side
│   ├── UpstreamRateLimited
│   ├── UpstreamQuotaExhausted     the provider's account is empty
│   ├── UpstreamRejected
│   ├── UpstreamInvalidRequest
│   │   └── ContextTooLong         another model may hold more
│   ├── ContentFiltered
│   ├── UpstreamError
│   │   ├── UpstreamConflict
│   │   ├── UpstreamUnavailable    it says so itself
│   │   └── UpstreamUnreachable    nothing was sent
│   │       └── UpstreamUntrusted
│   ├── AnswerEmpty                it ended without a word
│   │   └── AnswerSpent            its tokens went into thinking
│   └── UpstreamTimeout            it stayed silent
│       ├── ConnectTimeout         nothing was sent
│       ├── ThinkingTimeout        it thought for too long
│       └── TurnTimeout            it spoke, but for too long
├── ChainFailure                   the chain, outside of model calls
│   ├── StepTimeout
│   ├── DependencyFailed
│   ├── ChainLimitReached
│   └── ChainSilent                it said nothing, and asked no model
├── NotFound, MethodNotAllowed,
│   UriTooLong, HeadersTooLarge,
│   MisdirectedRequest             no turn
└── Internal                       a bug

The message of an error is a fixed sentence: nothing that a caller, a library or the LLM wrote ever reaches a client.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeVar

# how a turn ends; completed and disconnected are no error's
Ending = Literal[
    "completed",
    "invalid",
    "rejected",
    "upstream_failed",
    "timed_out",
    "circuit_open",
    "filtered",
    "disconnected",
    "drained",
    "dependency_failed",
    "failed",
]
ErrorCode = Literal[
    "invalid_request",
    "payload_too_large",
    "unsupported_media_type",
    "request_timeout",
    "unauthorized",
    "forbidden",
    "rate_limited",
    "budget_exceeded",
    "unavailable",
    "overloaded",
    "circuit_open",
    "draining",
    "upstream_rate_limited",
    "upstream_quota_exhausted",
    "upstream_rejected",
    "upstream_invalid_request",
    "content_filtered",
    "upstream_error",
    "answer_empty",
    "upstream_timeout",
    "step_timeout",
    "dependency_failed",
    "chain_limit_reached",
    "not_found",
    "method_not_allowed",
    "uri_too_long",
    "headers_too_large",
    "misdirected_request",
    "internal",
]


@dataclass(frozen=True)
class Detail:
    """One reason for a refusal: the field's path in the request, and a fixed sentence about it."""

    field: str
    reason: str


class ChatError(Exception):
    """An ending other than an answer. Raised in the rooms, translated once, at the edge."""

    code: ClassVar[ErrorCode]
    status: ClassVar[int]
    retryable: ClassVar[bool] = False
    ending: ClassVar[Ending] = "failed"
    message: ClassVar[str]
    default_retry_after_seconds: ClassVar[int | None] = None

    def __init__(
        self,
        *,
        details: tuple[Detail, ...] = (),
        retry_after_seconds: float | None = None,
        cause: str | None = None,
    ) -> None:
        """cause: what happened, in words of our own, for the log alone."""
        super().__init__(self.code)
        self.details = details
        self.retry_after_seconds = retry_after_seconds
        self.cause = cause


Kind = TypeVar("Kind", bound=ChatError)


class InvalidRequest(ChatError):
    code: ClassVar[ErrorCode] = "invalid_request"
    status = 400
    ending = "invalid"
    message = "The request is not valid."


class PayloadTooLarge(InvalidRequest):
    code = "payload_too_large"
    status = 413
    message = "The request is larger than this service accepts."


class UnsupportedMediaType(InvalidRequest):
    code = "unsupported_media_type"
    status = 415
    message = "Send the request as uncompressed UTF-8 JSON with Content-Type: application/json."


class RequestTimeout(InvalidRequest):
    code = "request_timeout"
    status = 408
    message = "The request did not arrive in time."


class Unauthorized(ChatError):
    """cause: no_key, or what is wrong with the one that was given."""

    code = "unauthorized"
    status = 401
    ending = "rejected"
    message = "A valid API key is required."


class Forbidden(ChatError):
    code = "forbidden"
    status = 403
    ending = "rejected"
    message = "This API key is not allowed to make this request."


class Rejected(ChatError):
    ending: ClassVar[Ending] = "rejected"
    retryable = True


class RateLimited(Rejected):
    code = "rate_limited"
    status = 429
    message = "Too many requests. Please slow down."
    default_retry_after_seconds = 1


class BudgetExceeded(Rejected):
    code = "budget_exceeded"
    status = 429
    retryable = False
    message = "The budget of this API key is used up."
    default_retry_after_seconds = 3600


class Unavailable(Rejected):
    """nginx says the same where it finds no replica."""

    code = "unavailable"
    status = 503
    message = "The service is unavailable right now. Please try again."
    default_retry_after_seconds = 2


class Overloaded(Rejected):
    code = "overloaded"
    status = 503
    message = "The service is at capacity right now. Please try again in a moment."
    default_retry_after_seconds = 2


class CircuitOpen(Rejected):
    code = "circuit_open"
    status = 503
    ending = "circuit_open"
    message = (
        "The language model has been failing, so calls to it are paused. Please try again shortly."
    )
    default_retry_after_seconds = 15


class Draining(Rejected):
    code = "draining"
    status = 503
    ending = "drained"
    message = "The service is restarting. Please try again."
    default_retry_after_seconds = 1


class UpstreamFailure(ChatError):
    """What the guard may do about it.

    repeatable: asking the same model again may help; most_attempts, where it is set, bounds the attempts that end so.
    reroutable: another model may be asked. trips: it counts against the model's circuit breaker; else it is neutral.
    systemic: it cannot be due to what was asked. retry_forbidden: the server says that asking again is no use.
    """

    ending: ClassVar[Ending] = "upstream_failed"
    repeatable: ClassVar[bool] = False
    most_attempts: ClassVar[int | None] = None
    reroutable: ClassVar[bool] = False
    trips: ClassVar[bool] = False
    systemic: ClassVar[bool] = False
    retry_forbidden = False


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


class ChainFailure(ChatError):
    """A step of the chain that is no model call: no breaker, no retry."""


class StepTimeout(ChainFailure):
    code = "step_timeout"
    status = 504
    retryable = True
    ending = "timed_out"
    message = "A step of the answer took too long. Please try again."


class DependencyFailed(ChainFailure):
    """Also for chains to raise."""

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


class NotFound(ChatError):
    code = "not_found"
    status = 404
    message = "Not found."


class MethodNotAllowed(ChatError):
    code = "method_not_allowed"
    status = 405
    message = "Method not allowed."


class UriTooLong(ChatError):
    code = "uri_too_long"
    status = 414
    message = "The request's URL is too long."


class HeadersTooLarge(ChatError):
    code = "headers_too_large"
    status = 431
    message = "The request's headers are too large."


class MisdirectedRequest(ChatError):
    code = "misdirected_request"
    status = 421
    message = "This service does not answer under this host name."


class Internal(ChatError):
    code = "internal"
    status = 500
    message = "The service ran into an error. Please quote the request ID when you report this."


# what can happen to a request that is no turn
NO_TURN = (NotFound, MethodNotAllowed, UriTooLong, HeadersTooLarge)


def kinds(root: type[Kind]) -> list[type[Kind]]:
    """All errors below it, in the order of the tree."""
    return [kind for child in root.__subclasses__() for kind in (child, *kinds(child))]
