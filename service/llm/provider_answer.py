"""Converts the output of any provider's LangChain model to our chunks, whatever it calls reason, thinking and usage."""

from collections.abc import Generator, Iterable, Mapping
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk

from service.chat.events import Chunk, Usage
from service.errors import ContentFiltered, UpstreamError
from service.llm.accumulator import FUNCTION_CALL, arguments_text
from service.llm.kept import THINKING, Kept
from service.llm.usage import total, usage_of
from service.llm.wire.finish import finish_reason

REASONS = ("finish_reason", "stop_reason", "done_reason")
# its class reports increments; all others report totals
REPORTS_PARTS = "google_genai"


class ProviderAnswer:
    """says_why: the provider gives a reason at an answer's end, so an answer without one was cut."""

    def __init__(self, kept: Kept, *, says_why: bool) -> None:
        self._kept = kept
        self._says_why = says_why
        self._usage: Usage | None = None
        self._called = False
        self._ended = False
        kept.forget()

    def chunks(self, generations: Iterable[ChatGenerationChunk]) -> Generator[Chunk, None, None]:
        """Raises ContentFiltered, UpstreamError, or whatever the class raises."""
        for generation in generations:
            yield self._chunk(generation)
        if not self._ended and not self._says_why:
            yield Chunk(finish_reason="stop")

    def _chunk(self, generation: ChatGenerationChunk) -> Chunk:
        message = generation.message
        about = {**message.response_metadata, **(generation.generation_info or {})}
        self._kept.add(message)
        if blocked := (about.get("prompt_feedback") or {}).get("block_reason"):
            raise ContentFiltered(cause=f"block_reason {blocked}")
        chunk = Chunk(_text(message), _thinking(message), _tool_calls(message))
        self._called = self._called or bool(chunk.tool_calls)
        chunk.usage = self._counted(usage_of(message), about.get("model_provider"))
        chunk.finish_reason = self._reason(about)
        chunk.provisional = bool(chunk.finish_reason and (chunk.text or chunk.thinking))
        return chunk

    def _counted(self, usage: Usage | None, provider: Any) -> Usage | None:
        if usage is not None and self._usage is not None and provider == REPORTS_PARTS:
            usage = total([self._usage, usage])
        self._usage = usage or self._usage
        return usage

    def _reason(self, about: dict[str, Any]) -> str | None:
        reason = finish_word(about)
        if reason == "failed":
            raise UpstreamError(cause="finish_reason: failed")
        self._ended = self._ended or reason is not None
        return "tool_calls" if reason == "stop" and self._called else reason


def finish_word(about: Mapping[str, Any]) -> str | None:
    """Our finish reason or `failed`, whatever the provider's metadata calls it; None: the answer goes on."""
    return finish_reason(next((about[name] for name in REASONS if about.get(name)), None))


def whole_chunk(message: AIMessage) -> AIMessageChunk:
    """The message of a model that cannot stream, as a single chunk."""
    calls: Any = [
        {
            "name": c["name"],
            "args": arguments_text(c["args"]),
            "id": c["id"],
            "index": i,
            "type": "tool_call_chunk",
        }
        for i, c in enumerate([*message.tool_calls, *message.invalid_tool_calls])
    ]
    return AIMessageChunk(
        content=message.content,
        tool_call_chunks=calls,
        additional_kwargs=message.additional_kwargs,
        response_metadata=message.response_metadata,
        usage_metadata=message.usage_metadata,
    )


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
    parts = message.tool_call_chunks if isinstance(message, AIMessageChunk) else []
    # of OpenAI's older API
    function = message.additional_kwargs.get(FUNCTION_CALL)
    if function and not parts:
        return [{"function": function}]
    return [
        {
            "index": part["index"],
            "id": part["id"],
            "function": {"name": part["name"], "arguments": part["args"]},
        }
        for part in parts
    ]
