"""Events of chains as metrics and warnings."""

from service.telemetry import metrics
from service.telemetry.turns import log

MOST_STEPS = 50
OTHER = "other"
_steps: dict[str, set[str]] = {}


def step_took(chain: str, step: str, seconds: float) -> None:
    """Names come from the chain's code; if it generates them at run time, they end up in `other`."""
    known = _steps.setdefault(chain, set())
    if len(known) < MOST_STEPS:
        known.add(step)
    metrics.STEP_SECONDS.labels(chain, step if step in known else OTHER).observe(seconds)


def data_dropped(name: str, why: str) -> None:
    log().warning("data_dropped", name=name, why=why)


def unguarded_models(names: list[str]) -> None:
    """Warns about models that chains created and that are not guarded."""
    log().warning(
        "models_not_guarded",
        models=names,
        effect="their calls are billed, but not retried, timed or broken; wrap each in service.llm.steps.guarded()",
    )


def loop_blocked(place: str, seconds: float, stack: list[str]) -> None:
    """Something blocked a worker's event loop, and with it all other streams."""
    log().warning(
        "loop_blocked",
        place=place,
        seconds=round(seconds, 2),
        stack=stack,
        effect="every other answer of this worker waits for it; use service.llm.steps.off_loop for what computes",
    )


def notice(chain: str, what: str, effect: str) -> None:
    """Warns about something in a chain that does less than it seems to."""
    log().warning("chain_notice", chain=chain, what=what, effect=effect)
