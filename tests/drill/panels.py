"""Every panel of every dashboard, asked of the real Prometheus as Grafana would."""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.drill.watchers import MONITORING, Watchers

Json = dict[str, Any]
FOLDER = MONITORING / "grafana/dashboards"


@dataclass(frozen=True)
class Window:
    """Seconds since the epoch."""

    start: float
    end: float

    @property
    def step(self) -> float:
        return max(1.0, (self.end - self.start) / 200)


@dataclass(frozen=True)
class Answer:
    """What a target's query gave: legend and points (time, value) of each series."""

    title: str
    expr: str
    series: list[tuple[str, list[tuple[float, float]]]]

    @property
    def has_data(self) -> bool:
        return any(not math.isnan(value) for _, points in self.series for _, value in points)


def dashboards() -> list[Json]:
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))]


def filled(expr: str) -> str:
    """Grafana's variables, as with the choice All."""
    expr = expr.replace("$__rate_interval", "5s")
    return re.sub(r"\$\w+", ".*", expr)


def answers(panel: Json, watchers: Watchers, window: Window) -> Iterator[Answer]:
    for target in panel["targets"]:
        found = _ask(filled(target["expr"]), target, watchers, window)
        yield Answer(panel["title"], target["expr"], found)


def _ask(
    expr: str, target: Json, watchers: Watchers, window: Window
) -> list[tuple[str, list[tuple[float, float]]]]:
    if target["instant"]:
        return [
            (_legend(target["legendFormat"], each["metric"]), _points([each["value"]]))
            for each in watchers.query(expr)
        ]
    when = {"start": window.start, "end": window.end, "step": window.step}
    return [
        (_legend(target["legendFormat"], each["metric"]), _points(each["values"]))
        for each in watchers.query(expr, **when)
    ]


def empty(watchers: Watchers, window: Window) -> list[str]:
    """Panels one of whose queries has no data."""
    return [
        f"{dashboard['title']}: {answer.title}: {answer.expr}"
        for dashboard in dashboards()
        for panel in dashboard["panels"]
        if panel["type"] != "row"
        for answer in answers(panel, watchers, window)
        if not answer.has_data
    ]


def _points(values: list[list[Any]]) -> list[tuple[float, float]]:
    return [(float(when), float(value)) for when, value in values]


def _legend(form: str, labels: dict[str, str]) -> str:
    if not form:
        return ", ".join(f"{key}={value}" for key, value in labels.items() if key != "__name__")
    return re.sub(r"\{\{(\w+)\}\}", lambda name: labels.get(name[1], ""), form)
