"""Reports a model's thinking in a stream: at most one event per second, and its text only if that is enabled."""

from collections.abc import Callable

from service.chat.events import Thinking

EVERY_SECONDS = 1.0


class ThinkingEvents:
    """The thinking events of one stream. unsaid: the text that has not been sent yet."""

    def __init__(self, clock: Callable[[], float], *, show: bool) -> None:
        self._clock = clock
        self._show = show
        self._next_at = 0.0
        self.unsaid = ""

    def hold(self, thought: Thinking) -> None:
        if self._show:
            self.unsaid += thought.text

    def due(self, thought: Thinking) -> Thinking | None:
        """The event to send now, if one is due."""
        self.hold(thought)
        now = self._clock()
        if now < self._next_at:
            return None
        self._next_at = now + EVERY_SECONDS
        return self.rest()

    def rest(self) -> Thinking:
        """The event with all unsent text, which must precede the answer."""
        text, self.unsaid = self.unsaid, ""
        return Thinking(text)
