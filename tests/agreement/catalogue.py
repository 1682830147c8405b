"""What may be asked of Prometheus: our own metrics, the recording rules, and what others export."""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from tests.support.service import ROOT
from tests.tools.metrics_data import Values, exported

MONITORING = ROOT / "monitoring"
RULES = sorted((MONITORING / "prometheus/rules").glob("*.yml"))
SCRAPED = yaml.safe_load((MONITORING / "prometheus/prometheus.yml").read_text())["scrape_configs"]
Labels = dict[str, Values]
TARGET: Labels = {"job": frozenset(job["job_name"] for job in SCRAPED), "instance": None}
SEVERITIES = frozenset({"critical", "warning", "none"})
# Prometheus' own, nginx-prometheus-exporter's, redis_exporter's, blackbox_exporter's: those that are read here
OTHERS = {
    "up": TARGET,
    "scrape_duration_seconds": TARGET,
    "probe_success": TARGET,
    "probe_duration_seconds": TARGET,
    "probe_ssl_earliest_cert_expiry": TARGET,
    "nginx_connections_active": TARGET,
    "nginx_http_requests_total": TARGET,
    "redis_up": TARGET,
    "redis_memory_used_bytes": TARGET,
}
WORDS = {
    *("by", "without", "on", "ignoring", "group_left", "group_right", "and", "or", "unless"),
    *("offset", "bool", "inf", "nan"),
}
GROUPING = r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)"
AGGREGATION = re.compile(r"\b(?:sum|min|max|avg|count|absent)\b")
SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\{([^}]*)\}")
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"')


def rules(kind: str) -> Iterator[dict[str, Any]]:
    """kind: alert or record."""
    for path in RULES:
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from (rule for rule in group["rules"] if kind in rule)


def known() -> dict[str, Labels]:
    """Every name that a query may read, with its labels and their values."""
    names = {
        name: labels | TARGET for metric in exported() for name, labels in metric.samples.items()
    }
    names |= OTHERS
    for rule in rules("record"):
        mine = names.setdefault(rule["record"], {})
        fixed = {label: frozenset({value}) for label, value in rule.get("labels", {}).items()}
        for label, values in (given(rule["expr"], names) | fixed).items():
            mine[label] = _either(mine.get(label, frozenset()), values)
    return names | {"ALERTS": _of_alerts(names)}


def _of_alerts(names: dict[str, Labels]) -> Labels:
    alerts = list(rules("alert"))
    own: Labels = {
        "alertname": frozenset(alert["alert"] for alert in alerts),
        "alertstate": frozenset({"pending", "firing"}),
        "severity": SEVERITIES,
    }
    for alert in alerts:
        own |= given(alert["expr"], names)
    return own


def _either(some: Values, others: Values) -> Values:
    return None if some is None or others is None else some | others


def given(query: str, names: dict[str, Labels]) -> Labels:
    """The labels of a query's result: those it groups by; all of its metrics' where it groups nothing."""
    labels: Labels = {}
    for name in read_by(query):
        labels |= names.get(name, {})
    if AGGREGATION.search(query):
        return {label: labels[label] for label in _grouped(query) if label in labels}
    return labels


def mistakes(query: str, names: dict[str, Labels], shown: str = "") -> list[str]:
    """What nobody exports: metrics, labels, values of labels. shown: a text with {{label}}s of the result."""
    found = [f"metric {name}" for name in read_by(query) if name not in names]
    for metric, label, operator, value in matchers(query):
        labels = names.get(metric, {})
        if label not in labels:
            found.append(f"{metric}: label {label}")
        elif not _possible(operator, value, labels[label]):
            found.append(f"{metric}: {label} {value}")
    everything = {label for name in read_by(query) for label in names.get(name, {})}
    found += [f"grouped by {label}" for label in _grouped(query) if label not in everything]
    wanted = re.findall(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}", shown)
    found += [f"shown {label}" for label in wanted if label not in given(query, names)]
    return found


def _possible(operator: str, value: str, values: Values) -> bool:
    """Whether it is of the vocabulary, and each alternative of a pattern; a dashboard's variable may be anything."""
    if values is None or value.startswith("$"):
        return True
    if "~" not in operator:
        return value in values
    return all(any(re.fullmatch(each, word) for word in values) for each in value.split("|"))


def read_by(query: str) -> set[str]:
    """The metrics that a query reads."""
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', '""', query)
    bare = re.sub(r"\{[^}]*\}", " ", bare)
    bare = re.sub(r"\[[^\]]*\]", " ", bare)
    bare = re.sub(GROUPING, " ", bare)
    words = set(re.findall(r"(?<![\w$.])[a-zA-Z_:][\w:]*(?!\s*\()\b(?!\()", bare))
    return {word for word in words if word not in WORDS and not _is_duration(word)}


def matchers(query: str) -> Iterator[tuple[str, str, str, str]]:
    """Metric, label, operator and value of each condition."""
    for metric, conditions in SELECTOR.findall(query):
        for label, operator, value in MATCHER.findall(conditions):
            yield metric, label, operator, value


def _grouped(query: str) -> list[str]:
    return [label.strip() for labels in re.findall(GROUPING, query) for label in labels.split(",")]


def _is_duration(word: str) -> bool:
    return re.fullmatch(r"\d*[smhdwy]", word) is not None
