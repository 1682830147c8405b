"""Recognises frames that report a failure instead of answering."""

from typing import Any

from service.llm.wire.dialect import ERROR_WORDS
from service.llm.wire.said import said_in
from service.llm.wire.sentences import SENTENCES

NO_CODES = frozenset({0, 200, "0", "200", "ok", "success"})
NO_ERRORS = frozenset({"", "null", "none", "false"})
# the fields of an error, if nothing else in the frame belongs to an answer
ERROR_FIELDS = frozenset(
    {"detail", "errors", "error_msg", "error_message", "errorMessage", "error_code", "errorCode"}
)
STATUS_FIELDS = ("code", "status", "status_code", "statusCode")
MESSAGES = frozenset({"message", "msg", "status"})
FEEDBACK = ("promptFeedback", "prompt_feedback")
# frames without any of these need no further check
SUSPICIOUS = ERROR_FIELDS | {*STATUS_FIELDS, *FEEDBACK, "base_resp", "success"}


def is_error(value: Any) -> bool:
    """Whether an `error` field is set: some servers send an empty one with every frame."""
    if isinstance(value, dict):
        code = value.get("code")
        if isinstance(code, int | str) and code in NO_CODES:
            return False
        return any(bool(field) for field in value.values())
    if isinstance(value, str):
        return value.strip().casefold() not in NO_ERRORS
    return bool(value)


def is_failure(frame: dict[str, Any], *, bare: bool = False) -> bool:
    """bare: it came as plain JSON, not in an event stream."""
    if "error" in frame and is_error(frame["error"]):
        return True
    if "error" in (frame.get("object"), frame.get("type"), frame.get("event")):
        return True
    if not SUSPICIOUS.isdisjoint(frame) and (_is_blocked(frame) or _is_refused(frame)):
        return True
    if frame.get("choices") or frame.get("usage"):
        return False
    if bare or (not SUSPICIOUS.isdisjoint(frame) and _speaks_of_errors(frame)):
        return True
    return not MESSAGES.isdisjoint(frame) and _has_words_of_errors(frame)


def _is_refused(frame: dict[str, Any]) -> bool:
    """MiniMax puts a status into every frame."""
    base = frame.get("base_resp")
    return isinstance(base, dict) and base.get("status_code") not in (None, 0, "0")


def _is_blocked(frame: dict[str, Any]) -> bool:
    """Gemini's field for a prompt that it does not answer."""
    feedback = frame.get(FEEDBACK[0]) or frame.get(FEEDBACK[1])
    return isinstance(feedback, dict) and bool(
        feedback.get("blockReason") or feedback.get("block_reason")
    )


def _speaks_of_errors(frame: dict[str, Any]) -> bool:
    if frame.get("success") is False or any(frame.get(name) for name in ERROR_FIELDS):
        return True
    return any(_is_error_status(frame.get(name)) for name in STATUS_FIELDS)


def _has_words_of_errors(frame: dict[str, Any]) -> bool:
    """A message alone may only be about the queue."""
    said = said_in(frame)
    if said.status is not None or not ERROR_WORDS.keys().isdisjoint(said.words):
        return bool(said.text)
    return any(pattern.search(said.text) for pattern in SENTENCES.values())


def _is_error_status(value: Any) -> bool:
    if isinstance(value, str):
        return (value.isdigit() and 400 <= int(value[:4]) < 600) or value.casefold() in (
            "error",
            "failed",
        )
    return isinstance(value, int) and 400 <= value < 600
