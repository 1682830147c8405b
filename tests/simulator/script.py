"""An answer as a script: a generator of writes, each with the wait after it.

A step is `(data, tokens, wait)`: bytes for the socket, how many tokens are complete once the kernel
has them all, and the seconds until the next step. Where `data` is a list, each element is one
token's frame. What the generator returns is the ending.
"""

import math
from collections.abc import Callable, Generator, Mapping

from tests.simulator.behaviour import Behaviour
from tests.simulator.dialects import FRAMES, UNCOUNTED_THOUGHTS
from tests.simulator.frames import (
    EVENT_STREAM,
    LAST_CHUNK,
    AnswerName,
    chunk,
    completion,
    http_head,
    identity,
)
from tests.simulator.tokens import DEFAULT_TOKENS, token_texts
from tests.simulator.usage import usage_of

Step = tuple[bytes | list[bytes], int, float]
Script = Generator[Step, None, str]

FOREVER = math.inf
_MAX_BURST_CHARS = 65536
_THOUGHTS_PER_SECOND = 10

# Endings of a request, as the record and the stats name them. A script never returns `aborted`.
COMPLETED, REFUSED, FAILED, TRUNCATED, CUT, RESET, ABORTED = ENDINGS = (
    "completed",
    "refused",
    "failed",
    "truncated",
    "cut",
    "reset",
    "aborted",
)


def reply(data: bytes, delay: float = 0.0, ending: str = COMPLETED) -> Script:
    """A whole response in one write."""
    yield b"", 0, delay
    yield data, 0, 0.0
    return ending


class Answer:
    """The parts that the scripts of one answer are made of."""

    def __init__(
        self,
        behaviour: Behaviour,
        name: AnswerName,
        *,
        input_tokens: int,
        max_tokens: int | None,
        with_usage: bool,
        chunked: bool,
        headers: dict[str, str],
    ) -> None:
        self.behaviour = behaviour
        self.name = name
        self.input_tokens = input_tokens
        self.with_usage = with_usage and behaviour.usage and behaviour.fault != "no-usage"
        self.token_text, ordered = token_texts(behaviour)
        self.tokens, self.finish = _length(ordered, max_tokens, behaviour.finish)
        self.after = min(
            self.tokens // 2 if behaviour.after is None else behaviour.after, self.tokens
        )
        self.first = behaviour.seconds if behaviour.fault == "slow-first" else behaviour.first
        newline = b"\r\n" if behaviour.fault == "crlf" else b"\n"
        self._slow_thoughts = int(behaviour.think * _THOUGHTS_PER_SECOND)
        kind = FRAMES[behaviour.dialect]
        self.frames = kind(name, with_usage=self.with_usage, newline=newline)
        self.chunked = chunked
        # `by_bytes` makes the chunks itself.
        wraps = chunked and behaviour.fault != "split-bytes"
        self.wrap = chunk if wraps else identity
        self._last_chunk = LAST_CHUNK if wraps else b""
        self.headers = headers
        self._made: dict[str, bytes] = {}

    def head(self) -> bytes:
        about = {"Content-Type": EVENT_STREAM, "Cache-Control": "no-cache"}
        framing = {"Transfer-Encoding": "chunked"} if self.chunked else {}
        return http_head(200, about | framing | self.headers)

    def opening(self, prefix: bytes = b"") -> Script:
        """Headers and role chunk, then the wait for the first token, silent at first and then aloud."""
        yield b"", 0, self.behaviour.headers
        wait = max(0.0, self.first - self.behaviour.headers)
        opening = prefix + self.frames.role()
        yield self.head() + (self.wrap(opening) if opening else b""), 0, wait
        thought = self.frames.thought()
        for _ in range(self._slow_thoughts):
            yield self.wrap(thought) if thought else b"", 0, 1 / _THOUGHTS_PER_SECOND
        frame = self.wrap(thought) if thought else b""
        yield from self._paced(lambda _: frame, 0, self.behaviour.thoughts)
        return COMPLETED

    def content(self, start: int, stop: float) -> Script:
        """The tokens from `start` to before `stop`."""
        return (yield from self._paced(self.content_frame, start, stop))

    def _paced(self, frame: Callable[[int], bytes], start: int, stop: float) -> Script:
        behaviour = self.behaviour
        index = start
        if behaviour.gap:
            while index < stop:
                yield frame(index), 1, behaviour.gap
                index += 1
            return COMPLETED
        burst = max(1, min(behaviour.burst, _MAX_BURST_CHARS // max(1, behaviour.chars)))
        while index < stop:
            count = int(min(burst, stop - index))
            yield [frame(i) for i in range(index, index + count)], count, 0.0
            index += count
        return COMPLETED

    def content_frame(self, index: int) -> bytes:
        text = self.token_text(index)
        made = self._made.get(text)
        if made is None:
            made = self._made[text] = self.wrap(self.frames.content(text))
        return made

    def closing(self, tokens: int, finish: str, *, done: bool = True) -> Script:
        usage = self.usage(tokens) if self.with_usage else None
        frames = [self.frames.closing(finish, usage)]
        if done:
            frames.append(self.frames.done())
        yield b"".join(map(self.wrap, frames)) + self._last_chunk, 0, 0.0
        return COMPLETED

    def end_of_body(self, data: bytes = b"") -> Script:
        """The last words of an answer that closes otherwise."""
        yield (self.wrap(data) if data else b"") + self._last_chunk, 0, 0.0
        return COMPLETED

    def usage(self, tokens: int) -> dict[str, object]:
        return usage_of(
            self.input_tokens,
            tokens,
            self.behaviour.cached,
            thoughts=self._slow_thoughts + self.behaviour.thoughts,
            counted=self.behaviour.dialect not in UNCOUNTED_THOUGHTS,
        )

    def reported_usage(self) -> dict[str, object] | None:
        """What an answer that comes to its end reports; None where it reports nothing."""
        reported = self.with_usage and self.behaviour.fault != "no-finish"
        filtered = self.behaviour.fault == "content-filter-finish"
        return self.usage(self.after if filtered else self.tokens) if reported else None

    def text(self, tokens: int) -> str:
        return "".join(map(self.token_text, range(tokens)))

    def completion(self, tokens: int, finish: str | None) -> Mapping[str, object]:
        """The answer in one piece; usage is not asked for there, it always comes."""
        usage = self.usage(tokens) if self.with_usage and finish is not None else None
        return completion(self.name, self.text(tokens), finish, usage)


def by_bytes(script: Script, *, chunked: bool) -> Script:
    """Writes every byte of the script separately, in the body as a chunk."""
    wrap = identity
    while True:
        try:
            data, tokens, wait = next(script)
        except StopIteration as end:
            if chunked:
                yield LAST_CHUNK, 0, 0.0
            return str(end.value)
        writes = [wrap(byte) for byte in _bytes_of(data)]
        if chunked and wrap is identity and data:
            head, separator, body = b"".join(writes).partition(b"\r\n\r\n")
            wrap = chunk
            writes = [*_bytes_of(head + separator), *map(chunk, _bytes_of(body))]
        for write in writes[:-1]:
            yield write, 0, 0.0
        yield (writes[-1] if writes else b""), tokens, wait


def _bytes_of(data: bytes | list[bytes]) -> list[bytes]:
    whole = b"".join(data) if isinstance(data, list) else data
    return [whole[i : i + 1] for i in range(len(whole))]


def _length(ordered: int | None, max_tokens: int | None, finish: str) -> tuple[int, str]:
    if ordered is not None:
        return ordered, finish
    if max_tokens is not None and max_tokens < DEFAULT_TOKENS:
        return max_tokens, "length"
    return DEFAULT_TOKENS, finish
