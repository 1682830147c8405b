"""The names that figures may have: our own catalogue, the recording rules, and what others export."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from prometheus_client import Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from service.telemetry import metrics
from service.telemetry.exposition import ProcessCollector, Workers
from tests.support.service import ROOT

MONITORING = ROOT / "monitoring"
RULES = sorted((MONITORING / "prometheus/rules").glob("*.yml"))
# Prometheus' own, nginx-prometheus-exporter's, redis_exporter's, blackbox_exporter's: those that are read here
OTHERS = {
    "up": {"job", "instance"},
    "ALERTS": {"alertname", "alertstate", "severity"},
    "scrape_duration_seconds": {"job", "instance"},
    "probe_success": {"job", "instance"},
    "probe_duration_seconds": {"job", "instance"},
    "probe_ssl_earliest_cert_expiry": {"job", "instance"},
    "nginx_connections_active": {"job", "instance"},
    "nginx_http_requests_total": {"job", "instance"},
    "redis_up": {"job", "instance"},
    "redis_memory_used_bytes": {"job", "instance"},
}
WORDS = {
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "and",
    "or",
    "unless",
    "offset",
    "bool",
    "inf",
    "nan",
}


def own(directory: Path) -> dict[str, set[str]]:
    """Every sample name of the service with its labels."""
    found: dict[str, set[str]] = {}
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            found |= _samples(metric)
    workers = Workers(directory, pids=list, accepting=lambda: True)
    for family in ProcessCollector(workers).collect():
        for sample in family.samples:
            found[sample.name] = set(sample.labels)
    return {name: labels | {"job", "instance"} for name, labels in found.items()}


def _samples(metric: MetricWrapperBase) -> dict[str, set[str]]:
    labels = set(metric._labelnames)
    if isinstance(metric, Histogram):
        return {
            f"{metric._name}_bucket": labels | {"le"},
            f"{metric._name}_sum": labels,
            f"{metric._name}_count": labels,
        }
    return {metric._name if isinstance(metric, Gauge) else f"{metric._name}_total": labels}


def rules(kind: str) -> Iterator[dict[str, Any]]:
    """kind: alert or record."""
    for path in RULES:
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from (rule for rule in group["rules"] if kind in rule)


def recorded() -> set[str]:
    return {rule["record"] for rule in rules("record")}


def names(query: str) -> set[str]:
    """The metrics that a query reads."""
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', '""', query)
    bare = re.sub(r"\{[^}]*\}", " ", bare)
    bare = re.sub(r"\[[^\]]*\]", " ", bare)
    bare = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", bare)
    words = set(re.findall(r"(?<![\w$.])[a-zA-Z_:][\w:]*(?!\s*\()\b(?!\()", bare))
    return {word for word in words if word not in WORDS and not _is_duration(word)}


def labels(query: str) -> Iterator[tuple[str, set[str]]]:
    """Each metric with the labels that its selector names."""
    for name, selector in re.findall(r"([a-zA-Z_:][\w:]*)\{([^}]*)\}", query):
        yield name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", re.sub(r'"[^"]*"', '""', selector)))


def _is_duration(word: str) -> bool:
    return re.fullmatch(r"\d*[smhdwy]", word) is not None
