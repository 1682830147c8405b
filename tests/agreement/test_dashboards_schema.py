"""The dashboards as Grafana's own SDK reads them: what it does not know, Grafana would drop in silence."""

import enum
import inspect
import json
import typing

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from monitoring.dashboards.__main__ import files

# Grafana reads them, but they are a data source's own and not in the schema of dashboards
OUTSIDE = {
    ".annotations.list[].step",
    ".annotations.list[].textFormat",
    ".annotations.list[].titleFormat",
    ".templating.list[].definition",
}
PARSED = {name: json.loads(text) for name, text in files().items()}


@pytest.fixture(autouse=True, scope="module")
def _panels_and_queries_are_known():
    register_default_plugins()


def leaves(value, path=""):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner, f"{path}[]")
    else:
        yield path, json.dumps(value)


def unknown(dashboard):
    """What is lost on the way through the SDK."""
    read = json.loads(JSONEncoder().encode(Dashboard.from_json(dashboard)))
    return set(leaves(dashboard)) - set(leaves(read))


def wrong_choices(model, path="dashboard"):
    """Values that are none of those which the SDK lists; it reads them all the same."""
    hints = typing.get_type_hints(type(model).__init__, vars(inspect.getmodule(type(model))))
    for name, value in vars(model).items():
        choices = [
            kind
            for kind in (typing.get_args(hints.get(name)) or [hints.get(name)])
            if isinstance(kind, type) and issubclass(kind, enum.Enum)
        ]
        if value is not None and choices and value not in {each.value for each in choices[0]}:
            yield f"{path}.{name}: {value}"
        for inner in value if isinstance(value, list) else [value]:
            if type(inner).__module__.startswith("grafana_foundation_sdk.models"):
                yield from wrong_choices(inner, f"{path}.{name}")


@pytest.mark.parametrize("name", PARSED)
def test_grafana_knows_every_field(name):
    assert {path for path, _ in unknown(PARSED[name])} <= OUTSIDE


@pytest.mark.parametrize("name", PARSED)
def test_every_choice_is_one_that_grafana_has(name):
    assert list(wrong_choices(Dashboard.from_json(PARSED[name]))) == []


def test_a_field_or_a_choice_that_does_not_exist_is_seen():
    dashboard = json.loads(files()["slo.json"])
    lines = next(panel for panel in dashboard["panels"] if panel["type"] == "timeseries")
    lines["fieldConfig"]["defaults"]["custom"] |= {"drawStyle": "curve", "colour": "red"}
    lines["options"]["legend"]["placement"] = "left"
    assert (".panels[].fieldConfig.defaults.custom.colour", '"red"') in unknown(dashboard)
    wrong = [found.rpartition(".")[2] for found in wrong_choices(Dashboard.from_json(dashboard))]
    assert wrong == ["placement: left", "draw_style: curve"]
