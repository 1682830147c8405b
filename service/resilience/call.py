"""One request to one upstream under its deadlines; the account of it is an Attempt."""

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
    UpstreamRejected,
    UpstreamTimeout,
)
from service.resilience.patience import Limits, Watch

LAST_FRAMES_SECONDS = 1.0
MOST_THINKING_CHARS = 1_000_000

CallStep = Token | Thinking | ToolCalls | Tick


class ModelStream(Protocol):
    """What a model says, each next within a tick. Raises ChatErrors only; close cancels the request at once.

    sent: whether the model has been asked, as far as one can know.
    """

    @property
    def sent(self) -> bool: ...
    def __next__(self) -> Chunk | Tick: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class Upstream:
    """A server's models. name: the only one that is asked there, None for whatever a call names.

    open: begins an attempt, whose id (X-Request-ID) comes second. provider: whose API it speaks.
    """

    name: str | None
    open: Callable[[Any, str], ModelStream]
    estimate: Callable[[Any, str], Usage]
    cost: Callable[[str, Usage], float | None]
    provider: str = "openai"

    def model_for(self, call: ModelCall) -> str:
        return self.name or call.model


class UpstreamCall:
    """Carries out one attempt: iterate events() for tokens and ticks; however it ends, `attempt` is its true account.

    Raises TurnTimeout, UpstreamTimeout, UpstreamError, ContentFiltered, AnswerEmpty, or what the stream raised. An
    answer that has given its finish reason is whole, whatever fails after it; a reason that content follows was none.
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
                # a frame without text is a tick, too: any number of them may come, and the caller has to be looked at
                yield TICK
            if self._late(chunk):
                if self.attempt.finish_reason is not None:
                    return
                if self._watch.missed:
                    raise UpstreamTimeout(cause="first content")
                raise TurnTimeout(cause="turn deadline")

    def _next(self, stream: ModelStream) -> Chunk | Tick | None:
        """None at the end; what fails after the finish reason is an end, too."""
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
        """Whether the chunk has something to pass on."""
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
        """A server that goes on beyond what it was asked for is not listened to any longer."""
        room = self._room
        self._room -= len(chunk.text)
        if chunk.tool_calls:
            self._room -= sum(map(len, _arguments(chunk)))
        if self._room < 0:
            chunk.text = chunk.text[:room]
            self.attempt.finish_reason, self._provisional = "length", False

    def _speak(self, chunk: Chunk) -> None:
        self._cut(chunk)
        attempt = self.attempt
        attempt.last_chunk_at = self._clock()
        attempt.chunks += 1
        # white space alone is no answer
        self._worded = self._worded or bool(chunk.tool_calls) or not chunk.text.isspace()
        if attempt.first_chunk_at is None:
            attempt.first_chunk_at = attempt.last_chunk_at
        self._texts.append(chunk.text)
        if chunk.tool_calls:
            self._texts.extend(_arguments(chunk))

    def _enough(self, silent_seconds: float) -> bool:
        """Whether a whole answer has waited long enough for its last frames; raises when the silence is too long."""
        if self.attempt.finish_reason is None:
            self._watch.check()
            return False
        # more text may follow a reason that came with some; and the connection is reused only if its answer is read to
        # the end
        return silent_seconds >= (self._idle_seconds if self._provisional else LAST_FRAMES_SECONDS)

    def _late(self, chunk: Chunk | Tick) -> bool:
        """Whether the turn's time is over and what had arrived by then is read: it may hold the end of the answer."""
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
        """It ended without a word, though perhaps not without thinking."""
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
        # whoever leaves before the first byte has asked all the same
        asked = self._opened or (self._sent and attempt.result == "cancelled")
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
