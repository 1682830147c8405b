"""What any provider's LangChain model streams, as our own chunks."""

import json
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk

from service.chat.events import Chunk, Usage
from service.errors import UpstreamError
from service.llm.wire import finish

THINKING = ("thinking", "reasoning", "reasoning_content")
REASONS = ("finish_reason", "stop_reason", "done_reason")


def chunk_of(generation: ChatGenerationChunk) -> Chunk:
    message = generation.message
    chunk = Chunk(
        text=_text(message),
        thinking=_thinking(message),
        tool_calls=_tool_calls(message),
        finish_reason=finish_reason(message, generation.generation_info),
        usage=usage_of(message),
    )
    if chunk.finish_reason == "failed":
        raise UpstreamError(cause="finish_reason: failed")
    chunk.provisional = bool(chunk.finish_reason and (chunk.text or chunk.thinking))
    return chunk


def _text(message: BaseMessage) -> str:
    return message.content if isinstance(message.content, str) else str(message.text)


def _thinking(message: BaseMessage) -> str:
    extra = message.additional_kwargs
    texts = [str(extra[name]) for name in THINKING if isinstance(extra.get(name), str)]
    if isinstance(message.content, list):
        blocks = (block for block in message.content if isinstance(block, dict))
        texts += [_thought(block) for block in blocks if block.get("type") in THINKING]
    return "".join(texts)


def _thought(block: dict[str, Any]) -> str:
    return next((str(block[name]) for name in THINKING if isinstance(block.get(name), str)), "")


def _tool_calls(message: BaseMessage) -> list[dict[str, Any]]:
    if isinstance(message, AIMessageChunk) and message.tool_call_chunks:
        return [
            {
                "index": call["index"],
                "id": call["id"],
                "function": {"name": call["name"], "arguments": call["args"]},
            }
            for call in message.tool_call_chunks
        ]
    return []


def finish_reason(message: BaseMessage, info: dict[str, Any] | None = None) -> str | None:
    """In our words, or `failed`."""
    about = {**message.response_metadata, **(info or {})}
    said = next((about[name] for name in REASONS if about.get(name)), None)
    return finish.finish_reason(said)


def whole_chunk(message: AIMessage) -> AIMessageChunk:
    """A message of a model that cannot stream, as its only chunk."""
    calls: Any = [
        {
            "name": c["name"],
            "args": _json(c["args"]),
            "id": c["id"],
            "index": i,
            "type": "tool_call_chunk",
        }
        for i, c in enumerate(message.tool_calls)
    ]
    return AIMessageChunk(
        content=message.content,
        tool_call_chunks=calls,
        additional_kwargs=message.additional_kwargs,
        response_metadata=message.response_metadata,
        usage_metadata=message.usage_metadata,
    )


def _json(args: Any) -> str:
    return json.dumps(args)


def usage_of(message: Any) -> Usage | None:
    """A message's usage, where LangChain has one."""
    reported = getattr(message, "usage_metadata", None)
    if not reported or not (reported.get("input_tokens") or reported.get("output_tokens")):
        return None
    cached = (reported.get("input_token_details") or {}).get("cache_read")
    return Usage(reported["input_tokens"], reported["output_tokens"], "reported", cached)
