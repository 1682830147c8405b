"""POST /chat and POST /chat/stream: the same turn, written in two ways."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, request

from service.chat.events import Data, Done, Failed, Restart, Token
from service.chat.turn import Turns
from service.web import json_text, problems, sse
from service.web.context import WebCaller, caller_of
from service.web.drain import Drain
from service.web.stream import Heartbeat, Held, StreamBody
from service.web.thinking import ThinkingEvents

# nginx's word for a caller who left before the answer; nobody reads it
CALLER_GONE = 499
# what tools do is of interest while it happens
PROGRESS = "tool"


@dataclass(frozen=True)
class Streaming:
    """hold_seconds: how long a stream may wait for content before its status line is sent."""

    hold_seconds: float
    heartbeat_seconds: float
    show_thinking: bool


def blueprint(
    turns: Turns,
    streaming: Streaming,
    drain: Drain,
    max_body_bytes: int,
    clock: Callable[[], float],
) -> Blueprint:
    routes = Blueprint("chat", __name__)

    @routes.post("/chat")
    def chat() -> Response:
        caller = caller_of(request, "/chat", max_body_bytes)
        return collected(turns, caller)

    @routes.post("/chat/stream")
    def stream() -> Response:
        caller = caller_of(request, "/chat/stream", max_body_bytes)
        turn = turns.run(caller)
        thinking = ThinkingEvents(clock, show=streaming.show_thinking)
        held = Held(turn, streaming.hold_seconds, thinking, clock)
        if held.first is None:
            return Response(status=CALLER_GONE)
        if isinstance(held.first, Failed):
            return problems.response(held.first.error, caller.request_id)
        heartbeat = Heartbeat(streaming.heartbeat_seconds, clock)
        body = StreamBody(held, caller.request_id, caller.connection, drain.streams, heartbeat)
        return Response(body, headers=sse.HEADERS, direct_passthrough=True)

    return routes


def collected(turns: Turns, caller: WebCaller) -> Response:
    """The whole answer as one JSON object."""
    texts: list[str] = []
    data: dict[str, Any] = {}
    with closing(turns.run(caller)) as turn:
        for event in turn:
            if isinstance(event, Token):
                texts.append(event.text)
            elif isinstance(event, Restart):
                texts.clear()
            elif isinstance(event, Data) and event.name != PROGRESS:
                data[event.name] = event.value
            elif isinstance(event, Failed):
                return problems.response(event.error, caller.request_id)
            elif isinstance(event, Done):
                return _answer("".join(texts), event, data, caller.request_id)
    return Response(status=CALLER_GONE)


def _answer(text: str, done: Done, data: dict[str, Any], request_id: str) -> Response:
    body = {"answer": json_text.quoted(text), **sse.done(done)}
    if data:
        body["data"] = data
    body["request_id"] = request_id
    return Response(json_text.dumps(body), mimetype="application/json")
