"""The OpenAI-compatible API: POST /v1/chat/completions and GET /v1/models, with the same chains."""

import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, Response, g, request

from service.chat.events import (
    Data,
    Done,
    Event,
    Failed,
    Restart,
    Start,
    Thinking,
    Tick,
    Token,
)
from service.chat.request import ChatRequest, Limits
from service.chat.running_turn import RunningTurn
from service.chat.turn import Turns
from service.errors import Detail, InvalidRequest
from service.web import json_text, openai_errors, openai_request, sse
from service.web.chat import CALLER_GONE, Collected, Streaming
from service.web.context import Entry, WebCaller, caller_of
from service.web.drain import Drain
from service.web.keys import Key, key_of
from service.web.openai_frames import Chunks, completion
from service.web.openai_request import Understood
from service.web.stream import Heartbeat, Held, Spoken, StreamBody
from service.web.thinking import ThinkingEvents

ROUTE = "/v1/chat/completions"
HOLD_HEADER = "X-Hold-Answer"
EVENTS_HEADER = "X-Chat-Events"
CHAIN = "chain"


@dataclass
class OpenAICaller(WebCaller):
    """This protocol cannot take text back, unless the answer is sent only when it is complete."""

    understood: Understood = field(default_factory=Understood)
    turn: RunningTurn | None = None

    @property
    def takes_back(self) -> bool:
        return not self.understood.stream or self.holds

    @property
    def holds(self) -> bool:
        return _wants(self, HOLD_HEADER)

    @property
    def sees_data(self) -> bool:
        return _wants(self, EVENTS_HEADER)

    def parse(self, body: bytes, limits: Limits) -> ChatRequest:
        asked, self.understood = openai_request.parse(body, limits)
        self.user_id = self.user_id or self.understood.user
        return asked

    def begun(self, turn: RunningTurn) -> None:
        self.turn = turn

    @property
    def model(self) -> str:
        """The model that answers."""
        assert self.turn is not None
        attempts = self.turn.attempts
        return attempts[-1].model if attempts else self.turn.prompt.model

    @property
    def answer_id(self) -> str:
        assert self.turn is not None
        return f"chatcmpl-{self.turn.prompt.turn_id}"


def blueprint(
    turns: Turns,
    streaming: Streaming,
    drain: Drain,
    entry: Entry,
    owner: str,
    clock: Callable[[], float],
) -> Blueprint:
    """owner: reported as `owned_by` of the models."""
    routes = Blueprint("openai", __name__)
    listed = _Listed(turns.limits, owner)

    @routes.post(ROUTE)
    def complete() -> Response:
        caller = caller_of(ROUTE, entry, OpenAICaller)
        turn = turns.run(caller)
        start = next(turn, None)
        if not isinstance(start, Start):
            return _ended(start, caller)
        if not caller.understood.stream:
            return _whole(turn, caller)
        return _streamed(start, turn, caller, streaming, drain, clock)

    @routes.get("/v1/models")
    def models() -> Response:
        key = key_of(request, entry.access)
        return _json({"object": "list", "data": listed.of(key)})

    @routes.get("/v1/models/<path:name>")
    def model(name: str) -> Response:
        for each in listed.of(key_of(request, entry.access)):
            if each["id"] == name:
                return _json(each)
        unknown = InvalidRequest(details=(Detail("model", "does not exist"),))
        return openai_errors.response(unknown, g.request_id)

    return routes


class _Listed:
    """The names a request may use as its model. owner: of the models; chains have CHAIN instead."""

    def __init__(self, limits: Limits, owner: str) -> None:
        self._created = int(time.time())
        # a model's name means the default chain with it, another chain's that chain with the default model
        model, chain = limits.models[0], limits.chains[0]
        self._names = [
            *((name, owner, name, chain) for name in limits.models),
            *((name, CHAIN, model, name) for name in limits.chains if name not in limits.models),
        ]

    def of(self, key: Key) -> list[dict[str, Any]]:
        """The names that this key may use."""
        return [
            {"id": name, "object": "model", "created": self._created, "owned_by": owner}
            for name, owner, model, chain in self._names
            if key.offers(model, chain)
        ]


class Encoder:
    """Encodes a turn's events as chunks."""

    def __init__(self, caller: OpenAICaller) -> None:
        assert caller.turn is not None
        self._caller = caller
        self._attempts = caller.turn.attempts
        self._known = len(self._attempts)
        created = int(time.time())
        self._chunks = Chunks(caller.answer_id, created, caller.model, events=caller.sees_data)

    def encode(self, event: Spoken) -> bytes:
        if isinstance(event, Token):
            if len(self._attempts) != self._known:
                self._known = len(self._attempts)
                self._chunks.answers(self._caller.model)
            return self._chunks.text(event.text)
        if isinstance(event, Done):
            return self._chunks.end(event, include_usage=self._caller.understood.include_usage)
        if isinstance(event, Failed):
            return self._chunks.failure(event, self._caller.request_id)
        return self._beside(event)

    def _beside(self, event: Start | Thinking | Data | Restart) -> bytes:
        if isinstance(event, Thinking):
            return self._chunks.thinking(event)
        return self._chunks.data(event) if isinstance(event, Data) else b""


def _streamed(
    start: Start,
    turn: Generator[Event, None, None],
    caller: OpenAICaller,
    streaming: Streaming,
    drain: Drain,
    clock: Callable[[], float],
) -> Response:
    told = _at_once(turn) if caller.holds else turn
    thinking = ThinkingEvents(clock, show=streaming.show_thinking)
    shows_data = caller.sees_data
    held = Held(told, streaming.hold_seconds, thinking, clock, start, shows_data=shows_data)
    if held.first is None or isinstance(held.first, Failed):
        return _ended(held.first, caller)
    heartbeat = Heartbeat(streaming.heartbeat_seconds, clock)
    encode = Encoder(caller).encode
    body = StreamBody(held, encode, caller.connection, drain.streams, heartbeat)
    return Response(body, headers=sse.HEADERS, direct_passthrough=True)


def _at_once(turn: Generator[Event, None, None]) -> Generator[Event, None, None]:
    """Holds all text back until the turn's end, so that it can restart until then."""
    answer = Collected()
    with closing(turn):
        for event in turn:
            if isinstance(event, Done):
                yield from (Data(name, value) for name, value in answer.data.items())
                yield Token(answer.text)
                yield event
            elif isinstance(event, Tick | Thinking | Failed):
                yield event
            else:
                answer.add(event)


def _whole(turn: Generator[Event, None, None], caller: OpenAICaller) -> Response:
    answer = Collected()
    with closing(turn):
        last = answer.read(turn)
    if not isinstance(last, Done):
        return _ended(last, caller)
    created = int(time.time())
    body = completion(caller.answer_id, created, answer.text, answer.data, last)
    return Response(body, mimetype="application/json")


def _ended(event: Event | None, caller: OpenAICaller) -> Response:
    if isinstance(event, Failed):
        return openai_errors.response(event.error, caller.request_id)
    return Response(status=CALLER_GONE)


def _wants(caller: WebCaller, header: str) -> bool:
    return bool(caller.request.headers.get(header, "").strip().lower() == "true")


def _json(body: dict[str, Any]) -> Response:
    return Response(json_text.dumps(body), mimetype="application/json")
