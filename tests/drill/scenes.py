"""The faults, each with the alerts that it has to raise; in an order in which none hides the next."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from service.access.secret import new_secret
from tests.drill.stage import PRIMARY, SLOTS, UNPRICED, Stage
from tests.support.simulator import directive

Act = Callable[[Stage], object]
UNREAD = ExitStack()
HELD = ExitStack()


@dataclass(frozen=True)
class Scene:
    """act: one round of the fault, repeated until its alerts have arrived. begin, end: before and after all rounds."""

    alerts: tuple[str, ...]
    act: Act
    begin: Act = lambda _: None
    end: Act = lambda _: None
    # an alert that an earlier fault has raised counts
    earlier_counts: bool = False


def _default(order: str) -> Act:
    return lambda stage: stage.simulator.set_default(order)


def _ask(question: str, count: int, **fields: object) -> Act:
    def act(stage: Stage) -> None:
        stage.ask(question, count, **fields)

    return act


def _ask_another(stage: Stage) -> None:
    # a breaker counts a question once
    stage.ask(f"hi {time.monotonic_ns()}", 4)


def _pause(_stage: Stage) -> None:
    time.sleep(1)


def _waste(stage: Stage) -> None:
    # slowly: what the whole answers cost is not to raise another alert
    stage.ask(directive(model=PRIMARY, fault="cut", tokens=900, after=400), 1)
    time.sleep(0.5)


def _kill_a_worker(stage: Stage) -> None:
    os.kill(stage.service.workers()[0], signal.SIGKILL)


def _fill_the_metrics_directory(stage: Stage) -> None:
    # as a crowd of dead workers would leave it; sparse, and without a single metric
    with (stage.service.directory / "counter_999999.db").open("wb") as file:
        file.truncate(40_000_000)


def _empty_the_metrics_directory(stage: Stage) -> None:
    (stage.service.directory / "counter_999999.db").unlink()


def _ask_slow_ones(stage: Stage) -> None:
    # one after the other, so that at every moment somebody has just waited
    def one(place: int) -> None:
        time.sleep(place)
        stage.ask(directive(first=7, tokens=2), 1)

    with ThreadPoolExecutor(8) as crowd:
        list(crowd.map(one, range(8)))


def _hold_every_slot(stage: Stage) -> None:
    with ThreadPoolExecutor(SLOTS) as crowd:
        list(crowd.map(lambda _: stage.ask(directive(tokens=16, gap=0.5), 1), range(SLOTS)))


def _ask_as(key: Callable[[Stage], str], count: int, question: str, **fields: object) -> Act:
    def act(stage: Stage) -> None:
        stage.ask(question, count, key=key(stage), **fields)
        time.sleep(1)

    return act


def _hold_the_database(stage: Stage) -> None:
    holder = HELD.enter_context(contextlib.closing(stage.store()))
    holder.execute("BEGIN EXCLUSIVE")


SCENES = (
    # first: a breaker that opens also hands turns over, and would already have fired it
    Scene(
        ("FallbackInUse",),
        _ask(directive(tokens=1), 1),
        _default(f"fault=429 retry_after=60 model={PRIMARY}"),
    ),
    Scene(("TokensWasted",), _waste),
    Scene(("CostHigh",), _ask(directive(tokens=1000), 4)),
    Scene(("ModelWithoutPrice",), _ask("hi", 2, model=UNPRICED)),
    Scene(("RetryBudgetSpent",), _ask("hi", 8), _default("fault=429")),
    Scene(("AccountEmpty",), _ask("hi", 2), _default("fault=402")),
    Scene(("KeyRefused",), _ask("hi", 2), _default("fault=401")),
    Scene(("ModelUnknown",), _ask("hi", 2), _default("fault=404")),
    Scene(("AddressWrong",), _ask("hi", 2), _default("fault=405")),
    Scene(("AccessRefused",), _ask("hi", 2), _default("fault=403")),
    Scene(("UsageMissing",), _ask("hi", 4), _default("fault=no-usage")),
    Scene(("ServiceSaturated",), _hold_every_slot),
    Scene(("LoopBlocked",), _ask(directive(tokens=2), 2, chain="computing")),
    Scene(("AnswersCut",), _ask(directive(fault="cut", after=2), 2)),
    Scene(("FirstTokenSlow",), _ask_slow_ones),
    Scene(
        ("MetricsDirectoryGrowing",),
        _pause,
        _fill_the_metrics_directory,
        _empty_the_metrics_directory,
    ),
    Scene(("WorkerKilled",), _pause, _kill_a_worker),
    Scene(
        ("LogLinesLost",),
        _ask(directive(tokens=2), 8),
        lambda stage: UNREAD.enter_context(stage.service.unread_log()),
        lambda _: UNREAD.close(),
    ),
    Scene(
        ("BudgetNearlyUsed",),
        _ask_as(lambda stage: stage.keys["small budget"], 1, directive(tokens=10), max_tokens=10),
    ),
    Scene(("KeyRefusedOften",), _ask_as(lambda stage: stage.keys["impatient"], 60, "hi")),
    Scene(("UnknownKeysTried",), _ask_as(lambda _: new_secret(), 60, "hi")),
    Scene(
        ("DatabaseDown", "LedgerBehind"),
        _ask("hi", 2),
        _hold_the_database,
        lambda _: HELD.close(),
    ),
    Scene(
        ("RedisDown",), _pause, lambda stage: stage.redis.stop(), lambda stage: stage.redis.start()
    ),
    Scene(
        ("CertificateExpiring",),
        _pause,
        lambda stage: stage.secure_door.start(),
        lambda stage: stage.secure_door.stop(),
    ),
    Scene(("BreakerOpen", "ErrorBudgetBurningFast"), _ask_another, _default("fault=500")),
    # what burnt fast is over, and has cost more than three days may
    Scene(("ErrorBudgetBurningSlowly",), _ask("hi", 4), earlier_counts=True),
    Scene(
        ("TargetMissing",),
        _pause,
        lambda stage: stage.watchers.stop_one("prometheus-nginx-exporter"),
    ),
    Scene(("ServiceUnreachable",), _pause, lambda stage: stage.nginx.stop()),
)


@contextmanager
def played(scene: Scene, stage: Stage) -> Iterator[None]:
    scene.begin(stage)
    try:
        yield
    finally:
        scene.end(stage)
        stage.simulator.set_default("")
