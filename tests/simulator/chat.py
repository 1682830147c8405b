"""One chat request: what was asked, which behaviour was ordered, and the script that follows."""

import itertools
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass

from tests.simulator.behaviour import Behaviour, DirectiveError, choose_behaviour
from tests.simulator.complete_answer import complete_answer
from tests.simulator.dialect_errors import DIALECT_ERRORS
from tests.simulator.dialects import UNASKED_USAGE, refusal_of
from tests.simulator.frames import AnswerName, http_head, json_response
from tests.simulator.http_request import Request
from tests.simulator.record import Arrival, Record, RequestRecord
from tests.simulator.refusals import (
    content_filter_body,
    context_length_body,
    error_body,
    prefill_body,
    status_body,
)
from tests.simulator.script import CUT, FOREVER, REFUSED, RESET, Answer, Script, reply
from tests.simulator.streamed_answer import streamed_answer
from tests.simulator.usage import count_input_tokens, last_user_text

_HTML = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body></body></html>"


class ChatRequestError(ValueError):
    """The body is no chat request."""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    model: str
    messages: list[Mapping[str, object]]
    stream: bool
    include_usage: bool
    max_tokens: int | None


def parse_chat(body: bytes) -> ChatRequest:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ChatRequestError(
            f"We could not parse the JSON body of your request: {error}"
        ) from None
    if not isinstance(data, dict) or not isinstance(data.get("model"), str):
        raise ChatRequestError("you must provide a model parameter")
    messages = data.get("messages")
    if not isinstance(messages, list) or not all(isinstance(m, dict) for m in messages):
        raise ChatRequestError("'messages' must be an array of objects")
    options = data.get("stream_options")
    limit = data.get("max_completion_tokens", data.get("max_tokens"))
    return ChatRequest(
        model=data["model"],
        messages=messages,
        stream=data.get("stream") is True,
        include_usage=isinstance(options, dict) and options.get("include_usage") is True,
        max_tokens=limit if isinstance(limit, int) else None,
    )


class Chat:
    """Turns requests for /v1/chat/completions into a record and a script."""

    def __init__(self, record: Record) -> None:
        self.default_directive = ""
        self._record = record
        self._numbers = itertools.count(1)

    def answer(self, request: Request, connection: int) -> tuple[RequestRecord, Script]:
        arrival = Arrival(request.path, request.headers, request.body)
        try:
            chat = parse_chat(request.body)
        except ChatRequestError as error:
            return self._not_understood(arrival, connection, str(error), None)
        arrival.model, arrival.stream = chat.model, chat.stream
        try:
            behaviour = self._behaviour(chat)
        except DirectiveError as error:
            return self._not_understood(arrival, connection, str(error), "invalid_directive")
        arrival.fault = behaviour.fault
        record = self._record.open(arrival, connection)
        return record, self._script(request, chat, behaviour, record)

    def _behaviour(self, chat: ChatRequest) -> Behaviour:
        message = last_user_text(chat.messages)
        behaviour = choose_behaviour(chat.model, message, self.default_directive)
        if behaviour.times is None:
            return behaviour
        key = behaviour.key or message
        meets = self._record.meets_fault(key, behaviour.times)
        return behaviour if meets else behaviour.without_fault()

    def _not_understood(
        self, arrival: Arrival, connection: int, message: str, code: str | None
    ) -> tuple[RequestRecord, Script]:
        record = self._record.open(arrival, connection)
        body = error_body(message, error_type="invalid_request_error", code=code)
        return record, refuse(record, 400, body)

    def _script(
        self, request: Request, chat: ChatRequest, behaviour: Behaviour, record: RequestRecord
    ) -> Script:
        number = next(self._numbers)
        headers = {"x-request-id": f"req_sim{number}"}
        if not request.keeps_alive:
            headers["Connection"] = "close"
        early = _without_answer(request, chat, behaviour, record, headers)
        if early is not None:
            return early
        name = AnswerName(
            f"chatcmpl-sim{number}", int(time.time()), behaviour.answer_model or chat.model
        )
        answer = Answer(
            behaviour,
            name,
            input_tokens=count_input_tokens(chat.messages),
            max_tokens=chat.max_tokens,
            with_usage=chat.include_usage or not chat.stream or behaviour.dialect in UNASKED_USAGE,
            chunked=request.version == "HTTP/1.1",
            headers=headers,
        )
        record.usage = answer.reported_usage()
        return streamed_answer(answer) if chat.stream else complete_answer(answer)


def _without_answer(
    request: Request,
    chat: ChatRequest,
    behaviour: Behaviour,
    record: RequestRecord,
    headers: dict[str, str],
) -> Script | None:
    """The faults that leave no answer, streamed or not."""
    delay = max(behaviour.first, behaviour.headers)
    match behaviour.fault:
        case "reset-before":
            return _end(RESET, delay)
        case "close-before":
            return _end(CUT, delay)
        case "silent":
            return _end(RESET, FOREVER)
        case "html":
            head = {"Content-Type": "text/html", "Content-Length": str(len(_HTML))}
            return reply(http_head(200, head | headers) + _HTML, delay, REFUSED)
    refusal = _refusal(request, chat, behaviour) or refusal_of(behaviour.dialect, request.body)
    if refusal is None:
        return None
    if behaviour.retry_after is not None:
        headers["Retry-After"] = behaviour.retry_after
    return refuse(record, *refusal, headers=headers, delay=delay)


def _refusal(
    request: Request, chat: ChatRequest, behaviour: Behaviour
) -> tuple[int, object] | None:
    if behaviour.error is not None:
        return DIALECT_ERRORS[behaviour.dialect][behaviour.error]
    match behaviour.fault:
        case "status":
            key = request.headers.get("authorization", "").removeprefix("Bearer ")
            return behaviour.status, status_body(behaviour.status, model=chat.model, key=key)
        case "content-filter":
            return 400, content_filter_body()
        case "context-length":
            return 400, context_length_body(count_input_tokens(chat.messages))
        case "prefill-refused" if chat.messages and chat.messages[-1].get("role") == "assistant":
            return 400, prefill_body()
    return None


def refuse(
    record: RequestRecord,
    status: int,
    body: object,
    *,
    headers: Mapping[str, str] | None = None,
    delay: float = 0.0,
) -> Script:
    record.status = status
    return reply(json_response(status, body, headers), delay, REFUSED)


def _end(ending: str, delay: float) -> Script:
    yield b"", 0, delay
    return ending
