"""The texts that a turn's model calls have shown: one call at a time, and discarded ones are taken back."""

from collections.abc import Iterator, Sequence
from typing import Any

from service.chat.events import Event, Restart, Token
from service.llm.chain_turn import CallEnd, TookBack


class ShownTexts:
    """One per turn. Concurrent calls would interleave their sentences: the first one is shown, and the others wait for
    its end."""

    def __init__(self) -> None:
        self._shown: dict[Any, list[str]] = {}
        self._waiting: dict[Any, list[str]] = {}
        self._ended: set[Any] = set()
        self._speaker: Any = None
        # the text of a failed call: stays unless the chain goes on without it
        self._void: TookBack | None = None

    @property
    def by_call(self) -> list[str]:
        """The texts by call, in the order shown."""
        return ["".join(texts) for texts in self._shown.values()]

    @property
    def text(self) -> str:
        return "".join(self.by_call)

    def say(self, call: Any, text: str) -> Sequence[Event]:
        if self._speaker is not None and call != self._speaker:
            self._waiting.setdefault(call, []).append(text)
            return ()
        void = self._without_void()
        self._speaker = call
        self._shown.setdefault(call, []).append(text)
        return (*void, Token(text)) if void else (Token(text),)

    def end(self, ended: CallEnd) -> Iterator[Event]:
        if ended.call != self._speaker:
            self._end_waiting(ended)
            return
        self._speaker = None
        if ended.void is not None and ended.call in self._shown:
            self._void = ended.void
        yield from self._next()

    def _end_waiting(self, ended: CallEnd) -> None:
        if ended.void is not None:
            self._waiting.pop(ended.call, None)
        elif ended.call in self._waiting:
            self._ended.add(ended.call)

    def _next(self) -> Iterator[Event]:
        """Shows the texts of calls that have ended, up to one that is still running."""
        while self._waiting and self._speaker is None:
            call = next(iter(self._waiting))
            yield from self.say(call, "".join(self._waiting.pop(call)))
            if call in self._ended:
                self._speaker = None

    def take_back(self, void: TookBack) -> list[Event]:
        """The texts of other calls stay."""
        self._waiting.pop(void.call, None)
        if not self._shown.pop(void.call, None):
            return []
        rest = self.text
        return [Restart(void.reason, void.model), *([Token(rest)] if rest else [])]

    def _without_void(self) -> list[Event]:
        void, self._void = self._void, None
        return [] if void is None else self.take_back(void)

    def close(self) -> Iterator[Event]:
        """The chain has ended: shows everything that waits."""
        for call in list(self._waiting):
            self._ended.add(call)
        self._speaker = None
        yield from self._next()
        yield from self._without_void()
