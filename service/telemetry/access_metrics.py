"""Events of the access room as metrics; changes of state also in the log."""

import time
from collections.abc import Callable, Iterable

from service.chat.account import BudgetPeriod, KeyProblem, LimitName
from service.telemetry import metrics
from service.telemetry.initial_samples import begin_key
from service.telemetry.turns import log

# anybody may send requests without a key: they must not fill the log
REFUSAL_LINE_SECONDS = 60.0


class AccessMetrics:
    """The access room's listener. It receives the names of keys, never the keys."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next_refusal_line: dict[KeyProblem, float] = {}
        self._known: set[str] = set()
        self._budgets: set[tuple[str, BudgetPeriod]] = set()

    def key_known(self, key: str) -> None:
        if key not in self._known:
            self._known.add(key)
            begin_key(key)

    def dependency_is(self, dependency: str, *, up: bool, cause: str | None = None) -> None:
        metrics.DEPENDENCY_UP.labels(dependency).set(int(up))
        report = log().info if up else log().warning
        report("dependency", dependency=dependency, up=up, cause=cause)

    def key_refused(self, problem: KeyProblem) -> None:
        metrics.KEYS_REFUSED.labels(problem).inc()
        now = self._clock()
        if now >= self._next_refusal_line.get(problem, now):
            self._next_refusal_line[problem] = now + REFUSAL_LINE_SECONDS
            log().info("key_refused", problem=problem)

    def turn_refused(self, key: str, limit: LimitName) -> None:
        metrics.KEY_REFUSALS.labels(metrics.KEY_NAMES.shown(key), limit).inc()

    def ledger_waiting(self, rows: int) -> None:
        metrics.LEDGER_WAITING.set(rows)

    def rows_dropped(self, rows: int, cause: str) -> None:
        metrics.LEDGER_DROPPED.inc(rows)
        log().error("ledger_rows_dropped", rows=rows, cause=cause)

    def leases_swept(self, count: int) -> None:
        metrics.LEASES_SWEPT.inc(count)
        log().warning("answers_of_dead_workers", count=count)

    def budgets_used(self, shares: Iterable[tuple[str, BudgetPeriod, float]]) -> None:
        """Keys that share a label value show the most used budget among them."""
        # a budget that was removed, or whose key was disabled, must not keep its alert firing
        used = dict.fromkeys(self._budgets, 0.0)
        for key, period, share in shares:
            label = metrics.KEY_NAMES.shown(key), period
            used[label] = max(used.get(label, 0.0), share)
        for label, share in used.items():
            metrics.series(metrics.KEY_BUDGET_USED, *label).set(share)
        self._budgets = set(used)

    def access_is(self, *, is_open: bool) -> None:
        metrics.ACCESS_OPEN.set(int(is_open))
