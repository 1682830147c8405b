"""What chains do, as metrics and warnings."""

from service.telemetry import metrics
from service.telemetry.turns import log

MOST_STEPS = 50
OTHER = "other"
_steps: dict[str, set[str]] = {}


def step_took(chain: str, step: str, seconds: float) -> None:
    """Names come from the chain's code; one that makes them up as it runs ends in `other`."""
    known = _steps.setdefault(chain, set())
    if len(known) < MOST_STEPS:
        known.add(step)
    metrics.STEP_SECONDS.labels(chain, step if step in known else OTHER).observe(seconds)


def data_dropped(name: str, why: str) -> None:
    log().warning("data_dropped", name=name, why=why)


def unguarded_models(names: list[str]) -> None:
    """Models of the chains' own that work without the guard."""
    log().warning(
        "models_not_guarded",
        models=names,
        effect="their calls are billed, but not retried, timed or broken; wrap each in service.llm.steps.guarded()",
    )


def loop_blocked(place: str, seconds: float, stack: list[str]) -> None:
    """Something has kept a worker's loop from all its other streams."""
    log().warning(
        "loop_blocked",
        place=place,
        seconds=round(seconds, 2),
        stack=stack,
        effect="every other answer of this worker waits for it; use service.llm.steps.off_loop for what computes",
    )


def notice(chain: str, what: str, effect: str) -> None:
    """Something that a chain sets up and that does less than it seems to."""
    log().warning("chain_notice", chain=chain, what=what, effect=effect)
