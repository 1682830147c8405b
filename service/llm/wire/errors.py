"""Maps a server's failure, given by an HTTP status or within a stream, to one of our errors. Nothing else does."""

from collections.abc import Container, Mapping
from typing import Any

from service.errors import (
    ChatError,
    ContentFiltered,
    SetUp,
    UpstreamConflict,
    UpstreamError,
    UpstreamFailure,
    UpstreamInvalidRequest,
    UpstreamQuotaExhausted,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)
from service.llm.wire.dialect import ERROR_STATUSES, ERROR_WORDS, KINDS, Kind
from service.llm.wire.parameters import ASKED, refused_parameter_in
from service.llm.wire.redirect import Redirected
from service.llm.wire.refusal import ParameterRefused, WindowExceeded
from service.llm.wire.retry_after import (
    forbids_retry,
    retry_after_seconds,
    wait_in_fields,
    wait_in_words,
)
from service.llm.wire.said import Said, said_in, said_in_body
from service.llm.wire.sentences import SENTENCES
from service.llm.wire.window import overflow_in

# The statuses (None: no status) at which a sentence decides; words decide at any status.
SENTENCE_STATUSES: dict[Kind, frozenset[int | None]] = {
    "filtered": frozenset({400, 403, 422, 424, 446, 451, 498, None}),
    "quota": frozenset({400, 401, 403, 412, 429, None}),
    "too_long": frozenset({400, 413, 422, 429, 500, None}),
    "key": frozenset({400, 403, 422, None}),
    "model": frozenset({400, 403, 404, 410, 422, 503, None}),
    "address": frozenset({400, 421, None}),
    "rejected": frozenset({400, None}),
    "rate_limited": frozenset({400, 403, None}),
    "invalid": frozenset({500, 501, 502, 503, None}),
    "failed": frozenset({400}),
}
# A word for one of these takes precedence over status and sentences.
WORDS_FIRST: tuple[Kind, ...] = ("filtered", "quota", "too_long")
# A word for one of these takes precedence over these statuses.
WORDS_OVER_STATUS: dict[Kind, Container[int]] = {
    "key": range(400, 404),
    "model": range(400, 600),
    "rejected": range(400, 404),
    "rate_limited": (400, 403),
}
# Types of a limit, and of mistakes in parameters of that name: a status says more.
UNCERTAIN = frozenset({"tokens", "requests"})
# which part of our configuration is rejected, and our words for it
SET_UP: dict[Kind, tuple[SetUp, str]] = {
    "key": ("key", "key refused"),
    "model": ("model", "model unknown"),
    "address": ("address", "address or model unknown"),
    "rejected": ("access", ""),
}
# Gemini also says this about limits per minute, and then says when to retry
CURRENT_QUOTA = "exceeded your current quota"


def of_response(status: int, headers: Mapping[str, str], body: bytes) -> ChatError:
    """The error for a response that is not an answer. headers: by lower-case name."""
    if 300 <= status < 400:
        return Redirected(status, headers.get("location", ""))
    said = said_in_body(body)
    inner = said.status
    if status >= 500 and inner is not None and inner < 500:
        # a gateway's status around the provider's
        return _error(inner, said, f"HTTP {status} around {inner}", headers)
    return _error(status, said, f"HTTP {status}", headers)


def of_frame(error: Any) -> ChatError:
    """The error within a stream: decided by the status it names, or else by its words."""
    said = said_in(error)
    cause = "in-band error" if said.status is None else f"in-band {said.status}"
    return _error(said.status, said, cause, {})


def _error(status: int | None, said: Said, cause: str, headers: Mapping[str, str]) -> ChatError:
    kind = _kind(status, said)
    if kind in ("invalid", "model", "too_long") or (
        kind == "failed" and status in (500, 501, None)
    ):
        refused = refused_parameter_in(said, likely=kind == "invalid" and status in (400, 422))
        overflow = overflow_in(said)
        if refused is not None and kind != "invalid" and refused.name not in ASKED:
            # some other quoted word
            refused = None
        if refused is not None and (kind != "too_long" or overflow.window is None):
            return ParameterRefused(refused, cause=f"{cause}: {refused.name[:64]}")
        if kind == "too_long":
            return WindowExceeded(overflow, cause=f"{cause}: context")
    wait = retry_after_seconds(headers)
    if wait is None:
        wait = wait_in_fields(said.waits)
    in_words = wait_in_words(said.text) if wait is None else None
    failure = _made(kind, cause, status, in_words if wait is None else wait)
    failure.retry_after_in_words = in_words is not None
    failure.retry_forbidden = forbids_retry(headers)
    return failure


def _made(kind: Kind, cause: str, status: int | None, wait: float | None) -> UpstreamFailure:
    if kind in SET_UP:
        refused, words = SET_UP[kind]
        return UpstreamRejected(refused=refused, cause=f"{cause}: {words}" if words else cause)
    if kind == "failed":
        failed = UpstreamUnavailable if status == 503 else UpstreamError
        return failed(cause=cause, retry_after_seconds=wait)
    if kind == "rate_limited":
        return UpstreamRateLimited(cause=cause, retry_after_seconds=wait)
    return PLAIN[kind](cause=cause)


PLAIN: dict[Kind, type[UpstreamFailure]] = {
    "filtered": ContentFiltered,
    "quota": UpstreamQuotaExhausted,
    "conflict": UpstreamConflict,
    "invalid": UpstreamInvalidRequest,
}


def _kind(status: int | None, said: Said) -> Kind:
    certain = said.words if status is None else [w for w in said.words if w not in UNCERTAIN]
    words = {ERROR_WORDS[word] for word in certain if word in ERROR_WORDS}
    for kind in WORDS_FIRST:
        if kind in words:
            return kind
    sentence = _by_sentence(status, said)
    if sentence is not None:
        return sentence
    if status is None and said.places:
        # validation of the request
        return "invalid"
    if status is None:
        return next((kind for kind in KINDS if kind in words), "failed")
    return _by_status(status, words)


def _by_status(status: int, words: set[Kind]) -> Kind:
    for kind, statuses in WORDS_OVER_STATUS.items():
        if kind in words and status in statuses:
            return kind
    if status < 500:
        return ERROR_STATUSES.get(status, "rejected")
    # some servers use 500 for every failure
    return "invalid" if "invalid" in words and "failed" not in words else "failed"


def _by_sentence(status: int | None, said: Said) -> Kind | None:
    if status in SENTENCE_STATUSES["quota"] and _has_no_quota(said):
        return "quota"
    for kind, pattern in SENTENCES.items():
        if status in SENTENCE_STATUSES[kind] and pattern.search(said.text):
            return kind
    return None


def _has_no_quota(said: Said) -> bool:
    text = said.text.casefold()
    return CURRENT_QUOTA in text and "retry" not in text and "resourceexhausted" not in said.words
