"""Reads token usage, wherever it is in a frame and whatever its fields are called."""

from typing import Any

from service.chat.events import Usage

# more than any model reads or writes in one answer
MOST_TOKENS = 10**8
INPUT = ("prompt_tokens", "input_tokens", "promptTokens", "inputTokens", "prompt_token_count",
         "promptTokenCount", "inputTokenCount", "prompt_eval_count", "prompt_n")  # fmt: skip
OUTPUT = ("completion_tokens", "output_tokens", "completionTokens", "outputTokens", "candidates_token_count",
          "candidatesTokenCount", "outputTokenCount", "eval_count", "predicted_n")  # fmt: skip
TOTAL = ("total_tokens", "totalTokens", "total_token_count", "totalTokenCount")
THOUGHT = (
    "reasoning_tokens",
    "thoughts_token_count",
    "thoughtsTokenCount",
    "reasoningTokens",
    "thinking_tokens",
)
CACHED = ("cached_tokens", "prompt_cache_hit_tokens", "cache_read_input_tokens",
          "cached_content_token_count", "cachedContentTokenCount", "num_cached_tokens")  # fmt: skip
# Whoever counts the prompt by the first names counts apart what of it is read from a cache, or written to one.
BESIDE_CACHE = ("input_tokens", "inputTokens", "prompt_n")
CACHE_READ = ("cache_read_input_tokens", "cacheReadInputTokens", "cache_n")
CACHE_WRITTEN = ("cache_creation_input_tokens", "cacheWriteInputTokens")
# what of the prompt's count was written to a cache, which may cost more
WRITTEN = ("cache_write_tokens", "cache_creation_tokens", *CACHE_WRITTEN)
INPUT_DETAILS = ("prompt_tokens_details", "input_tokens_details", "prompt_token_details")
GEMINI = ("usageMetadata", "usage_metadata")
ELSEWHERE = ("token_usage", "amazon-bedrock-invocationMetrics", *GEMINI)
# llama.cpp's, which are complete only with the part of the prompt that was cached
TIMINGS, CACHED_PART = "timings", "cache_n"
UNUSUAL = frozenset({"x_groq", TIMINGS, *ELSEWHERE})
# Cohere's counts within its report
BILLED = "billed_units"
OUTPUT_DETAILS = ("completion_tokens_details", "output_tokens_details", "completion_token_details")


def usage_in(frame: dict[str, Any], choice: dict[str, Any]) -> Usage | None:
    """The first valid report; None if there is none."""
    usage = _read(frame.get("usage")) or _read(choice.get("usage"))
    if usage is None and not UNUSUAL.isdisjoint(frame):
        places = (_within(frame.get("x_groq")), *map(frame.get, ELSEWHERE), _timings(frame))
        usage = next(filter(None, map(_read, places)), None)
    return usage or _read(_within(choice.get("delta")))


def _within(place: Any) -> Any:
    return place.get("usage") if isinstance(place, dict) else None


def _timings(frame: dict[str, Any]) -> Any:
    timings = frame.get(TIMINGS)
    return timings if isinstance(timings, dict) and CACHED_PART in timings else None


def _read(report: Any) -> Usage | None:
    if not isinstance(report, dict):
        return None
    billed = report.get(BILLED)
    return read_usage(report) or (read_usage(billed) if isinstance(billed, dict) else None)


def read_usage(reported: dict[str, Any]) -> Usage | None:
    """None unless both input and output are counts: a partial report does not count, and no prompt is empty."""
    prompt = _first_count(reported, INPUT)
    completion = _first_count(reported, OUTPUT)
    if prompt is None or completion is None:
        return None
    if prompt and len(reported) == 2:
        return Usage(prompt, completion, "reported")
    read, written = _beside(reported, prompt + completion)
    prompt += read + written
    if not prompt:
        return None
    cached = _part(prompt, read or _detail(reported, INPUT_DETAILS, CACHED))
    written = written or _detail(reported, INPUT_DETAILS, WRITTEN) or 0
    return Usage(
        prompt,
        _with_thinking(reported, prompt, completion),
        "reported",
        cached,
        _part(prompt - (cached or 0), written) or None,
    )


def _part(whole: int, part: int | None) -> int | None:
    return part if part is not None and part <= whole else None


def _beside(reported: dict[str, Any], counted: int) -> tuple[int, int]:
    """Tokens of the prompt that are not in its count: read from a cache, and written to one."""
    read = _first_count(reported, CACHE_READ) or 0
    written = _first_count(reported, CACHE_WRITTEN) or 0
    total = _first_count(reported, TOTAL)
    together = counted + read + written
    if INPUT[0] in reported or _first_count(reported, BESIDE_CACHE) is None:
        # Portkey uses OpenAI's names for Anthropic's counts: only the total shows it
        return (read, written) if total == together else (0, 0)
    return (read, written) if total is None or total >= together else (0, 0)


def _with_thinking(reported: dict[str, Any], prompt: int, completion: int) -> int:
    """Some servers exclude thinking from the completion: then it is in the total, or larger than the completion."""
    total = _first_count(reported, TOTAL)
    if total is not None and total > prompt + completion:
        return total - prompt
    thought = _detail(reported, OUTPUT_DETAILS, THOUGHT)
    if total is None and thought is not None and thought > completion:
        return completion + thought
    return completion


def _detail(
    reported: dict[str, Any], places: tuple[str, ...], names: tuple[str, ...]
) -> int | None:
    """A count next to the others, or in their details."""
    for group in (*map(reported.get, places), reported):
        if isinstance(group, dict) and (found := _first_count(group, names)) is not None:
            return found
    return None


def _first_count(reported: dict[str, Any], names: tuple[str, ...]) -> int | None:
    for name in names:
        if name in reported and (found := count(reported[name])) is not None:
            return found
    return None


def count(value: Any) -> int | None:
    """A whole number from 0 to MOST_TOKENS, also as text; None for anything else."""
    if type(value) is int:
        return value if 0 <= value <= MOST_TOKENS else None
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdigit() and len(value) <= 9 else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # comparisons with NaN are false
    return int(value) if 0 <= value <= MOST_TOKENS and value == int(value) else None
