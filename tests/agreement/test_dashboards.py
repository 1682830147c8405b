"""The dashboards: made by their generator, of figures that exist, for Grafana as it is provisioned."""

import json
import re

import pytest
import yaml

from monitoring.dashboards.__main__ import DASHBOARDS, FOLDER, files
from tests.agreement import catalogue
from tests.support.service import ROOT
from tests.tools.metrics_data import exported

FILES = files()
PARSED = {name: json.loads(text) for name, text in FILES.items()}


def panels():
    for dashboard in PARSED.values():
        for panel in dashboard["panels"]:
            if panel["type"] != "row":
                yield dashboard["title"], panel


def queries():
    """Where it stands, the query, and the legend of its results."""
    for title, panel in panels():
        for target in panel["targets"]:
            yield f"{title}: {panel['title']}", target["expr"], target["legendFormat"]
    for dashboard in PARSED.values():
        for annotation in dashboard["annotations"]["list"]:
            yield f"{dashboard['title']}: {annotation['name']}", annotation["expr"], ""
        for variable in dashboard["templating"]["list"]:
            metric, label = variable["definition"].removeprefix("label_values(")[:-1].split(", ")
            yield f"{dashboard['title']}: ${variable['name']}", metric, f"{{{{{label}}}}}"


def test_no_dashboard_is_left_that_is_not_generated():
    assert {path.name for path in FOLDER.glob("*.json")} == FILES.keys()


@pytest.mark.parametrize("name", FILES)
def test_each_file_names_the_source_to_edit(name):
    source = re.search(r"monitoring/dashboards/\w+\.py", PARSED[name]["description"])[0]
    assert f'"{PARSED[name]["uid"]}"' in (ROOT / source).read_text(encoding="utf-8")


def test_uids_are_stable_and_one_each():
    uids = [dashboard.uid for dashboard in DASHBOARDS]
    assert uids == ["chat-service", "chat-llm", "chat-access", "chat-slo", "chat-platform"]


def test_panels_ask_only_for_what_is_exported():
    names = catalogue.known()
    for where, query, legend in queries():
        assert catalogue.mistakes(query, names, legend) == [], where


@pytest.mark.parametrize("name", FILES)
def test_a_query_names_only_variables_of_its_dashboard(name):
    variables = {variable["name"] for variable in PARSED[name]["templating"]["list"]}
    used = set(re.findall(r"=~\\\"\$(\w+)", FILES[name]))
    assert used == variables


def test_every_metric_of_the_catalogue_is_read_by_somebody():
    asked = [query for _, query, _ in queries()]
    asked += [rule["expr"] for kind in ("alert", "record") for rule in catalogue.rules(kind)]
    read = {name for query in asked for name in catalogue.read_by(query)}
    assert [metric.name for metric in exported() if not metric.samples.keys() & read] == []


def test_the_data_source_is_the_provisioned_one():
    path = catalogue.MONITORING / "grafana/provisioning/datasources/prometheus.yml"
    provisioned = {source["uid"] for source in yaml.safe_load(path.read_text())["datasources"]}
    used = {panel["datasource"]["uid"] for _, panel in panels()}
    assert used == provisioned


@pytest.mark.parametrize("name", FILES)
def test_panels_lie_side_by_side(name):
    taken = set()
    numbers = [panel["id"] for panel in PARSED[name]["panels"]]
    assert len(set(numbers)) == len(numbers)
    for panel in PARSED[name]["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert cells & taken == set(), panel["title"]
        taken |= cells


def test_the_first_screen_of_the_first_dashboard_is_the_verdict():
    first = PARSED["service.json"]["panels"]
    assert first[0]["title"] == "Do I have to get up?"
    # 1080 pixels hold about 28 rows of Grafana's
    top = [panel["title"] for panel in first if panel["gridPos"]["y"] < 14]
    assert {"Reachable", "Critical alerts", "Answered", "First word", "Failures by cause"} <= set(
        top
    )


def test_every_panel_is_explained_in_both_languages():
    for where, panel in panels():
        english, korean = panel["description"].split("\n\n")
        assert english.isascii(), (where, panel["title"])
        assert any("가" <= letter <= "힣" for letter in korean), (where, panel["title"])


def test_what_has_nothing_to_judge_is_grey():
    """No traffic is no success, and a service that nobody reaches has no free slots."""
    judging = {}
    for _, panel in panels():
        mappings = panel["fieldConfig"]["defaults"].get("mappings", [])
        options = mappings[0]["options"] if mappings else {}
        if "-1" in options:
            judging[panel["title"]] = panel
            assert options["-1"]["text"] in ("no traffic", "no data")
            assert options["-1"]["color"] == "#6e7077"
            assert panel["targets"][0]["expr"].endswith("or vector(-1)")
    assert {"Answered", "First word", "Saturation", "Breakers open", "Turns"} <= judging.keys()
