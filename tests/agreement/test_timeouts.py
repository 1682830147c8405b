"""Who gives up first: every limit of time beside the ones that have to come before and after it."""

import math
import re
import runpy

import pytest
import yaml

from service import settings as environment
from service.protection import TICK_SECONDS, _access
from service.resilience.patience import ALONE_SECONDS, SPARED_SECONDS
from service.resilience.retry import ALL_WAITS_SECONDS
from service.settings import Settings
from service.settings.model import GRACEFUL_MARGIN_SECONDS, STOP_MARGIN_SECONDS
from service.telemetry import metrics
from service.web import drain
from tests.support.service import ROOT

ENOUGH = {"OPENAI_API_KEY": "sk-test-key"}
# of a duration such as 1m150s, with the default of the variable in it
DURATION = re.compile(r"(?:(\d+)m)?(?:\$\{\w+:-)?(\d+)\}?s")


def load(**variables: object) -> Settings:
    return environment.load(ENOUGH | {name: str(value) for name, value in variables.items()})


def gunicorn(monkeypatch, tmp_path, **variables: object) -> dict:
    """The configuration that gunicorn gets in this environment."""
    for name, value in (ENOUGH | variables).items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    return runpy.run_path(str(ROOT / "service" / "gunicorn.conf.py"))


def stop_grace(service: str) -> float:
    """Seconds from compose's SIGTERM to its SIGKILL."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    found = DURATION.fullmatch(compose["services"][service]["stop_grace_period"])
    assert found, service
    return int(found[1] or 0) * 60 + int(found[2])


def test_each_limit_of_a_turn_is_within_the_next():
    known = load()
    assert known.first_token_timeout_seconds is None
    # all attempts to connect, and what waits between them, before a fallback is asked
    assert 2 * known.connect_timeout_seconds + ALL_WAITS_SECONDS < SPARED_SECONDS < ALONE_SECONDS
    assert known.stream_hold_seconds < SPARED_SECONDS
    # an attempt that is given up leaves time for another one, one that thinks for its answer
    assert SPARED_SECONDS + ALONE_SECONDS + known.idle_timeout_seconds < known.turn_timeout_seconds
    assert known.thinking_timeout_seconds + ALONE_SECONDS < known.turn_timeout_seconds
    assert known.send_timeout_seconds < known.turn_timeout_seconds
    assert known.admission_wait_seconds < 1


def test_a_caller_who_leaves_is_looked_for_often_enough_to_be_missed_within_a_second():
    assert 2 * TICK_SECONDS <= 1
    assert 2 * drain.LOOK_SECONDS <= 1


def test_the_clients_own_limits_are_behind_the_apps():
    known = load(TURN_TIMEOUT_SECONDS=77, MAX_CONCURRENT_TURNS=33)
    access = _access(known)
    assert access.read_seconds > 77
    assert access.connect_seconds == known.connect_timeout_seconds
    assert access.connections > 33


def test_a_drain_is_longer_than_any_turn_unless_somebody_wants_less():
    assert load().drain_deadline_seconds >= load().turn_timeout_seconds + 5
    assert load(TURN_TIMEOUT_SECONDS=900).drain_deadline_seconds >= 905
    assert load(DRAIN_SECONDS=7).drain_deadline_seconds == 7


@pytest.mark.parametrize("drain_seconds", [0.2, 5, 7.5, 305, 600])
def test_gunicorn_kills_after_the_app_has_ended_its_answers(monkeypatch, tmp_path, drain_seconds):
    configured = gunicorn(monkeypatch, tmp_path, DRAIN_SECONDS=drain_seconds)
    assert configured["graceful_timeout"] >= drain_seconds + GRACEFUL_MARGIN_SECONDS
    assert configured["graceful_timeout"] < drain_seconds + STOP_MARGIN_SECONDS


def test_a_write_that_is_stuck_ends_between_the_drain_and_the_kill():
    assert drain.WRITE_SECONDS + drain.LOOK_SECONDS < GRACEFUL_MARGIN_SECONDS


def test_compose_waits_for_gunicorn_and_nginx_for_the_service():
    grace = stop_grace("service")
    assert grace >= load().graceful_timeout_seconds + (
        STOP_MARGIN_SECONDS - GRACEFUL_MARGIN_SECONDS
    )
    assert load(STOP_GRACE_SECONDS=grace)
    assert stop_grace("nginx") > grace


@pytest.mark.parametrize("drain_seconds", [5, 125, 305])
def test_a_grace_that_would_cut_the_drain_is_refused(drain_seconds):
    enough = drain_seconds + STOP_MARGIN_SECONDS
    assert load(DRAIN_SECONDS=drain_seconds, STOP_GRACE_SECONDS=enough)
    with pytest.raises(environment.UnsafeSettings, match="STOP_GRACE_SECONDS must be at least"):
        load(DRAIN_SECONDS=drain_seconds, STOP_GRACE_SECONDS=enough - 1)


def test_gunicorns_own_limits_do_not_meet_the_apps(monkeypatch, tmp_path):
    configured = gunicorn(monkeypatch, tmp_path, MAX_CONCURRENT_TURNS=300)
    assert configured["worker_connections"] > 300 + 100
    assert configured["max_requests"] == 0
    assert configured["preload_app"] is False
    assert configured["control_socket_disable"] is True
    assert configured["keepalive"] < configured["graceful_timeout"]
    # a worker says that it lives once a second, whatever its answers do
    assert configured["timeout"] > 10


def bounds(histogram) -> list[float]:
    return [bound for bound in histogram._upper_bounds if not math.isinf(bound)]


def page_patience() -> float:
    """Seconds of silence after which the chat page takes the service for unreachable."""
    scripts = (ROOT / "service/web/static").glob("*.js")
    texts = [script.read_text(encoding="utf-8") for script in scripts]
    found = re.findall(r"^const SILENCE_LIMIT_MS = ([\d_]+);", "\n".join(texts), re.MULTILINE)
    assert len(found) == 1
    return int(found[0]) / 1000


def most(name: str) -> float:
    """The longest that the setting allows."""
    return float(Settings.model_json_schema()["properties"][name]["maximum"])


def test_the_page_waits_longer_than_any_setting_lets_the_service_be_silent():
    # 5 s for the way: nginx connects, packets are sent again
    assert page_patience() >= most("heartbeat_seconds") + TICK_SECONDS + 5
    assert page_patience() >= most("admission_wait_seconds") + most("stream_hold_seconds") + 5


def test_buckets_reach_beyond_the_deadlines_that_they_are_to_show():
    known = load()
    turn, first = known.turn_timeout_seconds, ALONE_SECONDS
    assert max(bounds(metrics.TURN_DURATION)) > turn
    assert max(bounds(metrics.FIRST_TOKEN)) >= max(2 * first, turn)
    assert max(bounds(metrics.LONGEST_GAP)) > known.idle_timeout_seconds
    assert max(bounds(metrics.FIRST_CHUNK)) > first
    # who looks at the deadline wants to see what came in time
    assert turn in bounds(metrics.TURN_DURATION)
    assert known.idle_timeout_seconds in bounds(metrics.LONGEST_GAP)
