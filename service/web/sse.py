"""Encodes events as bytes; a pure function.

The data of an event is one line of JSON in UTF-8; characters that end a line for some readers are escaped.
"""

from typing import Any

from service.chat.events import (
    Data,
    Done,
    Failed,
    Restart,
    Start,
    Thinking,
    Token,
    Usage,
    fields_of,
)
from service.web import json_text
from service.web.error_body import error_body

CONTENT_TYPE = "text/event-stream; charset=utf-8"
HEADERS = {
    "Content-Type": CONTENT_TYPE,
    "Cache-Control": "no-store, no-transform",
    # for any nginx on the way that has buffering on
    "X-Accel-Buffering": "no",
}
NAMES: dict[type, str] = {Start: "start", Thinking: "thinking", Data: "data", Restart: "restart"}
PING = b": ping\n\n"
# for clients written for OpenAI's streams
END = b"data: [DONE]\n\n"


def token(text: str) -> bytes:
    return b'event: token\ndata: {"text":%b}\n\n' % json_text.quoted_bytes(text)


def encode(
    event: Start | Token | Thinking | Data | Restart | Done | Failed, request_id: str
) -> bytes:
    """Encodes one event; the last one includes `[DONE]`."""
    if isinstance(event, Token):
        return token(event.text)
    if isinstance(event, Done):
        return _frame("done", done(event)) + END
    if isinstance(event, Failed):
        return _frame("error", error_body(event.error, request_id)) + END
    return _frame(NAMES[type(event)], _fields(event))


def _fields(event: Start | Thinking | Data | Restart) -> dict[str, Any]:
    if isinstance(event, Thinking):
        return {"text": json_text.quoted(event.text)} if event.text else {}
    return fields_of(event)


def done(event: Done) -> dict[str, Any]:
    """The fields that end a complete answer, in a stream and in JSON."""
    return {
        "finish_reason": event.finish_reason,
        "model": event.model,
        "usage": usage(event.usage),
        "cost_usd": json_text.number(event.cost_usd),
    }


def usage(counted: Usage) -> dict[str, Any]:
    """Tokens written to the provider's cache appear only in the price."""
    fields = {
        "input_tokens": counted.input_tokens,
        "output_tokens": counted.output_tokens,
        "source": counted.source,
    }
    if counted.cached_input_tokens is not None:
        fields["cached_input_tokens"] = counted.cached_input_tokens
    return fields


def _frame(name: str, data: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), json_text.dumps(data))
