"""Reads the size of a server's context window, and how much was requested, from its words."""

import re

from service.llm.wire.refusal import Overflow
from service.llm.wire.said import Said

MOST = 10**8
NUMBER = r"(\d[\d,_]{0,11})"


def _numbered(*patterns: str) -> tuple[re.Pattern[str], ...]:
    """N stands for a number; the first pattern that matches counts."""
    return tuple(re.compile(pattern.replace("N", NUMBER), re.IGNORECASE) for pattern in patterns)


WINDOWS = _numbered(
    r"with N maximum context length",
    r"(?:context|sequence|model|prompt) (?:length|window|size)[^\d.]{0,40}N",
    r"\d(?: tokens)? > N(?: maximum|,|$)",
    r"maximum number of (?:input )?tokens allowed[^\d]{0,4}N",
    r"configured limit of N",
    r"maximum allowed length \(N",
    r"token limit:? N",
    r"must be <= N",
    r"less than N tokens",
    r"cannot exceed N",
    r"input length should be \[\d+, ?N",
    r"(?:max size|maximum|limit)(?: is|:)? N",
)
REQUESTED = _numbered(
    r"requested:?(?: a total of| about)? N(?: tokens)?(?! output)",
)
PROMPTS = _numbered(
    r"\(N (?:tokens )?(?:in the messages|of text input|in your prompt)",
    r"N tokens from the input",
    r"(?:resulted in|contains?|has|passed|received) N(?: input)? ?tokens",
    r"(?:prompt|input|request)(?: length)? \((?:length )?N(?: tokens)?\)",
    r"too long: N\b",
    r"token count \(N\)",
    r"first N tokens",
    r"received N",
    r"current length is N",
    r"given: N",
)
SUM = re.compile(NUMBER + r" \+ " + NUMBER + r" > " + NUMBER)


def overflow_in(said: Said) -> Overflow:
    if total := SUM.search(said.text):
        prompt, answer, window = (_whole(digits) for digits in total.groups())
        return Overflow(window, prompt + answer, prompt)
    return Overflow(
        said.numbers.get("n_ctx") or _first(WINDOWS, said.text),
        _first(REQUESTED, said.text),
        said.numbers.get("n_prompt_tokens") or _first(PROMPTS, said.text),
    )


def _first(patterns: tuple[re.Pattern[str], ...], text: str) -> int | None:
    found = (_whole(match[1]) for pattern in patterns if (match := pattern.search(text)))
    return next((number for number in found if 0 < number < MOST), None)


def _whole(digits: str) -> int:
    return int(digits.replace(",", "").replace("_", "") or 0)
