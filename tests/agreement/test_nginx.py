"""nginx's files and the service agree on who gives up first."""

import ast
import os
import re

import pytest

from service.settings import Settings
from tests.support.nginx import DEFAULTS, SOURCES, UnusableSettings, lay_out, render
from tests.support.service import ROOT

FILES = [*SOURCES.glob("snippets/*"), *SOURCES.glob("templates/*"), SOURCES / "nginx.conf"]
WITHIN_UNITS = {"s": 1.0, "ms": 0.001}


def directive(name):
    """Its value, which only one file may set."""
    found = [
        value
        for path in FILES
        for value in re.findall(rf"^\s*{name} (.+?);", path.read_text(), re.MULTILINE)
    ]
    assert len(found) == 1, (name, found)
    return found[0]


def seconds(value):
    """nginx adds up what stands side by side."""
    rendered = render(value.strip('"'), DEFAULTS)
    return sum(
        float(part) * WITHIN_UNITS[unit] for part, unit in re.findall(r"(\d+)(m?s)", rendered)
    )


def default(name):
    return Settings.model_fields[name].default


def gunicorn(name):
    tree = ast.parse((ROOT / "service" / "gunicorn.conf.py").read_text())
    return next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name
    )


def test_the_page_and_nginx_call_a_status_by_one_code():
    """The page has only the status where a proxy before it answered with a body that is no JSON."""
    problems = (SOURCES / "snippets/problems.conf").read_text()
    named = re.search(r"map \$status \$problem_code \{(.*?)\}", problems, re.DOTALL)[1]
    scripts = (ROOT / "service/web/static").glob("*.js")
    page = "\n".join(script.read_text(encoding="utf-8") for script in scripts)
    shown = re.search(r"^const CODE_BY_STATUS = \{(.*?)\}", page, re.MULTILINE | re.DOTALL)[1]
    nginx, by_page = (
        dict(re.findall(pattern, text))
        for pattern, text in ((r"(\d{3}) (\w+);", named), (r'(\d{3}): "(\w+)"', shown))
    )
    assert nginx
    assert nginx.items() <= by_page.items()


@pytest.mark.parametrize("turn_seconds", [0.5, 90.5, default("turn_timeout_seconds"), 3600])
def test_an_answer_without_a_word_is_waited_for_longer_than_a_turn_lasts(tmp_path, turn_seconds):
    values = {"SERVICE_HOST": "localhost", "PORT": "1", "NGINX_LISTEN": "1", "TEMPORARY_FOLDER": ""}
    lay_out(tmp_path, DEFAULTS | values | {"TURN_TIMEOUT_SECONDS": str(turn_seconds)})
    waits = (tmp_path / "conf.d/read-timeout.conf").read_text()
    assert seconds(waits) >= turn_seconds + 10
    # and an old worker goes on for as long, after a reload and a SIGQUIT
    processes = (tmp_path / "conf.d/processes.inc").read_text()
    shutdown = re.search(r"worker_shutdown_timeout (\w+);", processes)[1]
    assert seconds(shutdown) >= turn_seconds + 10


@pytest.mark.parametrize(
    "settings",
    [{"TURN_TIMEOUT_SECONDS": "soon"}, {"PROXY_PROTOCOL": "maybe"}, {"BASE_PATH": "chat"},
     {"BASE_PATH": "/a b"}, {"CORS_ORIGINS": "*"}, {"CORS_ORIGINS": 'https://a";'},
     {"ALLOWED_HOSTS": "*"}, {"ALLOWED_HOSTS": "a;b"}, {"TRUSTED_PROXIES": "lb.example.com"},
     {"TRUSTED_PROXIES": "everybody"}, {"TRUSTED_PROXIES": "10.0.0.0/33"},
     {"TRUSTED_PROXIES": "10.0.0.300"}, {"TRUSTED_PROXIES": "face"}, {"TRUSTED_PROXIES": "::1/129"},
     {"DOMAIN": "chat.example.com."}, {"BASE_PATH": "/chat"}, {"BASE_PATH": "/health/"},
     {"CLIENT_MAX_STREAMS": "6554"}, {"CLIENT_MAX_STREAMS": "0"},
     {"CLIENT_MAX_STREAMS": "many"}, {"CLIENT_REQUESTS_PER_SECOND": "99999999999999999999"},
     {"CLIENT_REQUESTS_PER_SECOND": "-1"}],
)  # fmt: skip
def test_a_setting_that_cannot_be_used_is_one_sentence_that_names_it(tmp_path, settings):
    values = {"SERVICE_HOST": "localhost", "PORT": "1", "NGINX_LISTEN": "1", "TEMPORARY_FOLDER": ""}
    with pytest.raises(UnusableSettings) as refused:
        lay_out(tmp_path, DEFAULTS | values | settings)
    said = str(refused.value)
    assert said.startswith("nginx cannot start: ")
    assert next(iter(settings)) in said
    assert len(said.splitlines()) == 1


def test_an_idle_connection_is_ended_by_nginx_not_under_it():
    assert seconds(directive("    keepalive_timeout")) + 3 < gunicorn("keepalive")


def test_a_caller_who_does_not_read_is_given_up_by_both_alike():
    assert seconds(directive("send_timeout")) == default("send_timeout_seconds")


@pytest.mark.parametrize(("host", "workers"), [(1, 1), (4, 4), (64, 8)])
def test_a_host_with_many_cores_does_not_get_a_process_for_each(
    tmp_path, monkeypatch, host, workers
):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/nproc").write_text(f"#!/bin/sh\necho {host}\n")
    (tmp_path / "bin/nproc").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    values = {"SERVICE_HOST": "localhost", "PORT": "1", "NGINX_LISTEN": "1", "TEMPORARY_FOLDER": ""}
    lay_out(tmp_path / "nginx", DEFAULTS | values)
    processes = (tmp_path / "nginx/conf.d/processes.inc").read_text()
    assert int(re.search(r"worker_processes (\d+);", processes)[1]) == workers
    connections = int(re.search(r"worker_connections (\d+);", processes)[1])
    assert workers * connections <= 32768
