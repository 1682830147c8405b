"""Our own events and every library's on standard output: one JSON object per line, or text for a terminal.

Exception messages are dropped everywhere: they contain prompts (pydantic) and parts of keys (the LLM's SDK). Stack
traces are kept as type names and code locations.
"""

import json
import logging
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any, Literal

import orjson
import structlog

from service.telemetry.log_output import output
from service.telemetry.log_text import text_line

SECRET_SHAPES = re.compile(
    # not within a word, such as the request id task-0001; in JSON, a line end is a backslash and a letter
    r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt]))sk-[A-Za-z0-9*_-]{3,}|csk(?:_|%5[Ff])[A-Za-z0-9]{4,}"
    r"|(?i:bearer)\s+[^\s\"\\]+|://[^/\s:@\"]*:[^/\s@\"]+@"
)
# one of them is in every line that the expression above matches; searching for it is twenty times as fast
SECRET_HINTS = ("sk-", "csk", "bearer", "://")
REDACTED = "[redacted]"
SHORTEST_SECRET = 6
# at INFO and DEBUG they log addresses, prompts, headers and exceptions' texts, or every step of their start
TALKATIVE = (
    "alembic",
    "openai",
    "httpx",
    "httpx2",
    "httpcore",
    "httpcore2",
    "langchain",
    "langgraph",
    "langsmith",
    "urllib3",
)
# gunicorn's messages about clients that disconnected or stopped reading: the turn's own line says so already, and some
# of them quote what the client sent
CLIENT_GONE = (
    "Socket error processing request.",
    "Ignoring EPIPE",
    "Ignoring connection reset",
    "Ignored premature client disconnection.",
)
MOST_FRAMES = 30

Form = Literal["text", "json"]
Render = Callable[[Mapping[str, Any]], str]


class Redactor:
    """Removes known secrets, and anything that looks like one, from a rendered line."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = (secret for secret in secrets if len(secret) >= SHORTEST_SECRET)
        longest_first = sorted(known, key=len, reverse=True)
        self._known = [
            form for secret in longest_first for form in dict.fromkeys((_as_json(secret), secret))
        ]
        self._pattern = re.compile("|".join([SECRET_SHAPES.pattern, *map(re.escape, self._known)]))

    def __call__(self, line: str) -> str:
        return self._pattern.sub(REDACTED, line) if self._may_tell(line) else line

    def _may_tell(self, line: str) -> bool:
        lowered = line.lower()
        return any(hint in lowered for hint in SECRET_HINTS) or any(
            secret in line for secret in self._known
        )


class Formatter(logging.Formatter):
    """Renders standard library records in the schema of our own events."""

    def __init__(self, render: Render) -> None:
        super().__init__()
        self._render = render

    def format(self, record: logging.LogRecord) -> str:
        event: dict[str, Any] = {"event": record.getMessage(), "logger": record.name}
        if record.exc_info and record.exc_info[1] is not None:
            event["trace"] = frames_of(
                traceback.TracebackException.from_exception(record.exc_info[1])
            )
        _stamp(event, record.levelname)
        return self._render(event)


class Quiet(logging.Filter):
    """Drops records about clients that disconnected."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith(CLIENT_GONE)


def configure(
    level: str,
    secrets: Iterable[str],
    dropped: Callable[[int], None] = lambda _lines: None,
    form: Form | None = None,
) -> None:
    """Called once per process, in gunicorn's master and in each worker.

    dropped is called with the number of lines lost. form None: text if standard output is a terminal.
    """
    render = _renderer(Redactor(secrets), form or ("text" if sys.stdout.isatty() else "json"))
    written: Any = output(sys.stdout, dropped)
    handler = logging.StreamHandler(written)
    handler.setFormatter(Formatter(render))
    handler.addFilter(Quiet())
    logging.basicConfig(handlers=[handler], level=level, force=True)
    # pydantic's warnings quote the text they are about
    warnings.filterwarnings("ignore", module="pydantic")
    # warnings of libraries become log lines
    logging.captureWarnings(capture=True)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            _stamp_event,
            lambda _logger, _name, event: render(event),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=written),
        cache_logger_on_first_use=False,
    )


def cannot_start(why: str) -> None:
    """why: one sentence, only for the operator."""
    structlog.get_logger("service").error("cannot_start", why=why)


def ignored(variables: list[str]) -> None:
    """Reports tracing variables that are set but not used."""
    if variables:
        effect = "not used: a tracer is configured in chain.py, as a callback"
        structlog.get_logger("service").warning(
            "variables_ignored", variables=variables, effect=effect
        )


def adopt(name: str) -> None:
    """Sends a logger that has its own handlers through ours."""
    logger = logging.getLogger(name)
    logger.handlers.clear()
    logger.propagate = True


def frames_of(trace: traceback.TracebackException) -> list[dict[str, Any]]:
    """The chain of exceptions, outermost last: type names and code locations, no messages."""
    chain: list[dict[str, Any]] = []
    link: traceback.TracebackException | None = trace
    while link is not None and len(chain) < 10:
        places = [
            f"{frame.filename}:{frame.lineno} {frame.name}" for frame in link.stack[-MOST_FRAMES:]
        ]
        chain.append({"type": _type_of(link), "frames": places})
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return chain[::-1]


def _type_of(link: traceback.TracebackException) -> str:
    # Python 3.13 deprecates exc_type in favour of its name
    if hasattr(link, "exc_type_str"):
        return str(link.exc_type_str)
    return f"{link.exc_type.__module__}.{link.exc_type.__qualname__}" if link.exc_type else "?"


def _stamp_event(
    _logger: Any, _name: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    _stamp(event, str(event.pop("level", "info")))
    return event


def _stamp(event: MutableMapping[str, Any], level: str) -> None:
    event["level"] = level.lower()
    event["time"] = datetime.now(UTC).isoformat(timespec="milliseconds")


def _renderer(redact: Redactor, form: Form) -> Render:
    written = text_line if form == "text" else _json_line
    return lambda event: redact(written(event))


def _json_line(event: Mapping[str, Any]) -> str:
    try:
        return orjson.dumps(dict(event), default=_type_name).decode()
    except orjson.JSONEncodeError:
        # an upstream may send lone surrogates and huge numbers
        return json.dumps(dict(event), default=_type_name, skipkeys=True)


def _type_name(value: object) -> str:
    return f"<{type(value).__name__}>"


def _as_json(text: str) -> str:
    return orjson.dumps(text).decode()[1:-1]
