"""A panel and its JSON."""

from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["stat", "timeseries", "table"]
Json = dict[str, Any]

SOURCE = {"type": "prometheus", "uid": "prometheus"}
COLOURS = ("green", "orange", "red")
# a query's value when there is nothing to judge: neither good nor bad
NOTHING = -1
GREY = "#6e7077"


@dataclass(frozen=True)
class Query:
    """legend may contain {{label}}s."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Panel:
    """One picture. unit: Grafana's name. limits: orange from the first on, red from the second, in falling order too.

    where_nothing: the text shown when the query returns NOTHING.
    """

    title: str
    about: str
    about_ko: str
    queries: tuple[Query, ...]
    unit: str = "short"
    kind: Kind = "timeseries"
    width: int = 8
    height: int = 8
    limits: tuple[float, ...] = ()
    stacked: bool = False
    words: tuple[tuple[float, str], ...] = ()
    decimals: int | None = None
    where_nothing: str = ""

    def render(self, number: int, x: int, y: int) -> Json:
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": f"{self.about}\n\n{self.about_ko}",
            "datasource": SOURCE,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "targets": [self._target(place, query) for place, query in enumerate(self.queries)],
            "fieldConfig": {"defaults": self._defaults(), "overrides": []},
            "options": self._options(),
        }

    def _target(self, place: int, query: Query) -> Json:
        return {
            "refId": chr(ord("A") + place),
            "datasource": SOURCE,
            "expr": query.expr,
            "legendFormat": query.legend,
            "instant": self.kind != "timeseries",
            "range": self.kind == "timeseries",
            **({"format": "table"} if self.kind == "table" else {}),
        }

    def _defaults(self) -> Json:
        defaults: Json = {"unit": self.unit, "thresholds": self._thresholds()}
        if self.kind == "timeseries":
            defaults["min"] = 0
            defaults["custom"] = self._drawing()
        options: Json = {str(int(value)): {"text": word} for value, word in self.words}
        if self.where_nothing:
            options[str(NOTHING)] = {"text": self.where_nothing, "color": GREY}
        if options:
            defaults["mappings"] = [{"type": "value", "options": options}]
        if self.decimals is not None:
            defaults["decimals"] = self.decimals
        return defaults

    def _drawing(self) -> Json:
        return {
            "drawStyle": "line",
            "lineWidth": 1,
            "fillOpacity": 60 if self.stacked else 10,
            "showPoints": "never",
            "stacking": {"mode": "normal" if self.stacked else "none", "group": "A"},
            "thresholdsStyle": {"mode": "dashed" if self.limits else "off"},
        }

    def _thresholds(self) -> Json:
        falling = len(self.limits) > 1 and self.limits[1] < self.limits[0]
        colours = COLOURS[::-1] if falling else COLOURS
        values = sorted(self.limits)
        steps: list[Json] = [{"color": colours[0], "value": None}]
        steps += [
            {"color": colour, "value": value}
            for colour, value in zip(colours[1:], values, strict=False)
        ]
        return {"mode": "absolute", "steps": steps}

    def _options(self) -> Json:
        if self.kind == "stat":
            return {
                "colorMode": "background" if self.limits else "value",
                "graphMode": "none",
                "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
                "textMode": "value_and_name" if len(self.queries) > 1 else "auto",
            }
        if self.kind == "table":
            return {"showHeader": True}
        return {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }


def judged(expr: str, traffic: str = "") -> Query:
    """expr, or NOTHING if it has no value or traffic is 0."""
    condition = f" and ({traffic} > 0)" if traffic else ""
    return Query(f"(({expr}) >= 0{condition}) or vector({NOTHING})")


def quantiles(metric: str, by: str = "", selector: str = "", legend: str = "") -> tuple[Query, ...]:
    """The 50th, 95th and 99th percentile."""
    groups = f"le, {by}" if by else "le"
    rate = f"sum by ({groups}) (rate({metric}_bucket{{{selector}}}[$__rate_interval]))"
    return tuple(
        Query(f"histogram_quantile({share}, {rate})", f"{name} {legend}".strip())
        for share, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
    )
