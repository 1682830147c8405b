"""Answers in OpenAI's format: complete ones, and chunks, which are composed by hand because there are so many."""

from typing import Any, TypeGuard

from service.chat.events import Data, Done, Failed, Thinking, Usage
from service.web import json_text, openai_errors

PING = b": ping\n\n"
END = b"data: [DONE]\n\n"
# a chain's tool calls go into OpenAI's own field
TOOL_CALLS = "tool_calls"
CALL_FIELDS = {"id", "name", "args"}
FINISH_REASONS = {"stop", "length", "tool_calls", "content_filter"}


class Chunks:
    """The chunks of one stream. events: the client asked for data besides the text."""

    def __init__(self, answer_id: str, created: int, model: str, *, events: bool) -> None:
        self._about = b'data: {"id":%b,"object":"chat.completion.chunk","created":%d,' % (
            json_text.dumps(answer_id),
            created,
        )
        self._events = events
        self._begun = False
        self._calls: Any = None
        self.answers(model)

    def answers(self, model: str) -> None:
        """Changes the model that the following chunks name."""
        self._head = self._about + b'"model":%b,"choices":[' % json_text.dumps(model)
        self._before = self._head + b'{"index":0,"delta":{"content":'

    def text(self, text: str) -> bytes:
        frame = self._before + json_text.quoted_bytes(text) + b'},"finish_reason":null}]}\n\n'
        return frame if self._begun else self._role() + frame

    def thinking(self, event: Thinking) -> bytes:
        if not event.text:
            return PING
        return self._delta({"reasoning_content": json_text.quoted(event.text)})

    def data(self, event: Data) -> bytes:
        if event.name == TOOL_CALLS and are_tool_calls(event.value):
            self._calls = event.value
            return PING
        if not self._events:
            return PING
        return self._delta({"chat_data": {"name": event.name, "value": event.value}})

    def end(self, done: Done, *, include_usage: bool) -> bytes:
        self.answers(done.model)
        frames = b"" if self._begun else self._role()
        if self._calls:
            frames += self._delta({"tool_calls": tool_calls(self._calls)})
        reason = json_text.dumps(finish_reason(done))
        frames += self._head + b'{"index":0,"delta":{},"finish_reason":%b}]}\n\n' % reason
        if include_usage:
            frames += self._head + b'],"usage":%b}\n\n' % json_text.dumps(usage(done.usage))
        return frames + END

    def failure(self, failed: Failed, request_id: str) -> bytes:
        """Without a finish reason, so that no client can mistake it for a complete answer."""
        error = json_text.dumps({"error": openai_errors.body(failed.error, request_id)})
        return b"data: " + error + b"\n\n" + END

    def _role(self) -> bytes:
        self._begun = True
        return (
            self._head
            + b'{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}\n\n'
        )

    def _delta(self, delta: dict[str, Any]) -> bytes:
        begin = b"" if self._begun else self._role()
        told = json_text.dumps(delta)
        return begin + self._head + b'{"index":0,"delta":%b,"finish_reason":null}]}\n\n' % told


def completion(answer_id: str, created: int, text: str, data: dict[str, Any], done: Done) -> bytes:
    """The body of a complete answer."""
    message: dict[str, Any] = {
        "role": "assistant",
        "content": json_text.quoted(text),
        "refusal": None,
    }
    calls = data.get(TOOL_CALLS)
    if are_tool_calls(calls):
        message["tool_calls"] = tool_calls(calls)
    return json_text.dumps(
        {
            "id": answer_id,
            "object": "chat.completion",
            "created": created,
            "model": done.model,
            "choices": [
                {
                    "index": 0,
                    "message": message,
                    "logprobs": None,
                    "finish_reason": finish_reason(done),
                }
            ],
            "usage": usage(done.usage),
        }
    )


def finish_reason(done: Done) -> str:
    """OpenAI's finish reason: a refusal is text, and its answer is complete."""
    return done.finish_reason if done.finish_reason in FINISH_REASONS else "stop"


def are_tool_calls(value: Any) -> TypeGuard[list[dict[str, Any]]]:
    """Whether data is the chain's tool calls, rather than data of its own under their name."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(call, dict) and call.keys() == CALL_FIELDS for call in value)
    )


def tool_calls(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "index": place,
            "id": call["id"] or f"call_{place}",
            "type": "function",
            "function": {"name": call["name"], "arguments": _arguments(call["args"])},
        }
        for place, call in enumerate(calls)
    ]


def _arguments(args: Any) -> str:
    return args if isinstance(args, str) else json_text.dumps(args).decode()


def usage(counted: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": counted.input_tokens,
        "completion_tokens": counted.output_tokens,
        "total_tokens": counted.input_tokens + counted.output_tokens,
        "prompt_tokens_details": {"cached_tokens": counted.cached_input_tokens or 0},
    }
