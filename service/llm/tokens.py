"""Counts tokens if the LLM did not report them: offline, and without delaying other streams."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import tiktoken
from gevent.threadpool import ThreadPool

from service.chat.events import Usage

ENCODING = "o200k_base"
# tiktoken's name for the file in its cache: the sha1 of its download address
CACHED_FILE = "fb374d419588a4632f3f557e76b4b70aebbca790"
MESSAGE_TOKENS = 4
REPLY_TOKENS = 3
BYTES_PER_TOKEN = 4
# about 2 ms of counting; longer texts go to a thread: tiktoken releases the GIL, but would block the event loop
INLINE_CHARS = 4000

# only a part of longer texts is counted: requests that an attacker aborts must not be expensive
SAMPLED_CHARS = 32_000
SAMPLES, SAMPLE_CHARS = 16, 1000

Count = Callable[[str], int]


class TokenCounter:
    """Counts like OpenAI's current models; `exact` is False if the encoding is not on this machine."""

    def __init__(self, count: Count | None) -> None:
        self.exact = count is not None
        self._count = count or _by_length
        self._threads = ThreadPool(1)

    def count(self, text: str) -> int:
        return self._count_all([text])

    def estimate(self, sent: Sequence[str], answer: str) -> Usage:
        """The usage of a complete or partial answer, including the chat format's own tokens. sent: the messages."""
        texts = [text for text in sent if text]
        input_tokens = self._count_all(texts) + len(texts) * MESSAGE_TOKENS + REPLY_TOKENS
        return Usage(input_tokens, self.count(answer), "estimated")

    def _count_all(self, texts: list[str]) -> int:
        if sum(map(len, texts)) <= INLINE_CHARS:
            return self._sum(texts)
        return int(self._threads.apply(self._sum, (texts,)))

    def _sum(self, texts: list[str]) -> int:
        return sum(map(self._one, texts))

    def _one(self, text: str) -> int:
        if len(text) <= SAMPLED_CHARS:
            return self._count(text)
        step = (len(text) - SAMPLE_CHARS) // (SAMPLES - 1)
        parts = [text[step * place :][:SAMPLE_CHARS] for place in range(SAMPLES)]
        return sum(map(self._count, parts)) * len(text) // (SAMPLES * SAMPLE_CHARS)


def load_counter() -> TokenCounter:
    found = encoding()
    return TokenCounter(_by_encoding(found) if found else None)


def encoding() -> tiktoken.Encoding | None:
    """tiktoken caches it, and would download a missing file without a timeout: it is asked only if the file exists."""
    folder = os.environ.get("TIKTOKEN_CACHE_DIR", "")
    if not folder or not (Path(folder) / CACHED_FILE).is_file():
        return None
    return tiktoken.get_encoding(ENCODING)


def _by_encoding(encoding: tiktoken.Encoding) -> Count:
    # encode_ordinary: a user's text may contain "<|endoftext|>"
    return lambda text: len(encoding.encode_ordinary(text))


def _by_length(text: str) -> int:
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN)
