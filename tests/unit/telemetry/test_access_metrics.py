"""The access room's events as metrics."""

import pytest
from prometheus_client import REGISTRY

from service.telemetry import metrics
from service.telemetry.access_metrics import AccessMetrics


@pytest.fixture
def two_names(monkeypatch):
    """Only two keys have a label value of their own."""
    monkeypatch.setattr(metrics, "KEY_NAMES", metrics.KeyNames(2))


def used(key):
    labels = {"key": key, "period": "month"}
    return REGISTRY.get_sample_value("chat_key_budget_used_ratio", labels)


@pytest.mark.usefixtures("two_names")
def test_keys_that_share_a_label_show_the_most_used_budget():
    shares = {"budget-a": 0.1, "budget-b": 0.2, "budget-c": 0.95, "budget-d": 0.3}
    AccessMetrics().budgets_used([(key, "month", share) for key, share in shares.items()])
    assert [used("budget-a"), used("budget-b"), used("other")] == [0.1, 0.2, 0.95]


@pytest.mark.usefixtures("two_names")
def test_a_budget_that_was_removed_is_no_longer_nearly_used():
    listener = AccessMetrics()
    listener.budgets_used([("budget-a", "month", 0.95)])
    listener.budgets_used([])
    assert used("budget-a") == 0


def test_refused_keys_are_a_line_a_minute_for_each_problem_and_no_more(lines):
    now = [1000.0]
    listener = AccessMetrics(lambda: now[0])
    for seconds in (0, 1, 58, 2, 1):
        now[0] += seconds
        listener.key_refused("no_key")
    # which the others must not hide
    listener.key_refused("expired")
    logged = [line for line in lines() if line["event"] == "key_refused"]
    assert [line["problem"] for line in logged] == ["no_key", "no_key", "expired"]
