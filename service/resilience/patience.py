"""How long to wait for a model: before its first content, while it thinks, and between pieces of content."""

from dataclasses import dataclass

from service.chat.deadline import Clock, Silence
from service.chat.events import Chunk
from service.errors import ThinkingTimeout, UpstreamTimeout

# without a fallback, giving up early helps nobody; with one, it gets users an answer sooner
ALONE_SECONDS = 60.0
SPARED_SECONDS = 15.0
# a model that has not answered for this long may have to be loaded first
WARM_SECONDS = 60.0
NEVER = float("-inf")
FOREVER = float("inf")


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds per attempt. first_content: silence before anything arrives. thinking_silence: between two thoughts.

    idle: between pieces of content. thinking: all thinking together. missed: the silence that counts as a failure of
    the model when the turn's deadline ends the attempt.
    """

    first_content: float
    thinking_silence: float
    thinking: float
    idle: float
    missed: float


class Patience:
    """Decides the limits of each attempt. first_content_seconds: the setting, which is always obeyed if it is set.

    A model that has not answered for a minute may have to be loaded first, and some servers start loading again when
    the caller leaves. If there is no fallback, such a model gets the whole turn.
    """

    def __init__(
        self,
        first_content_seconds: float | None,
        idle_seconds: float,
        thinking_seconds: float,
        turn_seconds: float,
        clock: Clock,
    ) -> None:
        self._set = first_content_seconds
        self._idle = idle_seconds
        self._thinking = thinking_seconds
        self._half_turn = turn_seconds / 2
        self._clock = clock
        self._answered_at: dict[str, float] = {}

    def answered(self, model: str) -> None:
        self._answered_at[model] = self._clock()

    def limits(self, model: str, *, spared: bool) -> Limits:
        """spared: a fallback would accept the call."""
        usual = self._set or (SPARED_SECONDS if spared else ALONE_SECONDS)
        cold = self._set is None and not spared and self._cold(model)
        return Limits(
            first_content=FOREVER if cold else usual,
            thinking_silence=usual,
            thinking=self._thinking,
            idle=self._idle,
            missed=min(usual, self._half_turn),
        )

    def _cold(self, model: str) -> bool:
        return self._clock() - self._answered_at.get(model, NEVER) > WARM_SECONDS


class Watch:
    """The silence and thinking of one attempt, not counting delays of our own process."""

    def __init__(self, limits: Limits, clock: Clock, cap_seconds: float) -> None:
        self._limits = limits
        self._silence = Silence(clock, cap_seconds)
        self._thought = Silence(clock, cap_seconds)
        self._thinking = False
        self._begun = False

    @property
    def missed(self) -> bool:
        """Whether no content arrived although there was enough time."""
        return not self._begun and self._silence.seconds >= self._limits.missed

    def resume(self) -> None:
        """Starts a step: from here on, time counts against the model."""
        self._silence.resume()
        self._thought.resume()

    def heard(self, chunk: Chunk) -> None:
        """Called for text, a part of a tool call, or a thought. Raises ThinkingTimeout."""
        self._think()
        self._silence.broken()
        self._thinking = not (chunk.text or chunk.tool_calls)
        self._begun = self._begun or not self._thinking
        if self._thinking:
            self._check_thinking()

    def silent(self) -> float:
        """Ends a step that brought nothing; returns the silence so far."""
        self._think()
        return self._silence.step()

    def check(self) -> None:
        """Raises UpstreamTimeout if the silence is too long."""
        seconds = self._silence.seconds
        if self._thinking:
            self._check_thinking()
            if seconds >= self._limits.thinking_silence:
                raise UpstreamTimeout(cause="silent while it thinks")
        elif not self._begun and seconds >= self._limits.first_content:
            raise UpstreamTimeout(cause="first content")
        elif self._begun and seconds >= self._limits.idle:
            raise UpstreamTimeout(cause="idle")

    def _think(self) -> None:
        if self._thinking:
            self._thought.step()

    def _check_thinking(self) -> None:
        if self._thought.seconds >= self._limits.thinking:
            raise ThinkingTimeout(cause="thinking")
