"""Answers and failures within a 200, in the frames of the servers that are known to write them: a row each.

name, reply (or several), and what it is: text, finish reason and code; or the code alone. Perhaps where the bill comes
from, or how many tokens it has for the answer.
"""

# ruff: noqa: E501 - a row each, as servers write it

import json
from typing import Any

from tests.support.model_server import DONE, answers, fin, frame, stream, text
from tests.support.upstream import STREAM_HEAD, chunk
from tests.support.upstream import whole as http

COUNTS = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
HELLO = ("Hello", "stop", None)
FAILED = "upstream_error"
PLAIN = {
    "index": 0,
    "message": {"role": "assistant", "content": "Hello"},
    "finish_reason": "stop",
}
COMPLETION = {"id": "c", "object": "chat.completion", "choices": [PLAIN], "usage": COUNTS}


def chunk_of(choices: list[Any], **more: Any) -> bytes:
    return frame({"id": "c", "object": "chat.completion.chunk", "choices": choices, **more})


def part(**choice: Any) -> bytes:
    return chunk_of([choice])


def delta(said: Any, reason: Any = None, **more: Any) -> bytes:
    return part(index=0, delta=said, finish_reason=reason, **more)


def failed_with(**error: Any) -> bytes:
    return frame({"error": error})


ROLE = delta({"role": "assistant", "content": ""})


def whole_body(value: Any, status: int = 200, **headers: str) -> list[Any]:
    return [http(status, json.dumps(value).encode(), **headers)]


def completion(message: Any = None, **choice: Any) -> dict[str, Any]:
    said = {"role": "assistant", "content": "Hello", **(message or {})}
    return {**COMPLETION, "choices": [{**PLAIN, **choice, "message": said}]}


def billed(usage: Any) -> list[Any]:
    return stream(text("Hello"), delta({}, "stop"), frame({"choices": [], "usage": usage}), DONE)


# fmt: off
SERVERS: list[Any] = [
    ("role first", stream(ROLE, text("Hello"), fin("stop"), DONE), HELLO),
    ("azure prompt filter chunk", stream(chunk_of([], prompt_filter_results=[{"prompt_index": 0, "content_filter_results": {"hate": {"filtered": False, "severity": "safe"}}}]), ROLE, delta({"content": "Hello"}, None, content_filter_results={"hate": {"filtered": False}}), delta({}, "stop", content_filter_results={}), chunk_of([], usage=COUNTS), DONE), HELLO),
    ("azure async filter", stream(ROLE, text("Hello"), part(index=0, finish_reason=None, content_filter_offsets={"check_offset": 1}, content_filter_results={}), fin("stop"), part(index=0, finish_reason=None, content_filter_results={}, content_filter_offsets={}), chunk_of([], usage=COUNTS), DONE), HELLO),
    ("azure async filter after stop with annot", stream(ROLE, text("Hello"), fin("stop"), part(index=0, delta={}, finish_reason=None, content_filter_results={"error": {"code": "content_filter_error", "message": "The contents are not filtered"}}), DONE), HELLO),
    ("azure filtered chunk", stream(ROLE, text("Hel"), delta({}, "content_filter", content_filter_results={"hate": {"filtered": True, "severity": "high"}}), DONE), "content_filtered"),
    ("azure model router empties", stream(chunk_of([], model=""), ROLE, text("Hello"), fin("stop"), chunk_of([], usage=COUNTS), DONE), HELLO),
    ("obfuscation", stream(chunk_of([{"index": 0, "delta": {"role": "assistant", "content": "", "refusal": None}, "logprobs": None, "finish_reason": None}], obfuscation="xy", service_tier="default", system_fingerprint="fp"), chunk_of([{"index": 0, "delta": {"content": "Hello"}, "logprobs": None, "finish_reason": None}], obfuscation="abc"), chunk_of([{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}], obfuscation="q"), chunk_of([], usage=COUNTS, obfuscation=""), DONE), HELLO),
    ("logprobs", stream(chunk_of([{"index": 0, "delta": {"content": "Hello"}, "logprobs": {"content": [{"token": "Hello", "logprob": -0.1, "bytes": [72], "top_logprobs": []}], "refusal": None}, "finish_reason": None}]), fin("stop"), DONE), HELLO),
    ("usage null in each", stream(chunk_of([{"index": 0, "delta": {"content": "Hello"}, "finish_reason": None}], usage=None), chunk_of([{"index": 0, "delta": {}, "finish_reason": "stop"}], usage=None), chunk_of([], usage=COUNTS), DONE), HELLO),
    ("groq", stream(chunk_of([{"index": 0, "delta": {"role": "assistant", "content": ""}, "logprobs": None, "finish_reason": None}], x_groq={"id": "req"}), text("Hello"), chunk_of([{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}], x_groq={"id": "req", "usage": {**COUNTS, "queue_time": 0.1, "prompt_time":.1}}), DONE), HELLO, "reported"),
    ("groq in-band error", stream(ROLE, chunk_of([{"index": 0, "delta": {}, "finish_reason": "error"}], x_groq={"id": "r", "error": "over capacity"}), DONE), FAILED),
    ("groq x_groq error only", stream(ROLE, chunk_of([], x_groq={"id": "r", "error": "over capacity"}), DONE), FAILED),
    ("groq event error", stream(ROLE, b'event: error\ndata: {"error": {"message": "over capacity", "type": "internal_server_error", "status_code": 503}}\n\n'), FAILED),
    ("openrouter", stream(b": OPENROUTER PROCESSING\n\n", b": OPENROUTER PROCESSING\n\n", chunk_of([{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None, "native_finish_reason": None, "logprobs": None}], provider="X"), chunk_of([{"index": 0, "delta": {"role": "assistant", "content": "Hello"}, "finish_reason": None, "native_finish_reason": None}], provider="X"), chunk_of([{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": "stop", "native_finish_reason": "STOP"}], provider="X"), chunk_of([{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None, "native_finish_reason": None}], usage={**COUNTS, "cost": 0.00014, "cost_details": {"upstream_inference_cost": None}, "is_byok": False}), DONE), HELLO, "reported"),
    ("openrouter in-band error", stream(b": OPENROUTER PROCESSING\n\n", frame({"id": "g", "object": "chat.completion.chunk", "error": {"code": 502, "message": "Provider disconnected unexpectedly"}, "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}]})), FAILED),
    ("openrouter in-band 429", stream(b": OPENROUTER PROCESSING\n\n", frame({"error": {"code": 429, "message": "Provider returned error", "metadata": {"raw": "rate limited"}}, "user_id": "u"})), "upstream_rate_limited"),
    ("openrouter error in choice after text", [stream(text("Hel"), delta({"content": ""}, "error", error={"code": 502, "message": "x"}), DONE), answers()], HELLO),
    ("openrouter 200 whole error", whole_body({"error": {"message": "Provider returned error", "code": 502}, "user_id": "u"}), FAILED),
    ("openrouter whitespace before body", [STREAM_HEAD.replace(b"text/event-stream", b"application/json"), chunk(b"\n         \n"), 0.2, chunk(b"\n         \n"), chunk(json.dumps(COMPLETION).encode()), chunk(b"")], HELLO),
    ("openrouter whitespace before error", [STREAM_HEAD.replace(b"text/event-stream", b"application/json"), chunk(b"\n         \n"), 0.2, chunk(json.dumps({"error": {"message": "Input flagged", "code": 403, "metadata": {"reasons": ["violence"], "flagged_input": "x"}}}).encode()), chunk(b"")], "content_filtered"),
    ("deepseek keepalive", stream(b": keep-alive\n\n", ROLE, b": keep-alive\n\n", delta({"content": None, "reasoning_content": "hm"}), delta({"content": "Hello", "reasoning_content": None}), chunk_of([{"index": 0, "delta": {"content": "", "reasoning_content": None}, "logprobs": None, "finish_reason": "stop"}], usage={**COUNTS, "prompt_cache_hit_tokens": 0, "prompt_cache_miss_tokens": 7}), DONE), HELLO, "reported"),
    ("deepseek blank lines", stream(b"\n", b"\n\n", ROLE, b"\n", text("Hello"), fin("stop"), DONE), HELLO),
    ("deepseek nonstream blank lines", [STREAM_HEAD.replace(b"text/event-stream", b"application/json"), chunk(b"\n"), 0.1, chunk(b"\n\n"), chunk(json.dumps(COMPLETION).encode()), chunk(b"")], HELLO),
    ("mistral", stream(chunk_of([{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None, "logprobs": None}]), chunk_of([{"index": 0, "delta": {"content": "Hello"}, "finish_reason": None}], p="abcd"), chunk_of([{"index": 0, "delta": {"content": ""}, "finish_reason": "stop"}], usage=COUNTS, p="x"), DONE), HELLO, "reported"),
    ("mistral thinking parts", stream(delta({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}], "closed": False}]}), delta({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "m"}], "closed": True}]}), delta({"content": [{"type": "text", "text": "Hel"}]}), delta({"content": "lo"}), fin("stop"), DONE), HELLO),
    ("gemini compat", stream(chunk_of([{"delta": {"content": "Hello", "role": "assistant"}, "index": 0}], usage={"completion_tokens": 1, "prompt_tokens": 7, "total_tokens": 8}), chunk_of([{"delta": {"content": "", "role": "assistant"}, "finish_reason": "stop", "index": 0}], usage=COUNTS), DONE), HELLO),
    ("gemini no usage detail", stream(chunk_of([{"delta": {"content": "Hello", "role": "assistant", "extra_content": {"google": {"thought_signature": "abc"}}}, "finish_reason": "stop", "index": 0}], usage=COUNTS), DONE), HELLO),
    ("gemini thoughts in tags", stream(delta({"content": "<thought>hm</thought>", "extra_content": {"google": {"thought": True}}}), delta({"content": "Hello"}), fin("stop"), DONE), HELLO),
    ("ollama", stream(frame({"id": "c", "object": "chat.completion.chunk", "system_fingerprint": "fp_ollama", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hello"}, "finish_reason": None}]}), frame({"id": "c", "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": "stop"}]}), chunk_of([], usage=COUNTS), DONE), HELLO, "reported"),
    ("ollama reasoning", stream(delta({"role": "assistant", "content": "", "reasoning": "hm"}), delta({"role": "assistant", "content": "Hello"}), delta({"role": "assistant", "content": ""}, "stop"), DONE), HELLO),
    ("vllm", stream(frame({"id": "c", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "logprobs": None, "finish_reason": None}], "prompt_token_ids": None}), frame({"choices": [{"index": 0, "delta": {"content": "Hello"}, "logprobs": None, "finish_reason": None, "token_ids": None}]}), frame({"choices": [{"index": 0, "delta": {"content": ""}, "logprobs": None, "finish_reason": "stop", "stop_reason": None}]}), chunk_of([], usage=COUNTS), DONE), HELLO, "reported"),
    ("vllm continuous usage", stream(chunk_of([{"index": 0, "delta": {"content": "Hel"}, "finish_reason": None}], usage={**COUNTS, "completion_tokens": 1}), chunk_of([{"index": 0, "delta": {"content": "lo"}, "finish_reason": "stop", "stop_reason": None}], usage=COUNTS), DONE), HELLO, "reported"),
    ("vllm error then done", stream(ROLE, frame({"error": {"message": "EngineCore encountered an issue", "type": "InternalServerError", "param": None, "code": 500}}), DONE), FAILED),
    ("vllm old error", stream(ROLE, frame({"object": "error", "message": "boom", "type": "InternalServerError", "param": None, "code": 500}), DONE), FAILED),
    ("sglang abort", [stream(ROLE, text("Hel"), chunk_of([{"index": 0, "delta": {}, "finish_reason": {"type": "abort", "message": "Aborted", "status_code": 503, "err_type": None}}]), DONE), answers()], HELLO),
    ("sglang matched stop", stream(ROLE, text("Hello"), chunk_of([{"index": 0, "delta": {"role": None, "content": None, "reasoning_content": None, "tool_calls": None}, "logprobs": None, "finish_reason": "stop", "matched_stop": 151645}], usage=None), chunk_of([], usage={**COUNTS, "reasoning_tokens": 0, "prompt_tokens_details": None}), DONE), HELLO, "reported"),
    ("sglang null content", stream(delta({"role": "assistant", "content": None, "reasoning_content": None, "tool_calls": None}), delta({"role": None, "content": "Hello", "reasoning_content": None, "tool_calls": None}), fin("stop"), DONE), HELLO),
    ("llama.cpp", stream(chunk_of([{"finish_reason": None, "index": 0, "delta": {"role": "assistant", "content": None}}]), chunk_of([{"finish_reason": None, "index": 0, "delta": {"content": "Hello"}}], timings={"prompt_n": 7}), chunk_of([{"finish_reason": "stop", "index": 0, "delta": {}}], usage=COUNTS, timings={"prompt_n": 1}), DONE), HELLO),
    ("llama.cpp error line", stream(ROLE, b'error: {"code": 500, "message": "failed", "type": "server_error"}\n\n'), FAILED),
    ("llama.cpp prompt progress", stream(chunk_of([{"finish_reason": None, "index": 0, "delta": {"role": "assistant", "content": None}}], prompt_progress={"total": 10, "cache": 0, "processed": 5, "time_ms": 3}), text("Hello"), fin("stop"), DONE), HELLO),
    ("lm studio", stream(delta({"role": "assistant", "content": "Hello"}), delta({}, "stop"), chunk_of([], usage=COUNTS, stats={}), DONE), HELLO),
    ("lm studio error event", stream(b'event: error\ndata: {"error": {"message": "The model has crashed"}, "message": "The model has crashed"}\n\n'), FAILED),
    ("lm studio wrong path", whole_body({"error": "Unexpected endpoint or method. (POST /chat/completions)"}), "upstream_rejected"),
    ("lm studio prompt event", stream(b'event: prompt_processing.progress\ndata: {"type": "prompt_processing.progress", "progress": 0.5}\n\n', text("Hello"), fin("stop"), DONE), HELLO),
    ("tgi", stream(b"data:"+text("Hello")[6:], b"data:"+fin("eos_token")[6:]), HELLO),
    ("tgi eos", stream(delta({"role": "assistant", "content": "Hello"}, "eos_token"), DONE), HELLO),
    ("tgi error", stream(b'data: {"error": "Request failed during generation: Server error: CUDA out of memory", "error_type": "generation"}\n\n'), FAILED),
    ("tgi native", stream(b'data: {"index": 1, "token": {"id": 1, "text": "Hello", "logprob":-1.0, "special": false}, "generated_text": null, "details": null}\n\n'), FAILED),
    ("together eos", stream(chunk_of([{"index": 0, "text": "Hello", "logprobs": None, "finish_reason": None, "seed": None, "delta": {"token_id": 1, "role": "assistant", "content": "Hello", "tool_calls": None}}], usage=None), chunk_of([{"index": 0, "text": "", "finish_reason": "eos", "seed": 5, "delta": {"token_id": 2, "role": "assistant", "content": "", "tool_calls": None}}], usage=COUNTS), DONE), HELLO),
    ("together warnings", stream(chunk_of([], warnings=[{"message": "x"}]), text("Hello"), fin("stop"), DONE), HELLO),
    ("fireworks", stream(chunk_of([{"index": 0, "delta": {"role": "assistant"}, "finish_reason": None}]), text("Hello"), chunk_of([{"index": 0, "delta": {}, "finish_reason": "stop"}], usage=COUNTS), DONE), HELLO),
    ("fireworks perf metrics", stream(ROLE, text("Hello"), chunk_of([{"index": 0, "delta": {}, "finish_reason": "stop"}], usage=COUNTS, perf_metrics={"a": 1}, raw_output=None), DONE), HELLO),
    ("cerebras", stream(ROLE, text("Hello"), chunk_of([{"index": 0, "delta": {}, "finish_reason": "stop"}], usage=COUNTS, time_info={"queue_time": 0.1}), DONE), HELLO),
    ("perplexity repeats message", stream(*[chunk_of([{"index": 0, "finish_reason": f, "message": {"role": "assistant", "content": m}, "delta": {"role": "assistant", "content": x}}], citations=["http://a"], search_results=[], usage=COUNTS) for m, x, f in (("Hel", "Hel", None), ("Hello", "lo", None), ("Hello", "", "stop"))], DONE), HELLO),
    ("perplexity end of stream", stream(chunk_of([{"index": 0, "finish_reason": None, "message": {"content": "Hello"}, "delta": {"content": "Hello"}}]), frame({"object": "chat.completion.done", "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello"}, "delta": {"content": ""}}], "usage": COUNTS}), DONE), HELLO),
    ("xai", stream(delta({"role": "assistant", "content": "Hello"}), delta({}, "stop"), chunk_of([], usage={**COUNTS, "prompt_tokens_details": {"text_tokens": 7, "audio_tokens": 0, "cached_tokens": 0}, "num_sources_used": 0}), DONE), HELLO),
    ("xai reasoning", stream(delta({"role": "assistant", "content": "", "reasoning_content": "hm"}), delta({"content": "Hello"}), delta({}, "stop"), chunk_of([], usage={"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 109, "completion_tokens_details": {"reasoning_tokens": 100}}), DONE), HELLO, 102),
    ("cohere compat", stream(chunk_of([{"index": 0, "finish_reason": None, "delta": {"role": "assistant"}}]), chunk_of([{"index": 0, "finish_reason": None, "delta": {"content": "Hello"}}]), chunk_of([{"index": 0, "finish_reason": "COMPLETE", "delta": {}}], usage=COUNTS), DONE), HELLO),
    ("dashscope", stream(chunk_of([{"delta": {"content": "", "role": "assistant"}, "index": 0, "logprobs": None, "finish_reason": None}], usage=None), chunk_of([{"finish_reason": None, "delta": {"content": "Hello"}, "index": 0, "logprobs": None}], usage=None), chunk_of([{"delta": {"content": ""}, "finish_reason": "stop", "index": 0, "logprobs": None}], usage=None), chunk_of([], usage=COUNTS), DONE), HELLO, "reported"),
    ("dashscope finish null string", stream(chunk_of([{"delta": {"content": "Hello"}, "index": 0, "finish_reason": "null"}]), chunk_of([{"delta": {"content": ""}, "finish_reason": "stop", "index": 0}]), DONE), HELLO),
    ("dashscope in-band", stream(frame({"error": {"code": "data_inspection_failed", "message": "Output data may contain inappropriate content.", "param": None, "type": "data_inspection_failed"}, "id": "c"})), "content_filtered"),
    ("dashscope native sse", stream(b'id: 1\nevent: error\n: HTTP_STATUS/400\ndata: {"code": "InvalidParameter", "message": "Range of input length should be [1, 100]", "request_id": "x"}\n\n'), "upstream_invalid_request"),
    ("dashscope qwen thinking", stream(delta({"content": None, "role": "assistant", "reasoning_content": ""}), delta({"content": None, "reasoning_content": "hm"}), delta({"content": "Hello", "reasoning_content": None}), fin("stop"), DONE), HELLO),
    ("moonshot choice usage", stream(ROLE, text("Hello"), chunk_of([{"index": 0, "delta": {}, "finish_reason": "stop", "usage": COUNTS}]), DONE), HELLO, "reported"),
    ("minimax", stream(chunk_of([{"index": 0, "delta": {"content": "Hello", "role": "assistant"}}], usage=None, input_sensitive=False, output_sensitive=False, base_resp=None), frame({"choices": [{"finish_reason": "stop", "index": 0, "message": {"content": "Hello", "role": "assistant"}}], "usage": {"total_tokens": 9, "prompt_tokens": 7, "completion_tokens": 2}, "base_resp": {"status_code": 0, "status_msg": ""}})), HELLO),
    ("minimax auth", whole_body({"base_resp": {"status_code": 1004, "status_msg": "login fail: Please carry the API secret key"}}), "upstream_rejected"),
    ("minimax rate", whole_body({"base_resp": {"status_code": 1002, "status_msg": "rate limit exceeded(RPM)"}}), "upstream_rate_limited"),
    ("minimax sensitive", whole_body({"base_resp": {"status_code": 1026, "status_msg": "input new_sensitive"}}), "content_filtered"),
    ("minimax params", whole_body({"base_resp": {"status_code": 2013, "status_msg": "invalid params, messages is empty"}}), "upstream_invalid_request"),
    ("minimax output sensitive", stream(text("Hel"), frame({"choices": [], "output_sensitive": True, "base_resp": {"status_code": 1027, "status_msg": "output new_sensitive"}})), "content_filtered"),
    ("clova openai", stream(ROLE, text("Hello"), chunk_of([{"index": 0, "delta": {"content": ""}, "finish_reason": "stop"}]), chunk_of([], usage=COUNTS), DONE), HELLO),
    ("clova error event", stream(b'id: x\nevent: error\ndata: {"status": {"code": "42901", "message": "Too many requests - rate exceeded"}}\n\n'), "upstream_rate_limited"),
    ("clova signal", stream(b"event: signal\ndata: [DONE]\n\n"), FAILED),
    ("upstage", stream(ROLE, text("Hello"), delta({}, "stop"), DONE), HELLO),
    ("litellm", stream(chunk_of([{"index": 0, "delta": {"content": "Hello", "role": "assistant"}}]), chunk_of([{"finish_reason": "stop", "index": 0, "delta": {}}]), chunk_of([{"index": 0, "delta": {}}], usage=COUNTS), DONE), HELLO, "reported"),
    ("litellm error", stream(ROLE, frame({"error": {"message": "litellm.APIConnectionError: x", "type": None, "param": None, "code": "500"}})), FAILED),
    ("litellm 400 mid", stream(frame({"error": {"message": "litellm.BadRequestError: bad", "type": "invalid_request_error", "param": None, "code": "400"}})), "upstream_invalid_request"),
    ("anthropic error event", stream(ROLE, b'event: error\ndata: {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}\n\n'), FAILED),
    ("status as number beside", stream(frame({"status": 400, "title": "Bad Request", "detail": "prompt is empty"})), "upstream_invalid_request"),
    ("errors list", stream(frame({"errors": [{"message": "Rate limit reached", "code": 429}]})), "upstream_rate_limited"),
    ("error string 200 frame", stream(frame({"error": "insufficient balance"})), "upstream_quota_exhausted"),
    ("error null beside choices", stream(frame({"error": None, "choices": [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": None}]}), fin("stop"), DONE), HELLO),
    ("error empty object beside choices", stream(frame({"error": {}, "choices": [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": None}]}), fin("stop"), DONE), HELLO),
    ("error empty string beside choices", stream(frame({"error": "", "choices": [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": None}]}), fin("stop"), DONE), HELLO),
    ("code 200 beside choices", stream(frame({"code": 200, "message": "ok", "choices": [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": None}]}), fin("stop"), DONE), HELLO),
    ("error code 413 in band", stream(failed_with(code=413, message="Request too large")), "upstream_invalid_request"),
    ("error code 404 model", stream(failed_with(code=404, message="The model `sim` does not exist", type="NotFoundError")), "upstream_rejected"),
    ("error in message frame", stream(ROLE, frame({"type": "error", "error": {"type": "api_error", "message": "Internal"}})), FAILED),
    ("bedrock guardrail end", stream(text("Sorry"), fin("guardrail_intervened"), DONE), "content_filtered"),
    ("reason in every chunk, no end mark", stream(*[text(w, "stop") for w in ("He", "ll", "o")]), HELLO),
    ("reason then empty text", stream(text("Hello"), text("", "stop"), text(""), DONE), HELLO),
    ("reason then usage in choices", stream(text("Hello"), fin("stop"), chunk_of([{"index": 0, "delta": {"content": ""}, "finish_reason": None}], usage=COUNTS), DONE), HELLO, "reported"),
    ("reason with blank", stream(text("Hello"), fin(" stop "), DONE), HELLO),
    ("error no text", stream(fin("error"), DONE), FAILED),
    ("content_filter after refusal text", stream(delta({"refusal": "No."}), fin("content_filter"), DONE), "content_filtered"),
    ("refusal and content", stream(delta({"content": "", "refusal": "No."}), fin("stop"), DONE), ("No.", "refusal", None)),
    ("refusal null", stream(delta({"content": "Hello", "refusal": None}), fin("stop"), DONE), HELLO),
    ("nul text", stream(text("He\u0000llo"), fin("stop"), DONE), ("He\u0000llo", "stop", None)),
    ("surrogate pair split", stream(b'data: {"choices":[{"index":0,"delta":{"content":"\\ud83d"},"finish_reason":null}]}\n\n', b'data: {"choices":[{"index":0,"delta":{"content":"\\ude00"},"finish_reason":null}]}\n\n', fin("stop"), DONE), ("\U0001f600", "stop", None)),
    ("utf8 split in chunks", [STREAM_HEAD, *[chunk(text_utf8[i:i + 3]) for text_utf8 in ['data: {"choices":[{"index":0,"delta":{"content":"한글"},"finish_reason":null}]}\n\n'.encode()] for i in range(0, len(text_utf8), 3)], chunk(fin("stop") + DONE), chunk(b"")], ("한글", "stop", None)),
    ("choice without index", stream(chunk_of([{"delta": {"content": "Hello"}}]), chunk_of([{"delta": {}, "finish_reason": "stop"}]), DONE), HELLO),
    ("choices null", stream(chunk_of(None), text("Hello"), fin("stop"), DONE), HELLO),
    ("choices object", stream(frame({"choices": {"index": 0, "delta": {"content": "Hello"}}}), fin("stop"), DONE), FAILED),
    ("message in stream", stream(chunk_of([{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}]), DONE), HELLO),
    ("content dict", stream(delta({"content": {"type": "text", "text": "Hello"}}), fin("stop"), DONE), HELLO),
    ("content list of strings", stream(delta({"content": ["Hel", "lo"]}), fin("stop"), DONE), HELLO),
    ("content output_text", stream(delta({"content": [{"type": "output_text", "text": "Hello"}]}), fin("stop"), DONE), HELLO),
    ("content image part", stream(delta({"content": [{"type": "image_url", "image_url": {"url": "x"}}, {"type": "text", "text": "Hello"}]}), fin("stop"), DONE), HELLO),
    ("content reference part", stream(delta({"content": [{"type": "text", "text": "Hello"}, {"type": "reference", "reference_ids": [1]}]}), fin("stop"), DONE), HELLO),
    ("content number", stream(delta({"content": 42}), fin("stop"), DONE), FAILED),
    ("reasoning object summary", stream(delta({"reasoning": {"summary": [{"type": "summary_text", "text": "hm"}]}}), text("Hello"), fin("stop"), DONE), HELLO),
    ("reasoning_content list", stream(delta({"reasoning_content": [{"type": "text", "text": "hm"}]}), text("Hello"), fin("stop"), DONE), HELLO),
    ("thought field", stream(delta({"thought": "hm"}), text("Hello"), fin("stop"), DONE), HELLO),
    ("reasoning only then stop", stream(delta({"reasoning_content": "hm"}), fin("stop"), DONE), "answer_empty"),
    ("anthropic style thinking part", stream(delta({"content": [{"type": "thinking", "thinking": "hm", "signature": "x"}]}), text("Hello"), fin("stop"), DONE), HELLO),
    ("marked as thought", stream(delta({"content": "hm", "thought": True}), delta({"content": [{"text": "hm", "thought": True}, {"text": "Hello"}]}), fin("stop"), DONE), HELLO),
    ("redacted thinking", stream(delta({"content": [{"type": "redacted_thinking", "data": "x"}]}), text("Hello"), fin("stop"), DONE), HELLO),
    ("sse without content type", [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(text("Hello") + fin("stop") + DONE) + chunk(b"")], HELLO),
    ("stop_reason", stream(text("Hello"), chunk_of([{"index": 0, "delta": {}, "stop_reason": "end_turn"}]), DONE), HELLO),
    ("done reason", stream(text("Hello"), frame({"choices": [{"index": 0, "delta": {}}], "done": True, "done_reason": "stop"}), DONE), HELLO),
    ("native reason", stream(text("Hello"), delta({}, None, native_finish_reason="STOP"), DONE), HELLO),
    ("watsonx", stream(text("Hel", "not_finished"), text("lo", "not_finished"), fin("eos_token"), DONE), HELLO),
    ("watsonx cut", [stream(text("Hel", "not_finished"), text("l", "not_finished")), answers()], HELLO),
    ("error in the delta", stream(ROLE, delta({"error": {"code": 400, "message": "bad"}}), DONE), "upstream_invalid_request"),
    ("two choices", stream(chunk_of([{"index": 1, "delta": {"content": "No"}, "finish_reason": None}, {"index": 0, "delta": {"content": "Hello"}, "finish_reason": None}]), chunk_of([{"index": 1, "delta": {}, "finish_reason": "content_filter"}]), fin("stop"), DONE), HELLO),
    ("azure's own data", stream(chunk_of([{"index": 0, "messages": [{"delta": {"role": "tool", "content": "{}"}}], "delta": {"role": "assistant", "context": {"citations": [{"content": "c"}], "intent": "[]"}}, "finish_reason": None, "end_turn": False}]), text("Hello"), delta({}, "stop", end_turn=True), DONE), HELLO),
    ("in the queue", stream(frame({"status": "queued", "position": 3}), frame({"message": "waiting in queue"}), text("Hello"), fin("stop"), DONE), HELLO),
    ("failure after the end", stream(text("Hello"), fin("stop"), frame({"error": {"message": "usage service down", "code": 500}}), DONE), HELLO),
    ("done only", stream(DONE), FAILED),
    ("comments made data lines", stream(b"data: : OPENROUTER PROCESSING\n\n", ROLE, b"data: : keep-alive\n\n", text("Hello"), fin("stop"), DONE), HELLO),
    ("pings of every kind", stream(b"event: heartbeat\ndata: 1700000000\n\n", b'event: ping\ndata: "2026-01-01T00:00:00Z"\n\n', b"data: [PING]\n\n", b'data: ""\n\n', text("Hello"), fin("stop"), DONE), HELLO),
    ("a ping event without an end", stream(b'event: ping\ndata: {"type": "ping"}\n', text("Hello"), fin("stop"), DONE), HELLO),
    ("php", stream(ROLE, text("Hello"), chunk_of([{"index": 0, "delta": [], "finish_reason": "stop"}], usage=[]), DONE), HELLO),
    ("snowflake", stream(chunk_of([{"delta": {"type": "text", "content": "Hello", "content_list": [{"type": "text", "text": "Hello"}], "text": "Hello"}}], usage={}), fin("stop"), DONE), HELLO),
    ("fastchat error", stream(frame({"text": "**NETWORK ERROR DUE TO HIGH TRAFFIC.**", "error_code": 50002}), DONE), FAILED),
    ("length, and the gateway's stop", stream(text("Hello"), fin("length"), fin("stop"), DONE), ("Hello", "length", None)),
    ("filter, and the gateway's stop", stream(text("Hel"), fin("content_filter"), fin("stop"), DONE), "content_filtered"),
    ("length in every chunk, then stop", stream(text("Hel", "length"), text("lo", "length"), fin("stop"), DONE), HELLO),
    ("event without data", stream(b"event: start\n\n", text("Hello"), b"id: 9\n\n", fin("stop"), DONE), HELLO),
]
BODIES: list[Any] = [
    ("whole", whole_body(COMPLETION), HELLO, "reported"),
    ("with reasoning", whole_body(completion(message={"reasoning_content": "hm"})), HELLO),
    ("parts", whole_body(completion(message={"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "Hello"}]})), HELLO),
    ("text/plain", whole_body(COMPLETION, Content_Type="text/plain"), HELLO),
    ("as sse type", whole_body(COMPLETION, Content_Type="text/event-stream"), HELLO),
    ("as data frame", stream(frame(COMPLETION)), HELLO),
    ("as data frame done", stream(frame(COMPLETION), DONE), HELLO),
    ("text completion", whole_body({"object": "text_completion", "choices": [{"index": 0, "text": "Hello", "finish_reason": "stop"}], "usage": COUNTS}), HELLO),
    ("length", whole_body(completion(finish_reason="length")), ("Hello", "length", None)),
    ("no reason", whole_body(completion(finish_reason=None)), HELLO),
    ("chunked pretty", [STREAM_HEAD.replace(b"text/event-stream", b"application/json"), *[chunk(json.dumps(COMPLETION, indent=2).encode()[i: i+17]) for i in range(0, len(json.dumps(COMPLETION, indent=2)), 17)], chunk(b"")], HELLO),
    ("bom", [http(200, b"\xef\xbb\xbf"+json.dumps(COMPLETION).encode())], HELLO),
    ("crlf", [http(200, json.dumps(COMPLETION, indent=1).replace("\n", "\r\n").encode())], HELLO),
    ("filter", whole_body(completion(finish_reason="content_filter", message={"content": ""})), "content_filtered"),
    ("tool calls", whole_body(completion(finish_reason="tool_calls", message={"content": None, "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]})), FAILED),
    ("choices null", whole_body({"id": "x", "object": "chat.completion", "choices": None}), "upstream_error"),
    ("html 200", [http(200, b"<!DOCTYPE html><html><body>Welcome to nginx!</body></html>", Content_Type="text/html")], FAILED),
    ("empty 200", [http(200, b"")], FAILED),
    ("null 200", [http(200, b"null")], FAILED),
    ("string 200", [http(200, b'"ok"')], FAILED),
    ("ok 200", [http(200, b'{"status": "ok"}')], FAILED),
    ("text 200", [http(200, b"Internal Server Error", Content_Type="text/plain")], FAILED),
    ("201", whole_body(COMPLETION, 201), HELLO),
    ("202 empty", [http(202, b"")], FAILED),
    ("204", [b"HTTP/1.1 204 No Content\r\n\r\n"], FAILED),
    ("205", [b"HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n"], FAILED),
    ("304", [b"HTTP/1.1 304 Not Modified\r\n\r\n"], "upstream_rejected"),
    ("300", [b"HTTP/1.1 300 Multiple\r\nContent-Length: 0\r\n\r\n"], "upstream_rejected"),
    ("302 login", [b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n"], "upstream_rejected"),
    ("problem json body", whole_body({"type": "about:blank", "title": "Unprocessable Entity", "status": 422, "detail": "messages: too few"}, Content_Type="application/problem+json"), "upstream_invalid_request"),
    ("detail string 200", whole_body({"detail": "Rate limit exceeded, try again later"}), "upstream_rate_limited"),
    ("success false", whole_body({"success": False, "errors": [{"code": 7003, "message": "No route for the URI"}], "result": None}), FAILED),
    ("error status RESOURCE_EXHAUSTED list", whole_body([{"error": {"code": 429, "message": "Resource has been exhausted (e.g. check quota).", "status": "RESOURCE_EXHAUSTED"}}]), "upstream_rate_limited"),
    ("ndjson body", [http(200, b"\n".join(piece[6:].strip() for piece in (text("Hel"), text("lo"), fin("stop"))) + b"\n", Content_Type="application/x-ndjson")], HELLO),
    ("ollama native", [http(200, b'{"model":"x","message":{"role":"assistant","content":"Hello"},"done":false}\n{"model":"x","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop"}\n', Content_Type="application/x-ndjson")], FAILED),
    ("json array of chunks", [http(200, json.dumps([{"choices": [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": None}]}, {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}]).encode())], HELLO),
    ("padding then body", [http(200, b" " * 5000 + json.dumps({"choices": [{"index": 0, "message": {"content": "Hello"}, "finish_reason": "stop"}], "usage": COUNTS}).encode())], HELLO, "reported"),
    ("responses api", whole_body({"object": "response", "output": [{"type": "message", "content": [{"type": "output_text", "text": "Hello"}]}]}), FAILED),
    ("message content null, text", whole_body({"choices": [{"index": 0, "message": {"role": "assistant", "content": None}, "finish_reason": "stop"}]}), "answer_empty"),
]
BILLS: list[Any] = [
    ("strings", billed({"prompt_tokens": "7", "completion_tokens": "2"}), HELLO, "reported", 2),
    ("floats", billed({"prompt_tokens": 7.0, "completion_tokens": 2.0}), HELLO, "reported", 2),
    ("null", billed(None), HELLO, "estimated"),
    ("null completion", billed({"prompt_tokens": 7, "completion_tokens": None}), HELLO, "estimated"),
    ("zero completion", billed({"prompt_tokens": 7, "completion_tokens": 0}), HELLO, "estimated"),
    ("zeros", billed({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}), HELLO, "estimated"),
    ("negative", billed({"prompt_tokens": 7, "completion_tokens": -2}), HELLO, "estimated"),
    ("nan", stream(text("Hello"), fin("stop"), b'data: {"choices": [], "usage": {"prompt_tokens": NaN, "completion_tokens": 2}}\n\n', DONE), HELLO, "estimated"),
    ("total only", billed({"total_tokens": 9}), HELLO, "estimated"),
    ("input/output", billed({"input_tokens": 7, "output_tokens": 2}), HELLO, "reported", 2),
    ("xai", billed({"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 109, "completion_tokens_details": {"reasoning_tokens": 100}}), HELLO, 102),
    ("openai reasoning in", billed({"prompt_tokens": 7, "completion_tokens": 102, "total_tokens": 109, "completion_tokens_details": {"reasoning_tokens": 100}}), HELLO, 102),
    ("no total, reasoning in", billed({"prompt_tokens": 7, "completion_tokens": 102, "completion_tokens_details": {"reasoning_tokens": 100}}), HELLO, 102),
    ("gemini thoughts", billed({"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 109}), HELLO, 102),
    ("after done", stream(text("Hello"), fin("stop"), DONE, frame({"choices": [], "usage": COUNTS})), HELLO, "estimated"),
    ("in message stats", stream(text("Hello"), frame({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "stats": {}, "usage": {"prompt_tokens": 7, "completion_tokens": 2}}), DONE), HELLO, "reported"),
    ("first frame zero, last real", stream(chunk_of([{"index": 0, "delta": {"content": "Hello"}, "finish_reason": None}], usage={"prompt_tokens": 7, "completion_tokens": 0, "total_tokens": 7}), chunk_of([{"index": 0, "delta": {}, "finish_reason": "stop"}], usage=COUNTS), DONE), HELLO, "reported", 2),
    ("cumulative then zeros", stream(chunk_of([{"index": 0, "delta": {"content": "Hello"}, "finish_reason": None}], usage=COUNTS), chunk_of([{"index": 0, "delta": {}, "finish_reason": "stop"}], usage={"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}), DONE), HELLO, 2),
    ("camel", billed({"promptTokens": 7, "completionTokens": 2}), HELLO, 2),
    ("usage_metadata", stream(text("Hello"), fin("stop"), frame({"choices": [], "usage_metadata": {"prompt_token_count": 7, "candidates_token_count": 2, "total_token_count": 9}}), DONE), HELLO, 2),
    ("bool", billed({"prompt_tokens": True, "completion_tokens": True}), HELLO, "estimated"),
    ("huge", billed({"prompt_tokens": 7, "completion_tokens": 10**12}), HELLO, "estimated"),
    ("string garbage", billed("n/a"), HELLO, "estimated"),
    ("cached >", billed({"prompt_tokens": 7, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 700}}), HELLO, 2),
    ("total smaller", billed({"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 5}), HELLO, 2),
    ("total as string", billed({"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": "109"}), HELLO, 102),
    ("reasoning beside, total", billed({"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 109, "reasoning_tokens": 100}), HELLO, 102),
    ("details list", billed({"prompt_tokens": 7, "completion_tokens": 2, "completion_tokens_details": [1], "prompt_tokens_details": "x"}), HELLO, 2),
    ("usage in text frame and final null", stream(chunk_of([{"index": 0, "delta": {"content": "Hello"}, "finish_reason": None}], usage=COUNTS), chunk_of([{"index": 0, "delta": {}, "finish_reason": "stop"}], usage=None), DONE), HELLO, "reported"),
    ("usage without choices key", stream(text("Hello"), fin("stop"), frame({"usage": COUNTS}), DONE), HELLO, "reported"),
    ("usage with choices null", stream(text("Hello"), fin("stop"), frame({"choices": None, "usage": COUNTS}), DONE), HELLO, "reported"),
    ("cohere", billed({"billed_units": {"input_tokens": 7, "output_tokens": 2}, "tokens": {"input_tokens": 70, "output_tokens": 2}}), HELLO, "reported", 2),
    ("portkey", billed({"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 1009, "cache_read_input_tokens": 1000, "cache_creation_input_tokens": 0}), HELLO, "reported", 2),
    ("all from the cache", billed({"input_tokens": 0, "output_tokens": 2, "cache_read_input_tokens": 1000}), HELLO, "reported", 2),
    ("bedrock", stream(text("Hello"), fin("stop"), frame({"choices": [], "amazon-bedrock-invocationMetrics": {"inputTokenCount": 7, "outputTokenCount": 2}}), DONE), HELLO, "reported", 2),
    ("token_usage", stream(text("Hello"), fin("stop"), frame({"choices": [], "token_usage": COUNTS}), DONE), HELLO, "reported", 2),
    ("in the delta", stream(text("Hello"), delta({"usage": COUNTS}, "stop"), DONE), HELLO, "reported", 2),
    ("usage float fraction", billed({"prompt_tokens": 7.5, "completion_tokens": 2}), HELLO, "estimated"),
    ("llama.cpp's timings", stream(text("Hello"), fin("stop"), frame({"choices": [], "timings": {"cache_n": 5, "prompt_n": 2, "predicted_n": 2}}), DONE), HELLO, "reported", 2),
    ("timings without the cached part", stream(text("Hello"), fin("stop"), frame({"choices": [], "timings": {"prompt_n": 2, "predicted_n": 2}}), DONE), HELLO, "estimated"),
    ("reasoning absurd", billed({"prompt_tokens": 7, "completion_tokens": 2, "completion_tokens_details": {"reasoning_tokens": 10**15}}), HELLO, 2),
    ("total absurd", billed({"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 10**15}), HELLO, 2),
]
# fmt: on
