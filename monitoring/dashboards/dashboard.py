"""A dashboard and its JSON: rows of panels, laid out from left to right."""

from collections.abc import Iterator
from dataclasses import dataclass

from monitoring.dashboards.panel import SOURCE, Json, Panel

COLUMNS = 24
REFRESH = "10s"


@dataclass(frozen=True)
class Row:
    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Variable:
    """A drop-down at the top, with every value of the metric's label."""

    name: str
    metric: str


@dataclass(frozen=True)
class Dashboard:
    uid: str
    title: str
    about: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...] = ()
    span: str = "now-1h"

    def render(self, runbook: str) -> Json:
        return {
            "uid": self.uid,
            "title": self.title,
            "description": f"{self.about}\n\n{self._source()}",
            "tags": ["chat"],
            "schemaVersion": 41,
            "version": 1,
            "editable": False,
            "graphTooltip": 1,
            "timezone": "browser",
            "refresh": REFRESH,
            "time": {"from": self.span, "to": "now"},
            "annotations": {"list": [DEPLOYS]},
            "links": _links(runbook),
            "templating": {"list": [_variable(each) for each in self.variables]},
            "panels": list(self._panels()),
        }

    @property
    def name(self) -> str:
        """The name of its module here and of its JSON file."""
        return self.uid.removeprefix("chat-")

    def _source(self) -> str:
        return (
            f"Generated from monitoring/dashboards/{self.name}.py: "
            "change it there and run make fix."
        )

    def _panels(self) -> Iterator[Json]:
        number, y = 1, 0
        for row in self.rows:
            yield _heading(row.title, number, y)
            number, y, x, lowest = number + 1, y + 1, 0, 0
            for panel in row.panels:
                if x + panel.width > COLUMNS:
                    x, y, lowest = 0, y + lowest, 0
                yield panel.render(number, x, y)
                number, x, lowest = number + 1, x + panel.width, max(lowest, panel.height)
            y += lowest


DEPLOYS: Json = {
    "name": "Deploys",
    "datasource": SOURCE,
    "enable": True,
    "iconColor": "blue",
    "expr": "count by (instance, version) (chat_build_info) unless on (instance) (chat_build_info offset 1m)",
    "titleFormat": "new replica",
    "textFormat": "{{instance}} {{version}}",
    "step": "10s",
}


def _heading(title: str, number: int, y: int) -> Json:
    place = {"x": 0, "y": y, "w": COLUMNS, "h": 1}
    return {
        "id": number,
        "type": "row",
        "title": title,
        "collapsed": False,
        "gridPos": place,
        "panels": [],
    }


def _links(runbook: str) -> list[Json]:
    other: Json = {
        "type": "dashboards",
        "title": "Dashboards",
        "tags": ["chat"],
        "asDropdown": False,
        "includeVars": False,
        "keepTime": True,
        "targetBlank": False,
    }
    outside = [("Runbook", runbook), ("Alerts", "http://localhost:9093")]
    return [
        other,
        *(
            {"type": "link", "title": title, "url": url, "icon": "doc", "targetBlank": True}
            for title, url in outside
        ),
    ]


def _variable(variable: Variable) -> Json:
    query = f"label_values({variable.metric}, {variable.name})"
    return {
        "name": variable.name,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": variable.name},
        "definition": query,
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "current": {"text": ["All"], "value": ["$__all"]},
        "refresh": 2,
        "sort": 1,
    }
