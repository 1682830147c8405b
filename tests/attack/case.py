"""A row of the table: what is done, what was seen when nobody had thought of it, and what is seen now."""

import time
import traceback
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from tests.attack.stage import Stage
from tests.attack.victims import Figures

GAP_SECONDS = 0.3
FIRST_SECONDS = 1.0


@dataclass
class Trial:
    """What a case is given, and what it finds. long: there is time for the whole of it. slack: how much slower this
    machine may be than a quiet one."""

    stage: Stage
    long: bool
    slack: float
    saw: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def see(self, what: str) -> None:
        self.saw.append(what)

    def expect(self, right: object, otherwise: str) -> None:
        if not right:
            self.complaints.append(otherwise)

    def within(self, what: str, found: float, most: float) -> None:
        self.expect(found <= most * self.slack, f"{what}: {found:.3g}, at most {most:g} is right")

    def seconds(self, quick: float, long: float) -> float:
        return long if self.long else quick


@dataclass(frozen=True)
class Case:
    """row: of the table of attacks. before: what was seen then. served: whether there are victims to look at."""

    row: str
    title: str
    before: str
    run: Callable[[Trial], None]
    served: bool = True


@dataclass(frozen=True)
class Outcome:
    row: str
    title: str
    before: str
    saw: str
    victims: str
    complaints: tuple[str, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        return not self.complaints


Stages = Callable[[], AbstractContextManager[Stage]]


def judge(stages: Stages, cases: Iterable[Case], *, long: bool, slack: float) -> Iterable[Outcome]:
    """One after the other on one stage. What goes wrong is a complaint."""
    with stages() as stage:
        for case in cases:
            yield _try(case, Trial(stage, long, slack))


def _try(case: Case, trial: Trial) -> Outcome:
    began, figures = time.monotonic(), None
    try:
        if case.served:
            with trial.stage.victims() as victims:
                case.run(trial)
            figures = victims.figures
        else:
            case.run(trial)
    except Exception as error:  # noqa: BLE001 - an attack that ends in ours is a find
        trial.complaints.append("".join(traceback.format_exception_only(error)).strip())
    if figures is not None:
        _judge_victims(trial, figures)
    trial.expect(len(trial.stage.service.workers()) == 2, "a worker has ended")
    return Outcome(
        case.row,
        case.title,
        case.before,
        "; ".join(trial.saw),
        str(figures or "-"),
        tuple(trial.complaints),
        time.monotonic() - began,
    )


def _judge_victims(trial: Trial, figures: Figures) -> None:
    trial.within("victims' gap p99", figures.gap_p99, GAP_SECONDS)
    trial.within("victims' first token", figures.first, FIRST_SECONDS)
    trial.expect(
        not figures.failed, f"{figures.failed} of {figures.streams} victims' streams failed"
    )
