"""What has been learned about one model at one server during the worker's lifetime."""

from collections.abc import Callable
from dataclasses import replace

from service.llm.wire.learned import Change, Learned, News

# called with parameter and how it was adapted
Adapted = Callable[[str, Change], None]


class Habits:
    """One per model, server and worker. adapted: called when something new is learned."""

    def __init__(self, adapted: Adapted) -> None:
        self._adapted = adapted
        self._told: set[News] = set()
        self.known = Learned()

    def keep(self, learned: Learned) -> None:
        """Called when a question asked in this way was answered; others may have been answered in the meantime."""
        if learned is self.known:
            return
        news = [each for each in learned.news if each not in self._told]
        self._told.update(news)
        self.known = replace(
            learned,
            left_out=learned.left_out | self.known.left_out,
            limit_name=learned.limit_name or self.known.limit_name,
            moves_system=learned.moves_system or self.known.moves_system,
            whole=learned.whole or self.known.whole,
            most_tokens=_first(learned.most_tokens, self.known.most_tokens),
            window=_first(learned.window, self.known.window),
            news=(),
        )
        for each in news:
            self._adapted(each.parameter, each.change)


def _first(one: int | None, other: int | None) -> int | None:
    return other if one is None else one
