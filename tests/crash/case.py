"""A case: the stack it needs, what it does, and its result."""

import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from tests.crash.stack import Plan, Stack, running
from tests.crash.trial import Trial

MOST_COMPLAINTS = 8

Around = Callable[[], AbstractContextManager[object]]


@dataclass(frozen=True)
class Case:
    """around: the world that the stack is started in. seconds: about how long it takes, so that the longest begin
    first. shared: cases with the same plan may use one stack, one after the other. alone: it measures more finely
    than a busy machine allows. settles: the service survives it."""

    name: str
    title: str
    run: Callable[[Trial], None]
    plan: Plan = field(default_factory=Plan)
    plans: Callable[[], AbstractContextManager[Plan]] | None = None
    around: Around = nullcontext
    seconds: float = 10.0
    shared: bool = False
    alone: bool = False
    settles: bool = True


@dataclass(frozen=True)
class Outcome:
    """seconds: of the longest turn as its client saw it."""

    name: str
    title: str
    complaints: tuple[str, ...]
    saw: str = ""
    attempts: str = ""
    seconds: float = 0.0
    took_seconds: float = 0.0

    @property
    def passed(self) -> bool:
        return not self.complaints


def judge(cases: Sequence[Case]) -> list[Outcome]:
    """Runs cases one after the other on one stack. Never raises: what goes wrong is a complaint."""
    first, found = cases[0], list[Outcome]()
    try:
        with (
            first.around(),
            (first.plans or (lambda: nullcontext(first.plan)))() as plan,
            running(plan) as stack,
        ):
            for case in cases:
                found.append(_try(case, stack))
    except Exception as error:  # noqa: BLE001 - the stack itself did not start or end
        found = found[: len(cases) - 1]
        words = f"the stack failed: {_last_words(error)}"
        found += [Outcome(case.name, case.title, (words,)) for case in cases[len(found) :]]
    return found


def _try(case: Case, stack: Stack) -> Outcome:
    began = time.monotonic()
    trial = Trial(case.name, stack)
    complaints: list[str] = []
    try:
        case.run(trial)
        if case.settles:
            trial.settle()
        else:
            trial.settle_log()
    except Exception as error:  # noqa: BLE001 - a case that breaks has failed; the others go on
        complaints.append(_last_words(error))
    complaints = trial.complaints + complaints
    return Outcome(
        name=case.name,
        title=case.title,
        complaints=tuple(_shortened(complaints) + (_log_tail(stack) if complaints else [])),
        saw="; ".join(trial.notes),
        attempts=trial.attempts(),
        seconds=trial.longest(),
        took_seconds=time.monotonic() - began,
    )


def _shortened(complaints: list[str]) -> list[str]:
    more = len(complaints) - MOST_COMPLAINTS
    return complaints[:MOST_COMPLAINTS] + ([f"and {more} more"] if more > 0 else [])


def _log_tail(stack: Stack) -> list[str]:
    told = [f"log: {event}" for event in stack.service.events() if event.get("level") != "info"]
    return told[-5:] + [f"nginx: {line}" for line in stack.nginx.errors[-5:]]


def _last_words(error: BaseException) -> str:
    place = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in place if "/tests/" in frame.filename] or place
    at = f"{ours[-1].filename.rpartition('/')[2]}:{ours[-1].lineno}" if ours else "?"
    return f"{type(error).__name__} at {at}: {str(error)[:500]}"
