"""Token counts for what the LLM did not report: offline, and never in the way of other streams."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import tiktoken
from gevent.threadpool import ThreadPool

from service.chat.events import Usage

ENCODING = "o200k_base"
# tiktoken's own name for the file in its cache: sha1 of the address it would be fetched from
CACHED_FILE = "fb374d419588a4632f3f557e76b4b70aebbca790"
MESSAGE_TOKENS = 4
REPLY_TOKENS = 3
BYTES_PER_TOKEN = 4
# about 2 ms of counting: more goes to a thread, since tiktoken releases the GIL but not the event loop
INLINE_CHARS = 4000

# of a text that is much longer, a part is counted: an attacker's hang-ups must not cost more than their requests
SAMPLED_CHARS = 32_000
SAMPLES, SAMPLE_CHARS = 16, 1000

Count = Callable[[str], int]


class TokenCounter:
    """Counts as OpenAI's current models do; `exact` is False where the encoding is not on this machine."""

    def __init__(self, count: Count | None) -> None:
        self.exact = count is not None
        self._count = count or _by_length
        self._threads = ThreadPool(1)

    def count(self, text: str) -> int:
        return self._count_all([text])

    def estimate(self, sent: Sequence[str], answer: str) -> Usage:
        """Usage of an answer, or of the part of it that came, with the chat format's own tokens; sent: its messages."""
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
    """Kept by tiktoken. It downloads a missing one without a timeout, so it is asked only when the file is there."""
    folder = os.environ.get("TIKTOKEN_CACHE_DIR", "")
    if not folder or not (Path(folder) / CACHED_FILE).is_file():
        return None
    return tiktoken.get_encoding(ENCODING)


def _by_encoding(encoding: tiktoken.Encoding) -> Count:
    # encode_ordinary: a user's text may hold "<|endoftext|>"
    return lambda text: len(encoding.encode_ordinary(text))


def _by_length(text: str) -> int:
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN)
