"""The one error tree.

ChatError
├── InvalidRequest                 the caller's fault, seen before the model is asked
│   ├── PayloadTooLarge
│   ├── UnsupportedMediaType
│   └── RequestTimeout             the body did not arrive
├── Unauthorized, Forbidden        the key, before there is a turn
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
