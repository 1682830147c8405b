"""The one error tree.

ChatError
├── InvalidRequest                 the caller's mistake, found before a model is called
│   ├── PayloadTooLarge
│   ├── UnsupportedMediaType
│   └── RequestTimeout             the body did not arrive in time
├── Unauthorized, Forbidden        the API key, before the turn begins
├── Rejected                       our own limits
│   ├── RateLimited
│   ├── BudgetExceeded
│   ├── Unavailable                requests cannot be authorized right now
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
│   │   ├── UpstreamUnavailable    HTTP 503
│   │   └── UpstreamUnreachable    nothing was sent
│   │       └── UpstreamUntrusted
│   ├── AnswerEmpty                it ended without text
│   │   └── AnswerSpent            thinking used up its tokens
│   └── UpstreamTimeout            it was silent for too long
│       ├── ConnectTimeout         nothing was sent
│       ├── ThinkingTimeout        it thought for too long
│       └── TurnTimeout            it was answering, but for too long
├── ChainFailure                   the chain, outside of model calls
│   ├── StepTimeout
│   ├── DependencyFailed
│   ├── ChainLimitReached
│   └── ChainSilent                it produced nothing and called no model
├── NotFound, MethodNotAllowed,
│   UriTooLong, HeadersTooLarge,
│   MisdirectedRequest             not turns
└── Internal                       a bug

The message of an error is a fixed sentence: text from a caller, a library or the LLM never reaches a client.
"""

from service.errors.base import (
    ChatError,
    Detail,
    Ending,
    ErrorCode,
    kinds,
)
from service.errors.caller import (
    BudgetExceeded,
    CircuitOpen,
    Draining,
    Forbidden,
    InvalidRequest,
    Overloaded,
    PayloadTooLarge,
    RateLimited,
    Rejected,
    RequestTimeout,
    Unauthorized,
    Unavailable,
    UnsupportedMediaType,
)
from service.errors.chain import (
    ChainFailure,
    ChainLimitReached,
    ChainSilent,
    DependencyFailed,
    StepTimeout,
)
from service.errors.other import (
    NO_TURN,
    HeadersTooLarge,
    Internal,
    MethodNotAllowed,
    MisdirectedRequest,
    NotFound,
    UriTooLong,
)
from service.errors.upstream import (
    AnswerEmpty,
    AnswerSpent,
    ConnectTimeout,
    ContentFiltered,
    ContextTooLong,
    SetUp,
    ThinkingTimeout,
    TurnTimeout,
    UpstreamConflict,
    UpstreamError,
    UpstreamFailure,
    UpstreamInvalidRequest,
    UpstreamQuotaExhausted,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
    UpstreamUnreachable,
    UpstreamUntrusted,
)

__all__ = [
    "NO_TURN",
    "AnswerEmpty",
    "AnswerSpent",
    "BudgetExceeded",
    "ChainFailure",
    "ChainLimitReached",
    "ChainSilent",
    "ChatError",
    "CircuitOpen",
    "ConnectTimeout",
    "ContentFiltered",
    "ContextTooLong",
    "DependencyFailed",
    "Detail",
    "Draining",
    "Ending",
    "ErrorCode",
    "Forbidden",
    "HeadersTooLarge",
    "Internal",
    "InvalidRequest",
    "MethodNotAllowed",
    "MisdirectedRequest",
    "NotFound",
    "Overloaded",
    "PayloadTooLarge",
    "RateLimited",
    "Rejected",
    "RequestTimeout",
    "SetUp",
    "StepTimeout",
    "ThinkingTimeout",
    "TurnTimeout",
    "Unauthorized",
    "Unavailable",
    "UnsupportedMediaType",
    "UpstreamConflict",
    "UpstreamError",
    "UpstreamFailure",
    "UpstreamInvalidRequest",
    "UpstreamQuotaExhausted",
    "UpstreamRateLimited",
    "UpstreamRejected",
    "UpstreamTimeout",
    "UpstreamUnavailable",
    "UpstreamUnreachable",
    "UpstreamUntrusted",
    "UriTooLong",
    "kinds",
]
