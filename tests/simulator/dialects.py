"""How model servers differ from OpenAI's: the frames they write, and what they refuse of a question.

`sim-mistral` answers as Mistral does, `sim-mistral:error=limit` refuses in its words, `sim-groq:think=2` thinks first.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from tests.simulator.frames import Frames, Json, to_json

Refusal = tuple[int, object]
Asked = Mapping[str, Any]


class Gpt5(Frames):
    """It thinks unseen, and counts it."""

    thought_delta = None


class Azure(Frames):
    choice_more = b',"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}}'

    def role(self) -> bytes:
        results = b'[{"prompt_index":0,"content_filter_results":{"hate":{"filtered":false}}}]'
        return self.without_choices(b',"prompt_filter_results":%b' % results) + super().role()


class Gemini(Frames):
    """The role is in each frame, and thinking is marked content that the completion leaves out."""

    role_delta = None
    content_delta = b'{"role":"assistant","content":"\0"}'
    thought_delta = (
        b'{"role":"assistant","content":"hm ","extra_content":{"google":{"thought":true}}}'
    )

    def closing(self, reason: str, usage: Json | None) -> bytes:
        return self.last(b'{"role":"assistant"}', reason.upper(), usage)


class DeepSeek(Frames):
    thought_delta = b'{"content":null,"reasoning_content":"hm "}'
    content_delta = b'{"content":"\0","reasoning_content":null}'

    def role(self) -> bytes:
        return self.comment(b"keep-alive") * 2 + super().role()

    def closing(self, reason: str, usage: Json | None) -> bytes:
        return self.last(b'{"content":"","reasoning_content":null}', reason, usage)


class Mistral(Frames):
    """Thinking is a part of the content; what it counts stands in the last frame, whether asked for or not."""

    thought_delta = b'{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm "}]}]}'

    def closing(self, reason: str, usage: Json | None) -> bytes:
        return self.last(b'{"content":""}', "model_length" if reason == "length" else reason, usage)


class Groq(Frames):
    thought_delta = b'{"reasoning":"hm ","channel":"analysis"}'

    def closing(self, reason: str, usage: Json | None) -> bytes:
        counted = b',"x_groq":{"id":"req_sim","usage":%b}' % to_json(usage)
        return self.choice(b"{}", reason, frame_more=counted)


class OpenRouter(Frames):
    thought_delta = (
        b'{"role":"assistant","content":"","reasoning":"hm ",'
        b'"reasoning_details":[{"type":"reasoning.text","text":"hm "}]}'
    )
    content_delta = b'{"role":"assistant","content":"\0"}'
    choice_more = b',"native_finish_reason":null'

    def role(self) -> bytes:
        return self.comment(b"OPENROUTER PROCESSING") * 2 + super().role()


class Ollama(Frames):
    role_delta = None
    content_delta = b'{"role":"assistant","content":"\0"}'
    thought_delta = b'{"role":"assistant","content":"","reasoning":"hm "}'


class Vllm(Frames):
    thought_delta = b'{"reasoning":"hm ","reasoning_content":"hm "}'
    choice_more = b',"stop_reason":null,"token_ids":null'


FRAMES: Mapping[str, type[Frames]] = {
    "openai": Frames,
    "gpt-5": Gpt5,
    "azure": Azure,
    "gemini": Gemini,
    "deepseek": DeepSeek,
    "mistral": Mistral,
    "groq": Groq,
    "openrouter": OpenRouter,
    "ollama": Ollama,
    "vllm": Vllm,
}
# their completion leaves thoughts out, the total has them
UNCOUNTED_THOUGHTS = frozenset({"gemini"})
# they report it whether they are asked or not
UNASKED_USAGE = frozenset({"gemini", "mistral", "groq"})
VLLM_WINDOW = 4096
VLLM_PROMPT = 16


def _openai(message: str, **more: object) -> dict[str, object]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, **more}}


def _gpt5_refuses(asked: Asked) -> Refusal | None:
    if "max_tokens" in asked:
        words = (
            "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
        )
        return 400, _openai(
            f"Unsupported parameter: {words}", param="max_tokens", code="unsupported_parameter"
        )
    if asked.get("temperature", 1) != 1:
        words = f"'temperature' does not support {asked['temperature']} with this model."
        return 400, _openai(
            f"Unsupported value: {words} Only the default (1) value is supported.",
            param="temperature",
            code="unsupported_value",
        )
    return None


def _mistral_refuses(asked: Asked) -> Refusal | None:
    unknown = [name for name in ("stream_options", "max_completion_tokens") if name in asked]
    if not unknown:
        return None
    detail = [
        {"type": "extra_forbidden", "loc": ["body", name], "msg": "Extra inputs are not permitted"}
        for name in unknown
    ]
    return 422, {"object": "error", "message": {"detail": detail}, "type": "invalid_request_error"}


def _vllm_refuses(asked: Asked) -> Refusal | None:
    limit = asked.get("max_completion_tokens", asked.get("max_tokens", 0))
    if VLLM_PROMPT + limit <= VLLM_WINDOW:
        return None
    message = (
        f"'max_tokens' or 'max_completion_tokens' is too large: {limit}. This model's maximum context length is "
        f"{VLLM_WINDOW} tokens and your request has {VLLM_PROMPT} input tokens "
        f"({limit} > {VLLM_WINDOW} - {VLLM_PROMPT})."
    )
    return 400, _vllm(message, "BadRequestError", 400)


def _vllm(message: str, kind: str, code: int) -> dict[str, object]:
    return {"object": "error", "message": message, "type": kind, "param": None, "code": code}


_REFUSES: Mapping[str, Callable[[Asked], Refusal | None]] = {
    "gpt-5": _gpt5_refuses,
    "mistral": _mistral_refuses,
    "vllm": _vllm_refuses,
}


def refusal_of(dialect: str, body: bytes) -> Refusal | None:
    """What it does not take of a question. body: JSON that has been understood."""
    refuses = _REFUSES.get(dialect)
    return None if refuses is None else refuses(json.loads(body))
