"""What every error has, and the closed sets of endings and codes."""

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeVar

# how a turn ends; all but completed and disconnected are the ending of an error
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
    """One reason for a refusal: the field's path in the request, and a fixed phrase about it."""

    field: str
    reason: str


class ChatError(Exception):
    """Anything that ends a turn other than an answer. Raised anywhere, turned into a response only at the edge."""

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
        """cause: what happened, in our own words, only for the log."""
        super().__init__(self.code)
        self.details = details
        self.retry_after_seconds = retry_after_seconds
        self.cause = cause


Kind = TypeVar("Kind", bound=ChatError)


def kinds(root: type[Kind]) -> list[type[Kind]]:
    """All its subclasses, in the order of the tree."""
    return [kind for child in root.__subclasses__() for kind in (child, *kinds(child))]
