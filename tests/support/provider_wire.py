"""Answers as Anthropic's, Google's and Ollama's servers write them, for tests/support/model_server.py.

server.says(anthropic.answers("Hello"))
"""

import json
from typing import Any

from tests.support.model_server import Piece, refuses, stream
from tests.support.upstream import whole

NDJSON_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
)
JSON_HEAD = NDJSON_HEAD.replace(b"x-ndjson", b"json")


class anthropic:  # noqa: N801 - used like a module
    """The Messages API's event stream."""

    @staticmethod
    def event(kind: str, **fields: Any) -> bytes:
        return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()

    @classmethod
    def start(cls, input_tokens: int = 10, **usage: int) -> bytes:
        message = {
            "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-of-the-server", "content": [],
            "stop_reason": None, "stop_sequence": None,
            "usage": {"input_tokens": input_tokens, "output_tokens": 1, **usage},
        }  # fmt: skip
        return cls.event("message_start", message=message)

    @classmethod
    def block(cls, index: int, block: dict[str, Any], *deltas: dict[str, Any]) -> bytes:
        return b"".join(
            [
                cls.event("content_block_start", index=index, content_block=block),
                *(cls.event("content_block_delta", index=index, delta=delta) for delta in deltas),
                cls.event("content_block_stop", index=index),
            ]
        )

    @classmethod
    def text(cls, *words: str, index: int = 0) -> bytes:
        deltas = [{"type": "text_delta", "text": word} for word in words]
        return cls.block(index, {"type": "text", "text": ""}, *deltas)

    @classmethod
    def thinks(cls, words: str, signature: str = "signed", index: int = 0) -> bytes:
        return cls.block(
            index,
            {"type": "thinking", "thinking": "", "signature": ""},
            {"type": "thinking_delta", "thinking": words},
            {"type": "signature_delta", "signature": signature},
        )

    @classmethod
    def calls(cls, name: str, arguments: Any, index: int = 0, call_id: str = "toolu_1") -> bytes:
        half, written = 3, json.dumps(arguments)
        parts = (written[:half], written[half:])
        deltas = [{"type": "input_json_delta", "partial_json": part} for part in parts]
        block = {"type": "tool_use", "id": call_id, "name": name, "input": {}}
        return cls.block(index, block, *deltas)

    @classmethod
    def end(cls, reason: str = "end_turn", output_tokens: int = 5, **usage: int) -> bytes:
        return cls.event(
            "message_delta",
            delta={"stop_reason": reason, "stop_sequence": None},
            usage={"output_tokens": output_tokens, **usage},
        ) + cls.event("message_stop")

    @classmethod
    def answers(cls, *words: str, reason: str = "end_turn") -> list[Piece]:
        words = words or ("Hello", " world")
        ended = cls.end(reason, input_tokens=10)
        return stream(cls.start(), cls.event("ping"), cls.text(*words), ended)

    @staticmethod
    def refuses(status: int, kind: str, message: str = "no", **headers: str) -> list[Piece]:
        error = {"type": "error", "error": {"type": kind, "message": message}}
        return refuses(status, error, **headers)


class ollama:  # noqa: N801 - used like a module
    """/api/chat: a line of JSON each."""

    @staticmethod
    def line(content: str = "", **more: Any) -> bytes:
        message = {"role": "assistant", "content": content, **more.pop("message", {})}
        about = {"model": "llama-of-the-server", "created_at": "2025-01-01T00:00:00Z"}
        return json.dumps({**about, "message": message, "done": False, **more}).encode() + b"\n"

    @classmethod
    def end(cls, reason: str = "stop", counts: tuple[int, int] | None = (10, 5)) -> bytes:
        usage = {"prompt_eval_count": counts[0], "eval_count": counts[1]} if counts else {}
        return cls.line(done=True, done_reason=reason, **usage)

    @classmethod
    def calls(cls, name: str, arguments: Any) -> bytes:
        return cls.line(
            message={"tool_calls": [{"function": {"name": name, "arguments": arguments}}]}
        )

    @classmethod
    def answers(cls, *words: str, reason: str = "stop") -> list[Piece]:
        lines = map(cls.line, words or ("Hello", " world"))
        return stream(*lines, cls.end(reason), head=NDJSON_HEAD)

    @staticmethod
    def refuses(status: int, message: str, **headers: str) -> list[Piece]:
        return [whole(status, json.dumps({"error": message}).encode(), **headers)]


class google:  # noqa: N801 - used like a module
    """streamGenerateContent over HTTP: one array, an object a chunk; its counts are totals."""

    @staticmethod
    def chunk(
        text: str = "", reason: str = "", counts: tuple[int, int] = (10, 0), **part: Any
    ) -> Any:
        parts = [{"text": text, **part}] if text else [part] if part else []
        candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
        if reason:
            candidate["finishReason"] = reason
        usage = {
            "promptTokenCount": counts[0], "candidatesTokenCount": counts[1], "totalTokenCount": sum(counts),
        }  # fmt: skip
        return {
            "candidates": [candidate],
            "usageMetadata": usage,
            "modelVersion": "gemini-of-the-server",
        }

    @staticmethod
    def array(*chunks: Any, end: bool = True) -> list[Piece]:
        written = [json.dumps(one).encode() for one in chunks]
        pieces = [b"[" + written[0], *(b"," + one for one in written[1:])]
        return stream(*pieces, *([b"]"] if end else []), head=JSON_HEAD, end=end)

    @classmethod
    def answers(cls) -> list[Piece]:
        return cls.array(cls.chunk("Hello", counts=(10, 1)), cls.chunk(" world", "STOP", (10, 5)))

    @staticmethod
    def refuses(status: int, word: str, message: str = "no", **headers: str) -> list[Piece]:
        return refuses(
            status, {"error": {"code": status, "message": message, "status": word}}, **headers
        )
