"""POST /chat and POST /chat/stream: the same turn in two formats."""

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from flask import Blueprint, Response

from service.chat.events import Data, Done, Event, Failed, Restart, Token
from service.chat.turn import Turns
from service.web import json_text, problems, sse
from service.web.context import Entry, WebCaller, caller_of
from service.web.drain import Drain
from service.web.error_body import error_body
from service.web.patient import PatientBody
from service.web.stream import Heartbeat, Held, StreamBody
from service.web.thinking import ThinkingEvents

# nginx's status for a caller who disconnected before the answer; nobody receives it
CALLER_GONE = 499
# tool progress matters only while it happens
PROGRESS = "tool"
KEPT_ALIVE = {"Content-Type": "application/json", "X-Accel-Buffering": "no"}


@dataclass(frozen=True)
class Streaming:
    """hold_seconds: how long a stream may wait for content before its status line is sent.

    keepalive_seconds: how long /chat may be silent; 0: without a limit.
    """

    hold_seconds: float
    heartbeat_seconds: float
    show_thinking: bool
    keepalive_seconds: float


def blueprint(
    turns: Turns,
    streaming: Streaming,
    drain: Drain,
    entry: Entry,
    clock: Callable[[], float],
) -> Blueprint:
    routes = Blueprint("chat", __name__)

    @routes.post("/chat")
    def chat() -> Response:
        caller = caller_of("/chat", entry, WebCaller)
        if streaming.keepalive_seconds:
            return patient(turns, caller, streaming.keepalive_seconds, drain, clock)
        return collected(turns, caller)

    @routes.post("/chat/stream")
    def stream() -> Response:
        caller = caller_of("/chat/stream", entry, WebCaller)
        turn = turns.run(caller)
        thinking = ThinkingEvents(clock, show=streaming.show_thinking)
        held = Held(turn, streaming.hold_seconds, thinking, clock)
        if held.first is None:
            return Response(status=CALLER_GONE)
        if isinstance(held.first, Failed):
            return problems.response(held.first.error, caller.request_id)
        heartbeat = Heartbeat(streaming.heartbeat_seconds, clock)
        encode = partial(sse.encode, request_id=caller.request_id)
        body = StreamBody(held, encode, caller.connection, drain.streams, heartbeat)
        return Response(body, headers=sse.HEADERS, direct_passthrough=True)

    return routes


def collected(turns: Turns, caller: WebCaller) -> Response:
    """The whole answer as one JSON object."""
    answer = Collected()
    with closing(turns.run(caller)) as turn:
        last = answer.read(turn)
    if isinstance(last, Failed):
        return problems.response(last.error, caller.request_id)
    if last is None:
        return Response(status=CALLER_GONE)
    return _json(_answer(answer, last, caller.request_id))


def patient(
    turns: Turns, caller: WebCaller, seconds: float, drain: Drain, clock: Callable[[], float]
) -> Response:
    """Like collected(), but after `seconds` it sends status 200, and spaces until the answer is there."""
    answer, turn = Collected(), turns.run(caller)
    until = clock() + seconds
    last = answer.read_until(turn, lambda: clock() >= until)
    if isinstance(last, Failed):
        return problems.response(last.error, caller.request_id)
    if isinstance(last, Done):
        return _json(_answer(answer, last, caller.request_id))
    if last is None:
        return Response(status=CALLER_GONE)

    def finished(end: Done | Failed) -> bytes:
        if isinstance(end, Done):
            return _answer(answer, end, caller.request_id)
        return json_text.dumps({"error": error_body(end.error, caller.request_id)})

    body = PatientBody(
        turn, answer.read_until, finished, caller.connection, drain.streams, seconds, clock
    )
    return Response(body, headers=KEPT_ALIVE, direct_passthrough=True)


@dataclass
class Collected:
    """Collects a turn's text and data."""

    texts: list[str] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def read(self, turn: Iterable[Event]) -> Done | Failed | None:
        """Returns the turn's last event; None if the caller has gone."""
        end = self.read_until(turn, lambda: False)
        assert end is None or isinstance(end, Done | Failed)
        return end

    def read_until(self, turn: Iterable[Event], is_late: Callable[[], bool]) -> Event | None:
        """Like read(), but stops at the first event after the time is up, and returns that."""
        for event in turn:
            if isinstance(event, Done | Failed):
                return event
            self.add(event)
            if is_late():
                return event
        return None

    def add(self, event: Event) -> None:
        if isinstance(event, Token):
            self.texts.append(event.text)
        elif isinstance(event, Restart):
            self.texts.clear()
        elif isinstance(event, Data) and event.name != PROGRESS:
            self.data[event.name] = event.value


def _answer(answer: Collected, done: Done, request_id: str) -> bytes:
    body = {"answer": json_text.quoted(answer.text), **sse.done(done)}
    if answer.data:
        body["data"] = answer.data
    body["request_id"] = request_id
    return json_text.dumps(body)


def _json(body: bytes) -> Response:
    return Response(body, mimetype="application/json")
