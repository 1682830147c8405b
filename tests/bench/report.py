"""The benchmark's results for people: a table with ratios, and a plot."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

mpl.use("Agg")

Medians = dict[str, dict[str, dict[str, Any]]]
COLUMNS = (
    ("cpu_us_per_token", "µs/token", 1.0),
    ("first_p50", "first p50 ms", 1000.0),
    ("first_p99", "first p99 ms", 1000.0),
    ("gap_p99", "gap p99 ms", 1000.0),
    ("gap_longest", "longest gap ms", 1000.0),
    ("total_p50", "total p50 ms", 1000.0),
    ("requests_per_second", "requests/s", 1.0),
    ("memory_kb_per_stream", "KB/stream", 1.0),
)


def table(found: Medians) -> str:
    """Markdown; the last column is the stock code's CPU per token over this one's."""
    head = ["load", "server", *(title for _, title, _ in COLUMNS), "failed", "CPU ratio"]
    lines = [_line(head), _line(["---"] * len(head))]
    for row, servers in found.items():
        for name, figures in servers.items():
            values = [f"{figures[key] * factor:.1f}" for key, _, factor in COLUMNS]
            lines.append(
                _line(
                    [row, _marked(name, figures), *values, figures["failed"], _ratio(name, servers)]
                )
            )
    return "\n".join(lines)


def _marked(name: str, figures: dict[str, Any]) -> str:
    marks = [] if figures["valid_rounds"] else ["invalid"]
    marks += ["overloaded"] if figures["overloaded"] else []
    return f"{name} ({', '.join(marks)})" if marks else name


def _ratio(name: str, servers: dict[str, dict[str, Any]]) -> str:
    if name not in ("ours", "bare") or "stock" not in servers:
        return ""
    own = servers[name]["cpu_us_per_token"]
    return f"{servers['stock']['cpu_us_per_token'] / own:.1f}" if own else ""


def _line(cells: list[Any]) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def draw(found: Medians, path: Path) -> None:
    """CPU per token, stock beside ours, on a logarithmic axis: the ratios are the point."""
    rows = [row for row, servers in found.items() if "ours" in servers and "stock" in servers]
    if not rows:
        return
    figure, axes = plt.subplots(figsize=(9, 1.2 + 0.7 * len(rows)), layout="constrained")
    for offset, name, label, colour in (
        (-0.2, "ours", "this service", "#2563eb"),
        (0.2, "stock", "stock code", "#b0b7c3"),
    ):
        values = [found[row][name]["cpu_us_per_token"] for row in rows]
        places = [place + offset for place in range(len(rows))]
        bars = axes.barh(places, values, 0.38, label=label, color=colour)
        axes.bar_label(bars, [f"{value:.0f}" for value in values], padding=3)
    _mark_bare(axes, rows, found)
    axes.set_xscale("log")
    axes.set_yticks(range(len(rows)), rows)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.set_xlabel("CPU of the serving processes per streamed token, µs (log)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, markerscale=0.5)
    figure.savefig(path, dpi=120)


def _mark_bare(axes: Axes, rows: list[str], found: Medians) -> None:
    bare = [
        (found[row]["bare"]["cpu_us_per_token"], place)
        for place, row in enumerate(rows)
        if "bare" in found[row]
    ]
    if bare:
        costs, places = zip(*bare, strict=True)
        label = "bare Flask on gunicorn"
        axes.plot(costs, places, "|", markersize=26, label=label, color="#111827")
