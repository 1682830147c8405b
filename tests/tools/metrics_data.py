"""Every metric as plain data, for what lists metrics or reads them. It all comes from service/telemetry/."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from prometheus_client.core import Metric
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.utils import floatToGoString

from service.chat.account import BudgetPeriod, KeyProblem, LimitName
from service.chat.attempt import AttemptResult, RetryDenial
from service.errors import Ending, ErrorCode, SetUp
from service.settings import Settings, names
from service.telemetry import metrics
from service.telemetry.exposition import EXIT_REASONS, ProcessCollector, Workers
from service.telemetry.initial_samples import ROUTES
from service.telemetry.turns import OPERATION

Values = frozenset[str] | None


@dataclass(frozen=True)
class ExportedMetric:
    """name as exported. labels: the values that each may have; None: any, such as a configured model's name."""

    name: str
    kind: str
    text: str
    labels: dict[str, Values]
    bounds: frozenset[str] = frozenset()

    @property
    def samples(self) -> dict[str, dict[str, Values]]:
        """The names that a query reads, with their labels."""
        if self.kind != "histogram":
            return {self.name: self.labels}
        return {
            f"{self.name}_bucket": self.labels | {"le": self.bounds},
            f"{self.name}_sum": self.labels,
            f"{self.name}_count": self.labels,
        }


def words(literal: Any) -> frozenset[str]:
    """A Literal's values, or those of a union of them."""
    return frozenset(
        word
        for part in get_args(literal)
        for word in ([part] if isinstance(part, str) else words(part))
    )


VALUES: dict[str, Values] = {
    "chain": None,
    "dependency": frozenset({"redis", "database"}),
    "ending": words(Ending),
    # empty for a whole answer
    "error_type": words(AttemptResult) - {"ok"} | {""},
    "gen_ai_operation_name": frozenset({OPERATION}),
    "gen_ai_provider_name": names.PROVIDERS,
    "gen_ai_request_model": None,
    "gen_ai_token_type": frozenset({"input", "output"}),
    "key": None,
    "limit": words(LimitName),
    "llm_client": words(Settings.model_fields["llm_client"].annotation),
    "model": None,
    "parameter": None,
    "period": words(BudgetPeriod),
    "problem": words(KeyProblem),
    "result": words(AttemptResult),
    "route": frozenset(ROUTES),
    "step": None,
    "type": frozenset({"input", "output"}),
    "version": None,
}
# where a label's values depend on the metric
VALUES_OF = {
    ("chat_answers_cut_total", "ending"): frozenset(metrics.CUT_ENDINGS),
    ("chat_fallbacks_total", "reason"): words(ErrorCode),
    ("chat_llm_refusals_total", "reason"): words(SetUp),
    ("chat_llm_retries_total", "reason"): words(ErrorCode),
    ("chat_restarts_total", "reason"): words(ErrorCode),
    ("chat_retries_denied_total", "reason"): words(RetryDenial),
    ("chat_tokens_wasted_total", "reason"): words(metrics.WasteReason),
    ("chat_worker_exits_total", "reason"): frozenset(EXIT_REASONS),
}


def exported() -> list[ExportedMetric]:
    """In the order in which they are declared."""
    declared = [value for value in vars(metrics).values() if isinstance(value, MetricWrapperBase)]
    return [*map(_declared, declared), *map(_collected, _of_the_master())]


def _declared(metric: MetricWrapperBase) -> ExportedMetric:
    name = metric._name + ("_total" if metric._type == "counter" else "")
    bounds = frozenset(map(floatToGoString, getattr(metric, "_upper_bounds", ())))
    labels = {label: _values(name, label) for label in metric._labelnames}
    return ExportedMetric(name, str(metric._type), metric._documentation, labels, bounds)


def _collected(family: Metric) -> ExportedMetric:
    name = family.name + ("_total" if family.type == "counter" else "")
    labels = {label: _values(name, label) for label in family.samples[0].labels}
    return ExportedMetric(name, family.type, family.documentation, labels)


def _values(metric: str, label: str) -> Values:
    """KeyError: a new label, whose values have to be named above."""
    return VALUES_OF[metric, label] if (metric, label) in VALUES_OF else VALUES[label]


def _of_the_master() -> Iterator[Metric]:
    """What the exposition adds from the operating system."""
    with tempfile.TemporaryDirectory() as directory:
        yield from ProcessCollector(Workers(Path(directory), list, lambda: True)).collect()
