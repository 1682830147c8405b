"""The paths of the API are the same to Flask, nginx, its description, the metrics and the documents."""

import re

import pytest

from service import settings as environment
from service.app import create_app
from service.telemetry import initial_samples
from tests.support.service import ROOT
from tests.tools.contract_tables import PAGES

# several may stand in one cell: `GET /health`, `GET /ready`
DOCUMENTED = re.compile(r"`(GET|POST) (/\S*)`")
LOCATION = re.compile(r"^ *location (?:(=|\^~) )?(/[^\s{]*)", re.MULTILINE)
STATIC = "/static/*"
# all that is not served, nginx's own refusals and answers, its counters on a port that is not public, and what the
# certificate authority asks for on port 80
NGINX_OWN = {"/*", "/.problem", "/.preflight", "/stub_status", "/.well-known/acme-challenge/*"}
METRICS_PORT_ONLY = {("GET", "/metrics")}


@pytest.fixture(scope="module")
def app():
    return create_app(environment.load({"OPENAI_API_KEY": "sk-test"}))


@pytest.fixture(scope="module")
def served(app):
    """Method and path; /x/* is all below /x/."""
    return {
        (method, re.sub("<.*", "*", rule.rule))
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }


def locations():
    """What nginx knows, written in the same way."""
    files = [path for path in sorted((ROOT / "nginx").rglob("*")) if path.is_file()]
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    return {path if kind == "=" else f"{path}*" for kind, path in LOCATION.findall(text)}


def test_nginx_passes_on_every_path_that_is_served_and_no_other(served):
    assert locations() - NGINX_OWN == {path for _, path in served}


def test_the_description_has_every_path_but_static_files(app, served):
    described = app.test_client().get("/openapi.json").json["paths"]
    operations = {
        (method.upper(), re.sub("{.*", "*", path))
        for path, item in described.items()
        for method in item
    }
    assert operations == {each for each in served if each[1] != STATIC}


def test_turns_are_counted_by_the_routes_that_take_them(served):
    assert {path for method, path in served if method == "POST"} == set(initial_samples.ROUTES)


@pytest.mark.parametrize("name", [*PAGES])
def test_the_documents_name_every_path(served, name):
    text = (ROOT / name).read_text(encoding="utf-8")
    table = "\n".join(line for line in text.splitlines() if line.startswith("| `"))
    documented = set(DOCUMENTED.findall(table))
    assert documented == {each for each in served if each[1] != STATIC} | METRICS_PORT_ONLY
