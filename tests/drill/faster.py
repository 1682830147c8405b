"""The shipped rules and routes, with every duration divided by one factor."""

import re
from pathlib import Path
from typing import Any

import yaml

FACTOR = 30
# a range has to hold some scrapes, which cannot be had faster than once a second
SHORTEST_RANGE_SECONDS = 4.0
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
DURATION = r"(\d+)([smhd])"
ROUTE_TIMES = ("group_wait", "group_interval", "repeat_interval")


def rules(text: str) -> str:
    content = yaml.safe_load(text)
    for group in content["groups"]:
        group.pop("interval", None)
        for rule in group["rules"]:
            rule["expr"] = re.sub(rf"\[{DURATION}\]", _range, rule["expr"])
            if "for" in rule:
                rule["for"] = _shorter(rule["for"])
    return yaml.safe_dump(content, sort_keys=False)


def routes(config: dict[str, Any]) -> None:
    for route in (config["route"], *config["route"]["routes"]):
        for name in ROUTE_TIMES:
            if name in route:
                route[name] = _shorter(route[name])


def write_rules(source: Path, target: Path) -> None:
    target.mkdir()
    for path in source.glob("*.yml"):
        (target / path.name).write_text(rules(path.read_text()))


def _seconds(number: str, unit: str) -> float:
    return int(number) * UNITS[unit] / FACTOR


def _range(found: re.Match[str]) -> str:
    seconds = max(_seconds(*found.groups()), SHORTEST_RANGE_SECONDS)
    return f"[{round(seconds * 1000)}ms]"


def _shorter(duration: str) -> str:
    found = re.fullmatch(DURATION, duration)
    assert found is not None, duration
    return f"{max(1, round(_seconds(*found.groups()) * 1000))}ms"
