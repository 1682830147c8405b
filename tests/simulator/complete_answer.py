"""The answer that is not streamed, and what each fault makes of it."""

from collections.abc import Callable, Generator

from tests.simulator.frames import BOM, chunk, http_head, to_json
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
    Step,
    by_bytes,
)

_JSON = "application/json"
_BLANK_GAP_SECONDS = 0.1


def complete_answer(answer: Answer) -> Script:
    return _SCRIPTS.get(answer.behaviour.fault, _normal)(answer)


def _response(answer: Answer, body: bytes) -> bytes:
    head = {"Content-Type": _JSON, "Content-Length": str(len(body))}
    return http_head(200, head | answer.headers) + body


def _send(answer: Answer, body: bytes, tokens: int, ending: str = COMPLETED) -> Script:
    """The body at the time at which a stream would have ended."""
    yield b"", 0, answer.first + tokens * answer.behaviour.gap
    yield _response(answer, body), tokens, 0.0
    return ending


def _body(answer: Answer) -> bytes:
    return to_json(answer.completion(answer.tokens, answer.finish))


def _normal(answer: Answer) -> Script:
    return _send(answer, _body(answer), answer.tokens)


def _half(answer: Answer) -> Generator[Step, None, bytes]:
    """Sends the first half of the body; returns the other one."""
    body = _body(answer)
    rest = body[len(body) // 2 :]
    yield b"", 0, answer.first + answer.after * answer.behaviour.gap
    yield _response(answer, body).removesuffix(rest), answer.after, 0.0
    return rest


def _reset_after(answer: Answer) -> Script:
    yield from _half(answer)
    return RESET


def _cut(answer: Answer) -> Script:
    yield from _half(answer)
    return CUT


def _stall(answer: Answer) -> Script:
    rest = yield from _half(answer)
    tokens = answer.tokens - answer.after
    yield b"", 0, answer.behaviour.seconds + tokens * answer.behaviour.gap
    yield rest, tokens, 0.0
    return COMPLETED


def _silent(_: Answer) -> Script:
    yield b"", 0, FOREVER
    return COMPLETED


def _headers_only(answer: Answer) -> Script:
    body = _body(answer)
    yield b"", 0, answer.behaviour.headers
    yield _response(answer, body)[: -len(body)], 0, FOREVER
    return COMPLETED


def _blank_lines(answer: Answer) -> Script:
    """What some gateways send to keep a long request open."""
    headers = answer.headers | ({"Transfer-Encoding": "chunked"} if answer.chunked else {})
    wrap = chunk if answer.chunked else bytes
    gap = answer.behaviour.gap or _BLANK_GAP_SECONDS
    yield http_head(200, {"Content-Type": _JSON} | headers), 0, gap
    while True:
        yield wrap(b"\n"), 0, gap


def _no_finish(answer: Answer) -> Script:
    stop = answer.tokens if answer.behaviour.after is None else answer.after
    return _send(answer, to_json(answer.completion(stop, None)), stop, TRUNCATED)


def _malformed(answer: Answer) -> Script:
    body = _body(answer)
    return _send(answer, body[: len(body) // 2], answer.after, FAILED)


def _in_band_error(answer: Answer) -> Script:
    body = status_body(answer.behaviour.status, model=answer.name.model, key="")
    return _send(answer, to_json(body), 0, FAILED)


def _content_filter_finish(answer: Answer) -> Script:
    body = to_json(answer.completion(answer.after, "content_filter"))
    return _send(answer, body, answer.after)


def _split_bytes(answer: Answer) -> Script:
    return by_bytes(_normal(answer), chunked=False)


def _bom(answer: Answer) -> Script:
    return _send(answer, BOM + _body(answer), answer.tokens)


_SCRIPTS: dict[str, Callable[[Answer], Script]] = {
    "headers-only": _headers_only,
    "role-only": _headers_only,
    "comments": _blank_lines,
    "stall": _stall,
    "reset-after": _reset_after,
    "cut": _cut,
    "no-finish": _no_finish,
    "malformed": _malformed,
    "in-band-error": _in_band_error,
    "content-filter-finish": _content_filter_finish,
    "endless": _silent,
    "split-bytes": _split_bytes,
    "bom": _bom,
}
