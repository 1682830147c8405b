"""Rules, their tests, the runbook and the catalogue of metrics agree."""

import re
import subprocess
from typing import get_args

import pytest
import yaml

from monitoring.dashboards import service
from service import settings as environment
from service.app import create_app
from service.errors import Ending
from tests.agreement import catalogue
from tests.support.debian import program
from tests.support.service import ROOT

TESTS = sorted((catalogue.MONITORING / "prometheus/tests").glob("*.yml"))
ALERTS = {rule["alert"]: rule for rule in catalogue.rules("alert")}
WANTED = {
    "severity": "labels",
    "summary": "annotations",
    "description": "annotations",
    "runbook_url": "annotations",
}


def said(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("path", catalogue.RULES, ids=lambda path: path.stem)
def test_every_rule_file_is_sound(path):
    code, output = said(program("promtool"), "check", "rules", str(path))
    assert code == 0, output


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_every_alert_fires_stays_silent_and_clears(path):
    code, output = said(program("promtool"), "test", "rules", str(path))
    assert code == 0, output


def test_prometheus_takes_its_configuration():
    path = catalogue.MONITORING / "prometheus/prometheus.yml"
    code, output = said(program("promtool"), "check", "config", str(path))
    assert code == 0, output


def test_alertmanager_takes_its_configuration():
    path = catalogue.MONITORING / "alertmanager/alertmanager.yml"
    code, output = said(program("amtool"), "check-config", str(path))
    assert code == 0, output


@pytest.mark.parametrize("name", ["prometheus", "alertmanager"])
def test_links_in_notifications_lead_to_the_published_port(name):
    """By default they name the container."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    service = compose["services"][name]
    port = service["ports"][0].split(":")[1]
    assert f"--web.external-url=http://localhost:{port}/" in service["command"]


def test_one_receiver_is_all_that_has_to_be_named():
    """A branch that names its own would go on telling nobody when the root's is set."""
    config = yaml.safe_load((catalogue.MONITORING / "alertmanager/alertmanager.yml").read_text())
    named = [branch for branch in config["route"]["routes"] if "receiver" in branch]
    assert [branch["matchers"] for branch in named] == [["alertname = Watchdog"]]


def test_each_rule_file_has_a_test_file_of_its_name():
    assert [path.name for path in catalogue.RULES] == [path.name for path in TESTS]


def cases():
    for path in TESTS:
        for group in yaml.safe_load(path.read_text())["tests"]:
            for case in group["alert_rule_test"]:
                yield case["alertname"], bool(case["exp_alerts"]), group["name"]


@pytest.mark.parametrize("alert", sorted(set(ALERTS) - {"Watchdog"}))
def test_each_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not(alert):
    fires = [fires for name, fires, _ in cases() if name == alert]
    assert True in fires
    assert False in fires
    # and one after it has fired
    history = {}
    for name, firing, group in cases():
        if name == alert:
            history.setdefault(group, []).append(firing)
    assert any(True in each and not each[-1] for each in history.values()), "never clears"


def test_no_case_is_about_an_alert_that_is_not_there():
    assert {name for name, _, _ in cases()} == set(ALERTS)


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_how_bad_what_and_where_to_read_on(name):
    alert = ALERTS[name]
    assert [key for key, part in WANTED.items() if not alert[part].get(key)] == []
    assert alert["labels"]["severity"] in catalogue.SEVERITIES
    assert "{{" not in alert["annotations"]["summary"]
    link = "{{ $externalLabels.runbook }}#" + name.lower()
    assert alert["annotations"]["runbook_url"] == link


@pytest.mark.parametrize("runbook", ["runbook.md", "runbook.ko.md"])
def test_the_runbook_has_a_heading_and_three_answers_for_each_alert(runbook):
    text = (catalogue.MONITORING / runbook).read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    assert set(sections) == set(ALERTS)
    for name, section in sections.items():
        assert len(re.findall(r"^- \*\*", section, re.MULTILINE)) == 3, name


def test_rules_ask_only_for_what_is_exported():
    names = catalogue.known()
    for kind in ("alert", "record"):
        for rule in catalogue.rules(kind):
            shown = " ".join(rule.get("annotations", {}).values())
            assert catalogue.mistakes(rule["expr"], names, shown) == [], rule[kind]


def test_cases_play_only_what_is_exported():
    names = catalogue.known()
    for path in TESTS:
        for group in yaml.safe_load(path.read_text())["tests"]:
            for each in group["input_series"]:
                assert catalogue.mistakes(each["series"], names) == [], (path.name, group["name"])


@pytest.mark.parametrize(
    ("query", "mistake"),
    [
        ("chat_turn_total", "metric chat_turn_total"),
        ('chat_turns_total{end="failed"}', "chat_turns_total: label end"),
        (
            'sum(chat_turns_total{ending="rejectd"}) or vector(0)',
            "chat_turns_total: ending rejectd",
        ),
        ('chat_turns_total{ending=~"failed|draind"}', "chat_turns_total: ending failed|draind"),
        ('chat_turns_total{ending!="complete"}', "chat_turns_total: ending complete"),
        ('chat_answers_cut_total{ending="rejected"}', "chat_answers_cut_total: ending rejected"),
        ('chat_turns_total{route="/stream"}', "chat_turns_total: route /stream"),
        ('chat_retries_denied_total{reason="bugdet"}', "chat_retries_denied_total: reason bugdet"),
        (
            'chat_turn_longest_gap_seconds_bucket{le="2"}',
            "chat_turn_longest_gap_seconds_bucket: le 2",
        ),
        ('chat:slo_budget{slo="latency"}', "chat:slo_budget: slo latency"),
        ('up{job="front-dor"}', "up: job front-dor"),
        ('ALERTS{severity="page"}', "ALERTS: severity page"),
        ("sum by (endng) (chat_turns_total)", "grouped by endng"),
    ],
)
def test_a_misspelt_query_is_noticed(query, mistake):
    assert catalogue.mistakes(query, catalogue.known()) == [mistake]


def test_a_misspelt_legend_is_noticed():
    query = "sum by (route) (chat_turns_total)"
    assert catalogue.mistakes(query, catalogue.known(), "{{route}}") == []
    assert catalogue.mistakes(query, catalogue.known(), "{{ending}}") == ["shown ending"]


def test_an_alert_calls_a_model_and_its_fallback_by_one_name():
    """Whose attempts are counted under the model's name, wherever it is asked."""
    variables = {"OPENAI_API_KEY": "sk-test", "LLM_MODEL": "same", "FALLBACK_MODEL": "same"}
    client = create_app(environment.load(variables)).test_client()
    breakers = client.get("/ready").json["breakers"]
    assert len(breakers) == 2
    pattern = re.search(
        r'label_replace\(.*"\$1", "model", "(.*)"\)\)', ALERTS["BreakerOpen"]["expr"]
    )[1]
    named = [re.fullmatch(pattern.replace(r"\\", "\\"), name) for name in breakers]
    assert [each and each[1] for each in named] == [None, "same"]


def test_whose_fault_it_is_has_an_answer_for_every_ending():
    blamed = [service.OURS, service.MODELS, service.DEPENDENCIES, service.CALLERS]
    endings = [ending for each in blamed for ending in each.split("|")]
    assert sorted([*endings, "completed"]) == sorted(get_args(Ending))


def test_what_the_slos_look_back_on_is_kept():
    compose = (catalogue.ROOT / "docker-compose.yml").read_text()
    kept = int(re.search(r"retention\.time=(\d+)d", compose)[1])
    longest = max(
        int(days)
        for rule in catalogue.rules("record")
        for days in re.findall(r"\[(\d+)d\]", rule["expr"])
    )
    assert longest < kept
