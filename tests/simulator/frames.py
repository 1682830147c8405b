"""Bytes of the wire: SSE frames, JSON answers, HTTP heads and chunks. No I/O here."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import responses

LAST_CHUNK = b"0\r\n\r\n"
BOM = b"\xef\xbb\xbf"
EVENT_STREAM = "text/event-stream; charset=utf-8"

Json = Mapping[str, object]


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def identity(data: bytes) -> bytes:
    """The body of an answer to an HTTP/1.0 client, which knows no chunks."""
    return data


def to_json(value: object) -> bytes:
    """Compact UTF-8 as OpenAI sends it; a lone surrogate, which UTF-8 has not, is escaped."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        return text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def http_head(status: int, headers: Mapping[str, str]) -> bytes:
    # some APIs use statuses that have no name, such as 529
    lines = [f"HTTP/1.1 {status} {responses.get(status, '')}", "Server: llm-simulator"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def json_response(status: int, body: object, headers: Mapping[str, str] | None = None) -> bytes:
    data = to_json(body)
    head = {"Content-Type": "application/json", "Content-Length": str(len(data))}
    return http_head(status, head | dict(headers or {})) + data


@dataclass(frozen=True, slots=True)
class AnswerName:
    """What every chunk of an answer repeats."""

    answer_id: str
    created: int
    model: str


class Frames:
    """Makes the SSE frames of one answer; what they share is rendered once. The dialects change parts of them.

    The deltas are JSON; None: there is no such frame. choice_more: further fields of each choice.
    """

    role_delta: bytes | None = b'{"role":"assistant","content":"","refusal":null}'
    content_delta = b'{"content":"\0"}'
    thought_delta: bytes | None = b'{"reasoning_content":"hm "}'
    choice_more = b""

    def __init__(self, name: AnswerName, *, with_usage: bool, newline: bytes = b"\n") -> None:
        self._newline = newline
        # With include_usage every chunk but the last carries a null.
        self._usage_null = b',"usage":null' if with_usage else b""
        self._name = (
            b'"id":%b,"object":"chat.completion.chunk","created":%d,"model":%b,'
            b'"system_fingerprint":"fp_simulator"'
        ) % (to_json(name.answer_id), name.created, to_json(name.model))
        frame = self.choice(self.content_delta)
        self._before, self._after = frame.split(b"\0")

    def frame(self, data: bytes) -> bytes:
        return b"data: %b%b%b" % (data, self._newline, self._newline)

    def comment(self, words: bytes = b"keepalive") -> bytes:
        return b": %b%b%b" % (words, self._newline, self._newline)

    def choice(
        self, delta: bytes, finish: str | None = None, *, frame_more: bytes | None = None
    ) -> bytes:
        """frame_more: further fields of the frame, in place of usage."""
        return self.frame(
            b'{%b,"choices":[{"index":0,"delta":%b,"logprobs":null,"finish_reason":%b%b}]%b}'
            % (
                self._name,
                delta,
                to_json(finish),
                self.choice_more,
                self._usage_null if frame_more is None else frame_more,
            )
        )

    def role(self) -> bytes:
        return b"" if self.role_delta is None else self.choice(self.role_delta)

    def content(self, text: str) -> bytes:
        return b"%b%b%b" % (self._before, to_json(text)[1:-1], self._after)

    def thought(self) -> bytes:
        return b"" if self.thought_delta is None else self.choice(self.thought_delta)

    def malformed(self, text: str) -> bytes:
        """A content frame whose JSON ends too early."""
        return self.frame(self.content(text)[len(b"data: ") : -len(self._after)])

    def finish(self, reason: str) -> bytes:
        return self.choice(b"{}", reason)

    def closing(self, reason: str, usage: Json | None) -> bytes:
        """The end, and the usage if it was asked for."""
        return self.finish(reason) + (b"" if usage is None else self.usage(usage))

    def last(self, delta: bytes, reason: str, usage: Json | None) -> bytes:
        """The end with the usage in the same frame."""
        more = b"" if usage is None else b',"usage":%b' % to_json(usage)
        return self.choice(delta, reason, frame_more=more)

    def empty_choices(self) -> bytes:
        return self.without_choices(self._usage_null)

    def without_choices(self, more: bytes) -> bytes:
        return self.frame(b'{%b,"choices":[]%b}' % (self._name, more))

    def usage(self, usage: Json) -> bytes:
        return self.frame(b'{%b,"choices":[],"usage":%b}' % (self._name, to_json(usage)))

    def error(self, body: Json) -> bytes:
        return self.frame(to_json(body))

    def done(self) -> bytes:
        return self.frame(b"[DONE]")


def completion(name: AnswerName, text: str, finish: str | None, usage: Json | None) -> Json:
    """The whole answer as one JSON object."""
    message = {"role": "assistant", "content": text, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    return {
        "id": name.answer_id,
        "object": "chat.completion",
        "created": name.created,
        "model": name.model,
        "choices": [choice],
        **({"usage": usage} if usage is not None else {}),
        "system_fingerprint": "fp_simulator",
    }
