"""Events of the guard as metrics; changes of state also in the log."""

from service.chat.attempt import RetryDenial
from service.errors import ErrorCode
from service.telemetry import metrics
from service.telemetry.turns import log

STATES = {"closed": 0, "half-open": 1, "open": 2}


class GuardMetrics:
    """The guard's listener: retries, fallbacks, restarts, breakers and dependencies."""

    def __init__(self) -> None:
        self._tripped: set[str] = set()

    def retried(self, reason: ErrorCode) -> None:
        metrics.RETRIES.labels(reason).inc()

    def retry_denied(self, reason: RetryDenial) -> None:
        metrics.RETRIES_DENIED.labels(reason).inc()

    def fell_back(self, reason: ErrorCode) -> None:
        metrics.FALLBACKS.labels(reason).inc()

    def restarted(self, reason: ErrorCode) -> None:
        metrics.RESTARTS.labels(reason).inc()

    def breaker_is(self, model: str, state: str, *, alone: bool = False) -> None:
        metrics.BREAKER_STATE.labels(model).set(STATES[state])
        if state != "closed" or model in self._tripped:
            callers = "one" if alone else "all"
            log().warning("breaker", model=model, state=state, callers=callers)
            self._tripped.add(model)

    def dependency_is(self, dependency: str, *, up: bool, cause: str | None = None) -> None:
        metrics.DEPENDENCY_UP.labels(dependency).set(int(up))
        report = log().info if up else log().warning
        report("dependency", dependency=dependency, up=up, cause=cause)
