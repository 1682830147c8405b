"""What the simulator does with one request: a directive's text becomes one `Behaviour`.

A directive is a list of `key=value`. Three places may hold one, and the later wins key by key:
the server-wide default (`PUT /simulator/default`), the model's name (`sim:tokens=5,gap=0.1`,
`sim-<fault>`, `sim-<fault>:after=3`, `sim-<dialect>`, plain `sim`) and the last user message (`[sim tokens=5]`
anywhere in it, also several). Values that hold spaces, commas or brackets are percent-encoded.
With `model=NAME` a directive counts only for requests of that model.

| key          | default    | meaning                                                          |
|--------------|------------|------------------------------------------------------------------|
| tokens       | 20         | number of content chunks                                         |
| text         | -          | exact text instead, cut into word-like pieces                    |
| piece        | -          | cut `text` into pieces of so many characters                     |
| chars        | -          | characters of each token (for answers of many megabytes)         |
| fill         | words      | what those characters are, again and again                       |
| first        | 0          | seconds to the first token, or to an error status or a reset     |
| think        | 0          | seconds of reasoning_content, ten a second, before the first token |
| thoughts     | 0          | reasoning deltas at the pace of tokens, before the first token    |
| gap          | 0          | seconds between tokens; 0 = as fast as the socket takes          |
| headers      | 0          | seconds to the response's headers and role chunk                 |
| fault        | none       | one of the table below                                           |
| dialect      | openai     | whose words and frames: dialects.py; `sim-<dialect>` is short for it |
| error        | -          | refused in the dialect's words: key, model, quota, limit, context, filter, failed |
| after        | half       | tokens before the fault                                          |
| seconds      | 30         | length of a stall or of a slow first token                       |
| status       | 500        | of `status` and `in-band-error`                                  |
| retry_after  | -          | value of an error status's Retry-After header                    |
| times        | always     | only the first N requests with the same key meet the fault       |
| key          | message    | what `times` counts by; else the last user message               |
| usage        | 1          | 0 = never report usage                                           |
| cached       | 0          | cached input tokens in the usage                                 |
| finish       | stop       | finish_reason to send                                            |
| answer_model | as asked   | the model's name in the answer                                   |
| burst        | 32         | frames per write where gap is 0                                  |

Without `tokens` or `text`, the request's max_tokens cuts the answer (finish_reason length).

| fault                 | streamed                                      | not streamed          |
|-----------------------|-----------------------------------------------|-----------------------|
| status (or a number)  | HTTP error `status` with OpenAI's error body  | the same              |
| content-filter        | HTTP 400, code content_filter                 | the same              |
| context-length        | HTTP 400, code context_length_exceeded        | the same              |
| prefill-refused       | HTTP 400 if an assistant's message is last    | the same              |
| html                  | 200 text/html                                 | the same              |
| reset-before          | TCP reset before the headers                  | the same              |
| close-before          | clean close before the headers                | the same              |
| silent                | never answers                                 | the same              |
| slow-first            | first token after `seconds`                   | answer after them     |
| headers-only          | headers, then silence                         | the same              |
| role-only             | role chunk, then silence                      | headers, then silence |
| comments              | comments at `gap` (0.1), nothing else         | blank lines           |
| stall                 | silence of `seconds` after N tokens           | the same in mid-body  |
| reset-after           | TCP reset after N tokens                      | reset in mid-body     |
| cut                   | closed after N tokens, no terminating chunk   | closed in mid-body    |
| no-finish             | clean end after N (all) tokens, no [DONE] too | finish_reason null    |
| no-done               | finish_reason, but no [DONE]                  | a normal answer       |
| malformed             | the frame after N tokens is broken JSON       | broken JSON           |
| in-band-error         | `{"error"}` frame after N tokens, [DONE]      | 200 with `{"error"}`  |
| content-filter-finish | finish_reason content_filter after N tokens   | the same              |
| no-usage              | usage never reported                          | the same              |
| empty-choices         | chunks with empty choices before and between  | a normal answer       |
| endless               | tokens until the client goes                  | never answers         |
| split-bytes           | every byte its own write and chunk            | its own write         |
| crlf                  | lines end with CRLF                           | a normal answer       |
| bom                   | a byte order mark before the first frame      | before the JSON       |
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from urllib.parse import unquote

from tests.simulator.dialect_errors import ERRORS
from tests.simulator.dialects import FRAMES

FAULTS = frozenset(
    (
        "status",
        "content-filter",
        "context-length",
        "prefill-refused",
        "html",
        "reset-before",
        "close-before",
        "silent",
        "slow-first",
        "headers-only",
        "role-only",
        "comments",
        "stall",
        "reset-after",
        "cut",
        "no-finish",
        "no-done",
        "malformed",
        "in-band-error",
        "content-filter-finish",
        "no-usage",
        "empty-choices",
        "endless",
        "split-bytes",
        "crlf",
        "bom",
    )
)

# The bracket may not hold another one: a text of many "[sim " would be quadratic otherwise.
_BRACKET = re.compile(r"\[sim(\s[^\[\]]*)?\]")
_MAX_COUNT = 100_000_000
_MAX_CHARS = 1_000_000


class DirectiveError(ValueError):
    """A directive that means nothing; its text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    tokens: int | None = None
    text: str | None = None
    piece: int = 0
    chars: int = 0
    fill: str | None = None
    first: float = 0.0
    think: float = 0.0
    thoughts: int = 0
    gap: float = 0.0
    headers: float = 0.0
    fault: str = "none"
    dialect: str = "openai"
    error: str | None = None
    after: int | None = None
    seconds: float = 30.0
    status: int = 500
    retry_after: str | None = None
    times: int | None = None
    key: str | None = None
    usage: bool = True
    cached: int = 0
    finish: str = "stop"
    answer_model: str | None = None
    burst: int = 32

    def without_fault(self) -> "Behaviour":
        return replace(self, fault="none", error=None)


def _count(value: str) -> int:
    number = int(value)
    if not 0 <= number <= _MAX_COUNT:
        raise ValueError(f"not between 0 and {_MAX_COUNT}")
    return number


def _positive(value: str) -> int:
    number = _count(value)
    if number == 0:
        raise ValueError("not above 0")
    return number


def _chars(value: str) -> int:
    number = _positive(value)
    if number > _MAX_CHARS:
        raise ValueError(f"above {_MAX_CHARS}")
    return number


def _some_text(value: str) -> str:
    if not value:
        raise ValueError("empty")
    return value


def _seconds(value: str) -> float:
    number = float(value)
    if not 0 <= number < math.inf:
        raise ValueError("not a length of time")
    return number


def _status(value: str) -> int:
    number = int(value)
    if not 400 <= number <= 599:
        raise ValueError("not an HTTP error status")
    return number


def _fault(value: str) -> str:
    name = value.replace("_", "-")
    if name != "none" and name not in FAULTS:
        raise ValueError(f"no such fault; there are none, {', '.join(sorted(FAULTS))}")
    return name


def _dialect(value: str) -> str:
    if value not in FRAMES:
        raise ValueError(f"no such dialect; there are {', '.join(FRAMES)}")
    return value


def _error(value: str) -> str:
    if value not in ERRORS:
        raise ValueError(f"no such error; there are {', '.join(ERRORS)}")
    return value


def _flag(value: str) -> bool:
    if value not in ("0", "1"):
        raise ValueError("neither 0 nor 1")
    return value == "1"


_READERS: Mapping[str, Callable[[str], object]] = {
    "tokens": _count,
    "text": str,
    "piece": _positive,
    "chars": _chars,
    "fill": _some_text,
    "first": _seconds,
    "think": _seconds,
    "thoughts": _count,
    "gap": _seconds,
    "headers": _seconds,
    "fault": _fault,
    "dialect": _dialect,
    "error": _error,
    "after": _count,
    "seconds": _seconds,
    "status": _status,
    "retry_after": str,
    "times": _count,
    "key": str,
    "usage": _flag,
    "cached": _count,
    "finish": str,
    "answer_model": str,
    "burst": _positive,
}


def choose_behaviour(model: str, message: str, default: str = "") -> Behaviour:
    """The behaviour for one request; raises DirectiveError."""
    pairs: dict[str, str] = {}
    for directive in (*_of_default(default), *_of_model(model), *_of_message(message)):
        if directive.get("model", model) == model:
            pairs |= directive
    pairs.pop("model", None)
    return _read(pairs)


def check_default(text: str) -> None:
    """Raises DirectiveError if `text` is no directive."""
    for directive in _of_default(text):
        _read({key: value for key, value in directive.items() if key != "model"})


def _read(pairs: Mapping[str, str]) -> Behaviour:
    values = {}
    for key, value in pairs.items():
        if key not in _READERS:
            raise DirectiveError(f"unknown key {key!r}; there are {', '.join(_READERS)}, model")
        try:
            values[key] = _READERS[key](value)
        except ValueError as error:
            raise DirectiveError(f"{key}={value!r}: {error}") from None
    return Behaviour(**values)  # type: ignore[arg-type]


def _of_default(text: str) -> Iterator[dict[str, str]]:
    """One directive a line, so that each may name its own model."""
    for line in text.splitlines():
        yield _pairs(line.split())


def _of_model(model: str) -> Iterator[dict[str, str]]:
    name, _, rest = model.partition(":")
    if name != "sim" and not name.startswith("sim-"):
        return
    pairs = [pair for pair in rest.split(",") if pair]
    if name != "sim":
        kind = name.removeprefix("sim-")
        pairs.insert(0, f"dialect={kind}" if kind in FRAMES else f"fault={kind}")
    yield _pairs(pairs)


def _of_message(message: str) -> Iterator[dict[str, str]]:
    for match in _BRACKET.finditer(message):
        yield _pairs((match[1] or "").split())


def _pairs(parts: list[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for part in parts:
        key, equals, value = part.partition("=")
        if not equals:
            raise DirectiveError(f"{part!r} is not key=value")
        pairs[key] = unquote(value)
    if pairs.get("fault", "").isdigit():
        pairs["status"] = pairs["fault"]
        pairs["fault"] = "status"
    return pairs
