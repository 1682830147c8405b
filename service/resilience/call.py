"""Makes one request to one upstream under its deadlines, recorded as an Attempt."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Protocol

from service.chat.deadline import Clock
from service.chat.events import TICK, Chunk, Thinking, Tick, Token, ToolCalls, Usage
from service.chat.running_turn import ModelCall, RunningTurn
from service.errors import (
    AnswerEmpty,
    AnswerSpent,
    ChatError,
    ContentFiltered,
    ThinkingTimeout,
    TurnTimeout,
    UpstreamConflict,
    UpstreamError,
    UpstreamInvalidRequest,
    UpstreamQuotaExhausted,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
)
from service.resilience.patience import Limits, Watch

LAST_FRAMES_SECONDS = 1.0
MOST_THINKING_CHARS = 1_000_000

# nobody charges for these before the first word, also if the stream had begun
REFUSALS = (
    UpstreamRateLimited,
    UpstreamQuotaExhausted,
    UpstreamRejected,
    UpstreamInvalidRequest,
)

CallStep = Token | Thinking | ToolCalls | Tick


class ModelStream(Protocol):
    """A model's answer; each next() returns within a tick. Raises only ChatErrors; close() cancels the request at once.

    sent: whether the request has been sent, as far as can be known.
    """

    @property
    def sent(self) -> bool: ...
    def __next__(self) -> Chunk | Tick: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class Upstream:
    """The models of one server. name: the only model called there; None: the one that the call names.

    open: starts an attempt; its second argument is the attempt's id (X-Request-ID). provider: whose API is used.
    """

    name: str | None
    open: Callable[[Any, str], ModelStream]
    estimate: Callable[[Any, str], Usage]
    cost: Callable[[str, Usage], float | None]
    provider: str = "openai"

    def model_for(self, call: ModelCall) -> str:
        return self.name or call.model


class UpstreamCall:
    """Makes one attempt. Iterate events() for tokens and ticks; however it ends, `attempt` records it.

    Raises TurnTimeout, UpstreamTimeout, UpstreamError, ContentFiltered, AnswerEmpty, or what the stream raised. An
    answer with a finish reason is complete, whatever fails after it, unless more content follows the reason.
    """

    def __init__(
        self,
        upstream: Upstream,
        call: ModelCall,
        turn: RunningTurn,
        limits: Limits,
        tick_seconds: float,
        clock: Clock,
    ) -> None:
        self.attempt = turn.begin_attempt(upstream.model_for(call), clock(), upstream.provider)
        self._upstream = upstream
        self._call = call
        self._watch = Watch(limits, clock, 2 * tick_seconds)
        self._idle_seconds = limits.idle
        self._deadline = turn.deadline
        self._clock = clock
        self._texts: list[str] = []
        self._worded = False
        self._opened = False
        self._refused = False
        self._sent = False
        self._room = call.most_chars
        self._offers_tools = call.offers_tools
        self._thinking_room = MOST_THINKING_CHARS
        self._provisional = False
        self._late_since: float | None = None

    def events(self) -> Generator[CallStep, None, None]:
        try:
            stream = self._upstream.open(self._call, self.attempt.id)
            try:
                yield from self._read(stream)
            finally:
                self._sent = stream.sent
                stream.close()
            self._judge_end()
        except ChatError as error:
            self.attempt.result, self.attempt.cause = error.code, error.cause
            self._refused = isinstance(error, REFUSALS) and not self._texts
            if isinstance(error, UpstreamRejected):
                self.attempt.refused = error.refused
            raise
        finally:
            self._account()

    def _read(self, stream: ModelStream) -> Generator[CallStep, None, None]:
        while self._room >= 0 and (chunk := self._next(stream)) is not None:
            if isinstance(chunk, Chunk) and self._take(chunk):
                self._watch.heard(chunk)
                yield from _steps(chunk)
            elif self._enough(self._watch.silent()):
                return
            elif chunk is TICK or self.attempt.finish_reason is None:
                # a frame without text counts as a tick: there may be any number of them, and the caller must be checked
                yield TICK
            if self._late(chunk):
                if self.attempt.finish_reason is not None:
                    return
                if self._watch.missed:
                    raise UpstreamTimeout(cause="first content")
                raise TurnTimeout(cause="turn deadline")

    def _next(self, stream: ModelStream) -> Chunk | Tick | None:
        """None at the end; a failure after the finish reason also counts as the end."""
        self._watch.resume()
        try:
            return next(stream)
        except StopIteration:
            return None
        except ChatError:
            if self.attempt.finish_reason is None or self._provisional:
                raise
            return None

    def _take(self, chunk: Chunk) -> bool:
        """Whether the chunk contains anything to pass on."""
        self._opened = True
        attempt = self.attempt
        attempt.usage = chunk.usage or attempt.usage
        if not self._offers_tools:
            chunk.tool_calls = []
        spoke = bool(chunk.text or chunk.tool_calls)
        if spoke or chunk.thinking or chunk.finish_reason:
            attempt.finish_reason, self._provisional = chunk.finish_reason, chunk.provisional
        if chunk.thinking:
            self._think(chunk)
        if spoke:
            self._speak(chunk)
        return spoke or bool(chunk.thinking)

    def _think(self, chunk: Chunk) -> None:
        self._texts.append(chunk.thinking)
        self._thinking_room -= len(chunk.thinking)
        if self._thinking_room < 0:
            raise ThinkingTimeout(cause="thinking without end")

    def _cut(self, chunk: Chunk) -> None:
        """Cuts an answer that exceeds the requested length."""
        room = self._room
        self._room -= len(chunk.text)
        if chunk.tool_calls:
            # parts without arguments fill the memory, too
            self._room -= sum(max(1, len(arguments)) for arguments in _arguments(chunk))
        if self._room < 0:
            chunk.text = chunk.text[:room]
            self.attempt.finish_reason, self._provisional = "length", False

    def _speak(self, chunk: Chunk) -> None:
        self._cut(chunk)
        attempt = self.attempt
        attempt.last_chunk_at = self._clock()
        attempt.chunks += 1
        # whitespace alone is not an answer
        self._worded = self._worded or bool(chunk.tool_calls) or not chunk.text.isspace()
        if attempt.first_chunk_at is None:
            attempt.first_chunk_at = attempt.last_chunk_at
        self._texts.append(chunk.text)
        if chunk.tool_calls:
            self._texts.extend(_arguments(chunk))

    def _enough(self, silent_seconds: float) -> bool:
        """Whether a complete answer has waited long enough for its last frames. Raises if the silence is too long."""
        if self.attempt.finish_reason is None:
            self._watch.check()
            return False
        # more text may follow a reason that came with text; and a connection is reused only if its answer was read to
        # the end
        return silent_seconds >= (self._idle_seconds if self._provisional else LAST_FRAMES_SECONDS)

    def _late(self, chunk: Chunk | Tick) -> bool:
        """Whether the turn's time is over. What has arrived by then is read first: it may contain the answer's end."""
        if not self._deadline.passed():
            return False
        now = self._clock()
        if self._late_since is None:
            self._late_since = now
        return chunk is TICK or now - self._late_since >= LAST_FRAMES_SECONDS

    def _judge_end(self) -> None:
        attempt = self.attempt
        if attempt.finish_reason is None:
            raise UpstreamError(cause="ended without finish_reason")
        if attempt.finish_reason == "content_filter":
            raise ContentFiltered(cause="finish_reason")
        if attempt.finish_reason == "tool_calls" and not self._call.offers_tools:
            raise UpstreamConflict(cause="tool calls, though no tools were offered")
        if not attempt.chunks or (attempt.finish_reason == "stop" and not self._worded):
            raise self._empty()
        attempt.result = "ok"

    def _empty(self) -> ChatError:
        """The error for an answer without text, with or without thinking."""
        reason = self.attempt.finish_reason
        if reason == "refusal":
            return ContentFiltered(cause="finish_reason")
        if reason == "length":
            return AnswerSpent(
                cause="max_tokens (MAX_OUTPUT_TOKENS) was spent before the first word"
            )
        return AnswerEmpty(cause="no text")

    def _account(self) -> None:
        attempt = self.attempt
        attempt.ended_at = self._clock()
        counted = attempt.usage is not None and (attempt.usage.output_tokens or not self._texts)
        # a request that was cancelled before the first byte was sent all the same
        asked = self._opened or (self._sent and attempt.result == "cancelled")
        asked = asked and not self._refused
        if asked and not counted:
            attempt.usage = self._upstream.estimate(self._call, "".join(self._texts))
        if attempt.usage is not None:
            attempt.cost_usd = self._upstream.cost(attempt.model, attempt.usage)


def _steps(chunk: Chunk) -> Generator[CallStep, None, None]:
    if chunk.thinking:
        yield Thinking(chunk.thinking)
    if chunk.text:
        yield Token(chunk.text)
    if chunk.tool_calls:
        yield ToolCalls(chunk.tool_calls)


def _arguments(chunk: Chunk) -> list[str]:
    functions = (delta.get("function") or {} for delta in chunk.tool_calls)
    return [str(function.get("arguments") or "") for function in functions]
