"""Writes every dashboard's JSON file."""

import json
import re
from pathlib import Path

from monitoring.dashboards import access, llm, platform, service, slo

MONITORING = Path(__file__).resolve().parents[1]
FOLDER = MONITORING / "grafana/dashboards"
PROMETHEUS = MONITORING / "prometheus/prometheus.yml"
DASHBOARDS = (
    service.DASHBOARD,
    llm.DASHBOARD,
    access.DASHBOARD,
    slo.DASHBOARD,
    platform.DASHBOARD,
)


def runbook() -> str:
    """The runbook's address, as alerts link to it."""
    found = re.search(r"^    runbook: (\S+)$", PROMETHEUS.read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


def files() -> dict[str, str]:
    address = runbook()
    return {
        f"{each.name}.json": json.dumps(each.render(address), indent=2, ensure_ascii=False) + "\n"
        for each in DASHBOARDS
    }


if __name__ == "__main__":
    for name, text in files().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
