"""What a stream tells of a model's thinking: at most one event a second, its text only where that is to be shown."""

from collections.abc import Callable

from service.chat.events import Thinking

EVERY_SECONDS = 1.0


class ThinkingEvents:
    """Those of one stream. unsaid: the text that no event has carried yet."""

    def __init__(self, clock: Callable[[], float], *, show: bool) -> None:
        self._clock = clock
        self._show = show
        self._next_at = 0.0
        self.unsaid = ""

    def hold(self, thought: Thinking) -> None:
        if self._show:
            self.unsaid += thought.text

    def due(self, thought: Thinking) -> Thinking | None:
        """The event to write now, if it is time for one."""
        self.hold(thought)
        now = self._clock()
        if now < self._next_at:
            return None
        self._next_at = now + EVERY_SECONDS
        return self.rest()

    def rest(self) -> Thinking:
        """With all the text so far; for what has to come before the answer goes on."""
        text, self.unsaid = self.unsaid, ""
        return Thinking(text)
