"""Measures the steps of a running chain, excluding nested steps."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID


@dataclass
class Step:
    name: str
    began: float
    parent: UUID | None
    inside: float = 0.0


class StepTimes:
    """timed: called with a step's name and its own seconds."""

    def __init__(self, timed: Callable[[str, float], None], clock: Callable[[], float]) -> None:
        self._timed = timed
        self._clock = clock
        self._running: dict[UUID, Step] = {}

    def begin(self, run: UUID, parent: UUID | None, name: str) -> None:
        self._running[run] = Step(name, self._clock(), parent)

    def end(self, run: UUID, *, counts: bool = True) -> Step | None:
        """counts: whether it is a step, rather than something a step waits for, such as a model."""
        step = self._running.pop(run, None)
        if step is None:
            return None
        seconds = self._clock() - step.began
        if step.parent is not None and (around := self._running.get(step.parent)):
            around.inside += seconds
        if counts:
            self._timed(step.name, max(0.0, seconds - step.inside))
        return step
