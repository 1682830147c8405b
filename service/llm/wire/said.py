"""Collects what a server said about a failure, from any shape and within limits."""

import re
from collections import deque
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import orjson

from service.llm.wire.dialect import heads
from service.llm.wire.retry_after import retry_after_seconds

WORD_FIELDS = frozenset(
    {
        "code", "type", "status", "reason", "error_type", "errorType", "error_code",
        "errorCode", "err_code", "name", "__type", "status_code", "statusCode", "http_status",
        "http_code", "httpCode", "blockReason", "object", "event",
    }
)  # fmt: skip
# fields that are set only where the content policy rejects something, whatever they say
BLOCKS = frozenset({"flagged_input", "blockReason", "block_reason"})
# fields in which a number may be an HTTP status
STATUS_FIELDS = WORD_FIELDS - {"name", "object", "event"}
# fields that repeat parts of the request or the answer: such words must not decide how the failure is classified
ECHOES = frozenset(
    {"input", "messages", "prompt", "choices", "headers", "url", "failed_generation"}
)
ECHO_IN_TEXT = re.compile(r"""['"]input['"]\s*:|\binput_value=""")
# when to retry, in seconds or as a duration
WAIT_FIELDS = frozenset(
    {
        "retryDelay", "retry_after", "retryAfter", "retry_after_seconds", "retryAfterSeconds", "estimated_time",
    }
)  # fmt: skip
MOST_VALUES = 300
MOST_TEXT = 4000
MOST_HEADERS = 100
MOST_HEADER = 256
STATUSES = range(400, 600)
DETAILED_STATUSES = range(40_000, 60_000)
NUMBER = re.compile(r"-?\d{1,9}")
# A gateway that repeats what its own client said of the provider's refusal: the libraries of Python (openai, httpx,
# requests), Node (openai, axios) and Go each have a way to write its status.
TOLD_IN_FULL = re.compile(
    r"\berror code: (4\d\d) - \{|\bclient error '(4\d\d) [^'\n]{0,100}' for url|"
    r"\b(4\d\d) client error: [^\n]{0,100} for url|\brequest failed with status code (4\d\d)\b|"
    r"\berror, status code: (4\d\d), ",
    re.IGNORECASE,
)
# Less is enough for what concerns the request alone; a server's own failure may name any other status (`failed to load
# the weights: HTTP error 403`), and that must not blame our key or model.
TOLD_LOOSELY = re.compile(
    r"\berror code: ([45]\d\d) - |(?<!exit )\bstatus(?:[ _]code)?[:=]? ?([45]\d\d)\b|"
    r"\bhttp error:? ([45]\d\d)\b|\Acode[:=] ?([45]\d\d)\b|"
    r"^([45]\d\d)(?=: | (?!requests|tokens|input|characters|bytes)(?-i:[A-Z{]))",
    re.IGNORECASE | re.MULTILINE,
)
BELIEVED_LOOSELY = frozenset({400, 413, 422, 429})
# The refusal's fields, where such a status is before them: a caller's words may look the same.
TOLD_FIELD = re.compile(r"""['"](?:code|type|status)['"]: ?['"]([\w.-]{3,64})['"]""")
# the exceptions of AWS, and the codes of gRPC
TOLD_NAME = re.compile(r"\((\w+Exception)\) when calling|\bcode = (\w+) desc")


@dataclass
class Said:
    """status: of the failure, if given. words: its codes and types, in the form of the dialect's tables.

    text: all its sentences, one per line. parameter: the one it names. places: where the mistake is (FastAPI's `loc`).
    numbers: its fields with whole numbers. waits: when to retry, from its fields.
    """

    status: int | None = None
    words: list[str] = field(default_factory=list)
    text: str = ""
    parameter: str | None = None
    places: list[list[Any]] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)
    waits: list[str] = field(default_factory=list)


def said_in(value: Any) -> Said:
    """Breadth first, so that outer fields are found first."""
    said = Said()
    texts: list[str] = []
    waiting: deque[tuple[str, Any]] = deque([("", value)])
    for _ in range(MOST_VALUES):
        if not waiting:
            break
        name, item = waiting.popleft()
        item = _unpacked(item)
        if isinstance(item, dict):
            inner = list(item.items())[:MOST_VALUES]
            _note_headers(said, item.get("headers"))
            named = ((_field(str(key)), one) for key, one in inner)
            waiting.extend((field, one) for field, one in named if field not in ECHOES)
        elif isinstance(item, list):
            _note_place(said, name, item)
            waiting.extend((name, one) for one in item[:MOST_VALUES])
        else:
            _note_value(said, texts, name, item)
    said.text = "\n".join(texts)[:MOST_TEXT]
    _note_told(said)
    return said


def said_in_body(body: bytes) -> Said:
    try:
        return said_in(orjson.loads(body))
    except orjson.JSONDecodeError:
        return said_in(body[:MOST_TEXT].decode("utf-8", "replace"))


def _note_value(said: Said, texts: list[str], name: str, item: Any) -> None:
    if name in WAIT_FIELDS and isinstance(item, str | int | float):
        said.waits.append(str(item)[:64])
    if isinstance(item, str):
        item = ECHO_IN_TEXT.split(item[:MOST_TEXT])[0]
        if name not in WORD_FIELDS or " " in item:
            texts.append(item)
        _note_text(said, name, item)
    elif isinstance(item, int | float) and not isinstance(item, bool):
        _note_number(said, name, item)


def _note_headers(said: Said, headers: Any) -> None:
    """OpenRouter has the headers of a rate limit in the body."""
    if isinstance(headers, dict):
        named = {
            str(name)[:MOST_HEADER].lower(): str(value)[:MOST_HEADER]
            for name, value in islice(headers.items(), MOST_HEADERS)
            if isinstance(value, str | int | float)
        }
        wait = retry_after_seconds(named)
        said.waits += [] if wait is None else [str(wait)]


def _note_told(said: Said) -> None:
    """What a gateway repeats within a sentence; its own fields come first, except for its own failure's status."""
    for name in TOLD_NAME.finditer(said.text):
        said.words.extend(heads(name[1] or name[2]))
    told = TOLD_IN_FULL.search(said.text) or TOLD_LOOSELY.search(said.text)
    if told is None:
        return
    status = int(told[told.lastindex or 0])
    if told.re is TOLD_LOOSELY and status not in BELIEVED_LOOSELY:
        return
    for word in TOLD_FIELD.finditer(said.text, told.end()):
        said.words.extend(heads(word[1]))
    if said.status is None or said.status >= 500:
        said.status = status


def _field(key: str) -> str:
    """Some write them with capitals: Code, Message."""
    return key[:1].lower() + key[1:]


def _unpacked(item: Any) -> Any:
    """Some gateways wrap the provider's JSON in a string."""
    if isinstance(item, str) and item[:1] in ("{", "[") and len(item) <= MOST_TEXT:
        try:
            return orjson.loads(item)
        except orjson.JSONDecodeError:
            return item
    return item


def _note_place(said: Said, name: str, item: list[Any]) -> None:
    if name == "loc":
        said.places.append(item)


def _note_text(said: Said, name: str, item: str) -> None:
    if name == "param" and said.parameter is None:
        said.parameter = item[:64]
    if name in WORD_FIELDS:
        if NUMBER.fullmatch(item.strip()):
            _note_number(said, name, int(item))
        elif len(item) <= 100:
            said.words.extend(heads(item))
    if name in BLOCKS and item:
        said.words.append("flaggedinput")


def _note_number(said: Said, name: str, item: float) -> None:
    if name in STATUS_FIELDS and said.status is None:
        # some append digits to the status: 42901
        status = int(item) // 100 if item in DETAILED_STATUSES else item
        said.status = int(status) if status in STATUSES else None
    if isinstance(item, int) and abs(item) < 10**9:
        said.numbers.setdefault(name, item)
