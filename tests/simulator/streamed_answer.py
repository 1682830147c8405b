"""The streamed answer, and each fault of it as a few lines of script."""

from collections.abc import Callable

from tests.simulator.frames import BOM
from tests.simulator.refusals import status_body
from tests.simulator.script import (
    COMPLETED,
    CUT,
    FAILED,
    FOREVER,
    RESET,
    TRUNCATED,
    Answer,
    Script,
    by_bytes,
)

_COMMENT_GAP_SECONDS = 0.1


def streamed_answer(answer: Answer) -> Script:
    return _SCRIPTS.get(answer.behaviour.fault, _normal)(answer)


def _normal(answer: Answer, *, done: bool = True) -> Script:
    yield from answer.opening()
    yield from answer.content(0, answer.tokens)
    return (yield from answer.closing(answer.tokens, answer.finish, done=done))


def _headers_only(answer: Answer) -> Script:
    yield b"", 0, answer.behaviour.headers
    yield answer.head(), 0, FOREVER
    return COMPLETED


def _role_only(answer: Answer) -> Script:
    yield from answer.opening()
    yield b"", 0, FOREVER
    return COMPLETED


def _comments(answer: Answer) -> Script:
    gap = answer.behaviour.gap or _COMMENT_GAP_SECONDS
    yield b"", 0, answer.behaviour.headers
    yield answer.head(), 0, gap
    while True:
        yield answer.wrap(answer.frames.comment()), 0, gap


def _stall(answer: Answer) -> Script:
    yield from answer.opening()
    yield from answer.content(0, answer.after)
    yield b"", 0, answer.behaviour.seconds
    yield from answer.content(answer.after, answer.tokens)
    return (yield from answer.closing(answer.tokens, answer.finish))


def _reset_after(answer: Answer) -> Script:
    yield from answer.opening()
    yield from answer.content(0, answer.after)
    return RESET


def _cut(answer: Answer) -> Script:
    yield from answer.opening()
    yield from answer.content(0, answer.after)
    return CUT


def _no_finish(answer: Answer) -> Script:
    stop = answer.tokens if answer.behaviour.after is None else answer.after
    yield from answer.opening()
    yield from answer.content(0, stop)
    yield from answer.end_of_body()
    return TRUNCATED


def _no_done(answer: Answer) -> Script:
    return _normal(answer, done=False)


def _malformed(answer: Answer) -> Script:
    yield from answer.opening()
    yield from answer.content(0, answer.after)
    if answer.after < answer.tokens:
        broken = answer.frames.malformed(answer.token_text(answer.after))
        yield answer.wrap(broken), 0, answer.behaviour.gap
    yield from answer.content(answer.after + 1, answer.tokens)
    return (yield from answer.closing(answer.tokens, answer.finish))


def _in_band_error(answer: Answer) -> Script:
    body = status_body(answer.behaviour.status, model=answer.name.model, key="")
    yield from answer.opening()
    yield from answer.content(0, answer.after)
    yield answer.wrap(answer.frames.error(body)), 0, 0.0
    yield from answer.end_of_body(answer.frames.done())
    return FAILED


def _content_filter_finish(answer: Answer) -> Script:
    yield from answer.opening()
    yield from answer.content(0, answer.after)
    return (yield from answer.closing(answer.after, "content_filter"))


def _empty_choices(answer: Answer) -> Script:
    empty = answer.frames.empty_choices()
    yield from answer.opening(prefix=empty)
    yield from answer.content(0, answer.after)
    yield answer.wrap(empty), 0, 0.0
    yield from answer.content(answer.after, answer.tokens)
    return (yield from answer.closing(answer.tokens, answer.finish))


def _endless(answer: Answer) -> Script:
    yield from answer.opening()
    return (yield from answer.content(0, FOREVER))


def _split_bytes(answer: Answer) -> Script:
    return by_bytes(_normal(answer), chunked=answer.chunked)


def _bom(answer: Answer) -> Script:
    yield from answer.opening(prefix=BOM)
    yield from answer.content(0, answer.tokens)
    return (yield from answer.closing(answer.tokens, answer.finish))


# `slow-first`, `crlf` and `no-usage` are in the parts themselves.
_SCRIPTS: dict[str, Callable[[Answer], Script]] = {
    "headers-only": _headers_only,
    "role-only": _role_only,
    "comments": _comments,
    "stall": _stall,
    "reset-after": _reset_after,
    "cut": _cut,
    "no-finish": _no_finish,
    "no-done": _no_done,
    "malformed": _malformed,
    "in-band-error": _in_band_error,
    "content-filter-finish": _content_filter_finish,
    "empty-choices": _empty_choices,
    "endless": _endless,
    "split-bytes": _split_bytes,
    "bom": _bom,
}
