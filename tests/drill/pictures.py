"""Each dashboard as a picture, laid out as Grafana would: for people to look at where no Grafana can run."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from tests.drill.panels import Answer, Json, Window, answers, dashboards
from tests.drill.watchers import Watchers

# of Grafana's grid, in inches: 24 columns are a screen of 1920 pixels
COLUMN_INCHES, ROW_INCHES = 0.8, 0.38
# for the numbers beside a chart
AXIS_INCHES = 0.72
PAPER, PANEL, INK = "#111217", "#181b1f", "#d8d9da"
COLOURS = {"green": "#299c46", "orange": "#ed8128", "red": "#d44a3a"}
LINES = ("#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#5794f2", "#b877d9", "#96d98d")
MOST_SERIES = 12


def draw(watchers: Watchers, window: Window, folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    return [
        draw_one(each, watchers, window, folder / f"{each['uid']}.png") for each in dashboards()
    ]


def draw_one(
    dashboard: Json,
    watchers: Watchers,
    window: Window,
    path: Path,
    column_inches: float = COLUMN_INCHES,
) -> Path:
    mpl.use("Agg")
    panels = dashboard["panels"]
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    figure = plt.figure(figsize=(24 * column_inches, rows * ROW_INCHES), facecolor=PAPER)
    for panel in panels:
        axes = figure.add_axes(_place(panel, rows, column_inches), facecolor=PANEL)
        if panel["type"] == "row":
            _text(axes, panel["title"], INK, 13, x=0.0)
        else:
            axes.set_title(panel["title"], color=INK, fontsize=9, loc="left")
            _panel(axes, panel, list(answers(panel, watchers, window)), window)
    figure.savefig(path, facecolor=PAPER, dpi=100)
    plt.close(figure)
    return path


def _place(panel: Json, rows: int, column_inches: float) -> tuple[float, float, float, float]:
    """Left, bottom, width and height, with room for titles and axes."""
    place = panel["gridPos"]
    chart = panel["type"] == "timeseries"
    margin = AXIS_INCHES / column_inches if chart else 0.15
    left = (place["x"] + margin) / 24
    width = (place["w"] - margin - (0.3 if chart else 0.15)) / 24
    top = place["y"] + (0.0 if panel["type"] == "row" else 0.9)
    low = place["h"] - (2.6 if chart else 0.2 if panel["type"] == "row" else 1.1)
    return left, 1 - (top + low) / rows, width, low / rows


def _panel(axes: Axes, panel: Json, found: list[Answer], window: Window) -> None:
    series = [each for answer in found for each in answer.series]
    if not any(answer.has_data for answer in found):
        _text(axes, "No data", INK, 12)
    elif panel["type"] == "stat":
        _stat(axes, panel, series[0][1][-1][1])
    elif panel["type"] == "table":
        _text(axes, "\n".join(sorted({legend or "none" for legend, _ in series})), INK, 7)
    else:
        _chart(axes, panel, series, window)


def _stat(axes: Axes, panel: Json, value: float) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    colour = [
        step["color"]
        for step in defaults["thresholds"]["steps"]
        if step["value"] is None or value >= step["value"]
    ][-1]
    words = defaults.get("mappings", [{"options": {}}])[0]["options"]
    word = words.get(f"{value:g}", {})
    shade = word.get("color") or COLOURS[colour]
    background = panel["options"]["colorMode"] == "background"
    if background:
        axes.set_facecolor(shade)
    text = word.get("text") or _number(value, defaults)
    # what is longer than its tile would be cut at both ends
    _text(axes, text, "white" if background else shade, min(22, 150 // max(len(text), 1)))


def _number(value: float, defaults: Json) -> str:
    unit, decimals = defaults["unit"], defaults.get("decimals")
    short = f"{value:g}" if decimals is None else f"{value:,.{decimals}f}"
    forms = {
        "percentunit": f"{value:.{decimals or 0}%}",
        "s": f"{short} s",
        "currencyUSD": f"${short}",
        "reqps": f"{short} req/s",
        "cps": f"{short}/s",
        "bytes": f"{value / 2**20:,.0f} MiB",
    }
    return forms.get(unit, short)


def _chart(axes: Axes, panel: Json, series: list[tuple[str, Any]], window: Window) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    stacked = defaults["custom"]["stacking"]["mode"] == "normal"
    below: dict[float, float] = {}
    axes.set_prop_cycle(color=LINES)
    for legend, points in _worth_drawing(series):
        times = [when - window.start for when, _ in points]
        floor = [below.get(when, 0.0) for when, _ in points]
        values = [value + under for (_, value), under in zip(points, floor, strict=True)]
        (line,) = axes.plot(times, values, linewidth=1, label=legend or "value")
        if stacked:
            axes.fill_between(times, floor, values, alpha=0.5, color=line.get_color())
            below |= {when: top for (when, _), top in zip(points, values, strict=True)}
    for step in defaults["thresholds"]["steps"][1:]:
        if step["value"] <= axes.get_ylim()[1]:
            axes.axhline(step["value"], color=COLOURS[step["color"]], linestyle="--", linewidth=0.8)
    drawn = any(value > 0 for _, points in series for _, value in points)
    axes.set_ylim(0, None if drawn else 1)
    axes.tick_params(colors=INK, labelsize=7)
    axes.grid(color="#2c3235", linewidth=0.5)
    axes.yaxis.set_major_formatter(lambda value, _: _number(value, defaults))
    axes.legend(
        fontsize=6,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.12),
        ncols=4,
        frameon=False,
        labelcolor=INK,
    )


def _worth_drawing(series: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """A line that is 0 all the time would only fill the legend."""
    risen = [each for each in series if any(value > 0 for _, value in each[1])]
    return (risen or series)[:MOST_SERIES]


def _text(axes: Axes, text: str, colour: str, size: int, x: float = 0.5) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    side = "left" if x == 0 else "center"
    axes.text(
        x, 0.5, text, color=colour, fontsize=size, ha=side, va="center", transform=axes.transAxes
    )
