"""One request to one upstream under its deadlines; the account of it is an Attempt."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Protocol

from service.chat.deadline import Clock
from service.chat.events import TICK, Chunk, Thinking, Tick, Token, ToolCalls, Usage
from service.chat.running_turn import ModelCall, RunningTurn
from service.errors import ChatError, ContentFiltered, TurnTimeout, UpstreamError, UpstreamTimeout
from service.resilience.patience import Limits, Watch

LAST_FRAMES_SECONDS = 1.0

CallStep = Token | Thinking | ToolCalls | Tick


class ModelStream(Protocol):
    """What a model says, each next within a tick. Raises ChatErrors only; close cancels the request at once."""

    def __next__(self) -> Chunk | Tick: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class Upstream:
    """A server's models. name: the only one that is asked there, None for whatever a call names.

    open: begins an attempt, whose id (X-Request-ID) comes second.
    """

    name: str | None
    open: Callable[[Any, str], ModelStream]
    estimate: Callable[[Any, str], Usage]
    cost: Callable[[str, Usage], float | None]

    def model_for(self, call: ModelCall) -> str:
        return self.name or call.model


class UpstreamCall:
    """Carries out one attempt: iterate events() for tokens and ticks; however it ends, `attempt` is its true account.

    Raises TurnTimeout, UpstreamTimeout, UpstreamError, ContentFiltered, or what the stream raised. An answer that has
    given its finish reason is whole, whatever follows.
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
        self.attempt = turn.begin_attempt(upstream.model_for(call), clock())
        self._upstream = upstream
        self._call = call
        self._watch = Watch(limits, clock, 2 * tick_seconds)
        self._deadline = turn.deadline
        self._clock = clock
        self._texts: list[str] = []
        self._opened = False
        self._late_since: float | None = None

    def events(self) -> Generator[CallStep, None, None]:
        try:
            stream = self._upstream.open(self._call, self.attempt.id)
            try:
                yield from self._read(stream)
            finally:
                stream.close()
            self._judge_end()
        except ChatError as error:
            self.attempt.result, self.attempt.cause = error.code, error.cause
            raise
        finally:
            self._account()

    def _read(self, stream: ModelStream) -> Generator[CallStep, None, None]:
        while (chunk := self._next(stream)) is not None:
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
            if self.attempt.finish_reason is None:
                raise
            return None

    def _take(self, chunk: Chunk) -> bool:
        """Whether the chunk has something to pass on."""
        self._opened = True
        if chunk.thinking:
            self._texts.append(chunk.thinking)
        self.attempt.usage = chunk.usage or self.attempt.usage
        self.attempt.finish_reason = chunk.finish_reason or self.attempt.finish_reason
        if not chunk.text and not chunk.tool_calls:
            return bool(chunk.thinking)
        attempt = self.attempt
        attempt.last_chunk_at = self._clock()
        attempt.chunks += 1
        if attempt.first_chunk_at is None:
            attempt.first_chunk_at = attempt.last_chunk_at
        self._texts.append(chunk.text)
        self._texts.extend(_arguments(chunk))
        return True

    def _enough(self, silent_seconds: float) -> bool:
        """Whether a whole answer has waited long enough for its last frames; raises when the silence is too long."""
        if self.attempt.finish_reason is not None:
            # the connection is reused only if its answer is read to the end
            return silent_seconds >= LAST_FRAMES_SECONDS
        self._watch.check()
        return False

    def _late(self, chunk: Chunk | Tick) -> bool:
        """Whether the turn's time is over and what had arrived by then is read: it may hold the end of the answer."""
        if not self._deadline.passed():
            return False
        now = self._clock()
        if self._late_since is None:
            self._late_since = now
        return chunk is TICK or now - self._late_since >= LAST_FRAMES_SECONDS

    def _judge_end(self) -> None:
        if self.attempt.finish_reason is None:
            raise UpstreamError(cause="ended without finish_reason")
        if self.attempt.finish_reason == "content_filter":
            raise ContentFiltered(cause="finish_reason")
        self.attempt.result = "ok"

    def _account(self) -> None:
        attempt = self.attempt
        attempt.ended_at = self._clock()
        if attempt.usage is None and self._opened:
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
