"""A case: what stack it wants, what is done with it, and what became of it."""

import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from tests.crash.stack import Plan, running
from tests.crash.trial import Trial

Around = Callable[[], AbstractContextManager[object]]


@dataclass(frozen=True)
class Case:
    """around: the world that the stack is started in. seconds: about how long it takes, so that the longest begin
    first. alone: it measures more finely than a busy machine allows. settles: the service survives it."""

    name: str
    title: str
    run: Callable[[Trial], None]
    plan: Plan = field(default_factory=Plan)
    plans: Callable[[], AbstractContextManager[Plan]] | None = None
    around: Around = nullcontext
    seconds: float = 10.0
    alone: bool = False
    settles: bool = True


@dataclass(frozen=True)
class Outcome:
    """seconds: of the longest turn as its client saw it."""

    name: str
    title: str
    passed: bool
    saw: str
    attempts: str
    seconds: float
    complaints: tuple[str, ...]
    took_seconds: float


def judge(case: Case) -> Outcome:
    """Runs a case on a stack of its own. Never raises: what goes wrong is a complaint."""
    began = time.monotonic()
    complaints: list[str] = []
    told: Mapping[str, object] = {}
    try:
        with case.around(), (case.plans or (lambda: nullcontext(case.plan)))() as plan:
            told = _try(case, plan, complaints)
    except Exception as error:  # noqa: BLE001 - the stack itself did not start or end
        complaints.append(f"{_last_words(error)}")
    return Outcome(
        name=case.name,
        title=case.title,
        passed=not complaints,
        saw=str(told.get("saw", "")),
        attempts=str(told.get("attempts", "")),
        seconds=float(str(told.get("seconds", 0.0))),
        complaints=tuple(complaints),
        took_seconds=time.monotonic() - began,
    )


def _try(case: Case, plan: Plan, complaints: list[str]) -> Mapping[str, object]:
    with running(plan, case.name) as stack:
        trial = Trial(case.name, stack)
        try:
            case.run(trial)
            if case.settles:
                trial.settle()
            else:
                trial.settle_log()
        except Exception as error:  # noqa: BLE001 - a case that breaks has failed; the others go on
            complaints.append(_last_words(error))
        complaints[:0] = trial.complaints
        if complaints:
            complaints += _log_tail(stack)
        return {
            "saw": "; ".join(trial.notes),
            "attempts": trial.attempts(),
            "seconds": trial.longest(),
        }


def _log_tail(stack: object) -> list[str]:
    service, nginx = stack.service, stack.nginx  # type: ignore[attr-defined]
    mine = [f"log: {event}" for event in service.events() if event.get("level") != "info"]
    return mine[-5:] + [f"nginx: {line}" for line in nginx.errors[-5:]]


def _last_words(error: BaseException) -> str:
    place = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in place if "/tests/" in frame.filename] or place
    at = f"{ours[-1].filename.rpartition('/')[2]}:{ours[-1].lineno}" if ours else "?"
    return f"{type(error).__name__} at {at}: {str(error)[:500]}"
