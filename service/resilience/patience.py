"""How long a model is waited for: before its first content, while it thinks, and between its contents."""

from dataclasses import dataclass

from service.chat.deadline import Clock, Silence
from service.chat.events import Chunk
from service.errors import ThinkingTimeout, UpstreamTimeout

# without a fallback, giving up early gains nobody anything; with one, people are better served by it
ALONE_SECONDS = 60.0
SPARED_SECONDS = 15.0
# a model that has not answered for this long may have to be loaded first
WARM_SECONDS = 60.0
NEVER = float("-inf")
FOREVER = float("inf")


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds of one attempt. first_content: of silence before anything came; thinking_silence: between two thoughts.

    idle: between contents. thinking: of all thinking together. missed: silence that is held against the model when it
    is the turn's deadline that ends it.
    """

    first_content: float
    thinking_silence: float
    thinking: float
    idle: float
    missed: float


class Patience:
    """What each attempt is given. first_content_seconds: where somebody has set it, it is obeyed to the letter.

    A model that has not answered for a minute may have to be loaded first, and some begin again when their caller
    leaves. Where nobody else is waiting to be asked, such a model has the whole turn.
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
        """spared: another model is waiting to be asked."""
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
    """One attempt's silence and thinking, as far as they are the model's doing."""

    def __init__(self, limits: Limits, clock: Clock, cap_seconds: float) -> None:
        self._limits = limits
        self._silence = Silence(clock, cap_seconds)
        self._thought = Silence(clock, cap_seconds)
        self._thinking = False
        self._begun = False

    @property
    def missed(self) -> bool:
        """Whether there was no content although there was time for it."""
        return not self._begun and self._silence.seconds >= self._limits.missed

    def resume(self) -> None:
        """A step begins: time from here on is the model's."""
        self._silence.resume()
        self._thought.resume()

    def heard(self, chunk: Chunk) -> None:
        """A text, a part of a tool call, or a thought. Raises ThinkingTimeout."""
        self._think()
        self._silence.broken()
        self._thinking = not (chunk.text or chunk.tool_calls)
        self._begun = self._begun or not self._thinking
        if self._thinking:
            self._check_thinking()

    def silent(self) -> float:
        """The step brought nothing; returns the silence so far."""
        self._think()
        return self._silence.step()

    def check(self) -> None:
        """Raises UpstreamTimeout when the silence is too long."""
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
