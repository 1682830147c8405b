"""deploy/swarm/stack.yml says what docker-compose.yml says, but for what Swarm does in another way."""

import re
import subprocess

import pytest
import yaml

from deploy.local import dotenv
from tests.support.service import ROOT

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
STACK = {
    name: service
    for file in ("stack.yml", "monitoring.yml")
    for name, service in yaml.safe_load((ROOT / "deploy/swarm" / file).read_text())[
        "services"
    ].items()
}
DEPLOY = (ROOT / "deploy/swarm/deploy.sh").read_text(encoding="utf-8")
SAME = ("user", "command", "init", "read_only", "cap_drop", "logging", "stop_signal")
# a stop reaches it when nginx knows
WAITS_FIRST = ("service", "command")
UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
# TLS ends before it reaches the stack; the folder that compose shares with the service is only for the socket
APART = {"/etc/nginx/tls", "/run/postgresql"}


def default(text):
    """Of ${NAME:-default}."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(text))


def size(text):
    number, unit = re.fullmatch(r"(\d+)([kmg])b?", default(text)).groups()
    return int(number) * UNITS[unit]


def environment(service):
    given = service.get("environment", {})
    if isinstance(given, dict):
        return given
    return dict(each.partition("=")[::2] for each in given)


def memory_folders(service):
    """Path to size, of compose's short form and of the stack's long one."""
    found = {
        path: size(re.search(r"size=(\w+)", options)[1])
        for path, _, options in (each.partition(":") for each in service.get("tmpfs", []))
    }
    if "shm_size" in service:
        found["/dev/shm"] = size(service["shm_size"])
    for each in service.get("volumes", []):
        if isinstance(each, dict) and each["type"] == "tmpfs":
            found[each["target"]] = each["tmpfs"]["size"]
    return {path: value for path, value in found.items() if path not in APART}


def test_nothing_is_left_out():
    plain = {name for name, each in COMPOSE.items() if "profiles" not in each}
    # for files of a clone, which Swarm mounts itself
    assert set(STACK) == plain - {"permissions"}


@pytest.mark.parametrize("name", STACK)
def test_a_service_is_composes(name):
    ours, compose = STACK[name], COMPOSE[name]
    same = [key for key in SAME if (name, key) != WAITS_FIRST]
    assert {key: ours.get(key) for key in same} == {key: compose.get(key) for key in same}
    assert default(ours["image"]) == default(compose["image"])
    wait = "12s" if name == WAITS_FIRST[0] else ""
    grace = compose.get("stop_grace_period")
    assert ours.get("stop_grace_period") == (grace and wait + grace)
    checks = [each.get("healthcheck", {}).get("test") for each in (ours, compose)]
    assert checks[0] == checks[1]
    assert memory_folders(ours) == memory_folders(compose)
    assert set(ours["networks"]) == set(compose["networks"])


@pytest.mark.parametrize("name", STACK)
def test_its_limits_are_composes(name):
    limits, compose = STACK[name]["deploy"]["resources"]["limits"], COMPOSE[name]
    assert size(limits["memory"]) == size(compose["mem_limit"])
    assert limits["pids"] == compose["pids_limit"]


@pytest.mark.parametrize("name", STACK)
def test_its_environment_is_composes(name):
    ours, compose = environment(STACK[name]), environment(COMPOSE[name])
    # a secret of the Swarm's instead of a volume that two share
    ours.pop("DATABASE_URL_FILE", None)
    compose.pop("DATABASE_URL_FILE", None)
    # nobody reaches Grafana who may not log in to the node
    compose = {key: value for key, value in compose.items() if not key.startswith("GF_")}
    assert ours == compose


def test_what_watches_is_reached_by_nobody_outside():
    assert [name for name, each in STACK.items() if "ports" in each] == ["nginx"]


def test_answers_outlive_an_update_and_names_lead_to_every_task():
    for name, service in STACK.items():
        assert service["deploy"]["endpoint_mode"] == "dnsrr", name
    update = STACK["service"]["deploy"]["update_config"]
    assert (update["order"], update["failure_action"]) == ("start-first", "rollback")
    [port] = STACK["nginx"]["ports"]
    assert port["mode"] == "host"
    # such a port has one owner
    assert STACK["nginx"]["deploy"]["update_config"]["order"] == "stop-first"
    assert STACK["nginx"]["deploy"]["mode"] == "global"


def test_a_task_that_is_stopped_goes_on_until_nginx_knows():
    command, grace = STACK["service"]["command"][-1], STACK["service"]["stop_grace_period"]
    wait = int(re.search(r"sleep (\d+)", command)[1])
    assert wait >= 12
    assert grace.startswith(f"{wait}s")


def test_a_busy_task_is_not_ended():
    """Swarm ends what is unhealthy, where docker compose only says so."""
    for check in (each["healthcheck"] for each in STACK.values() if "healthcheck" in each):
        assert int(check["interval"].rstrip("s")) * check["retries"] >= 100


DOTENV = """\ufeffSIMPLE=1\r
SPACED = two words  # a comment\r
  export QUOTED="x y" # another
SINGLE='a#b $c'
COMMENT=# nothing
EMPTY=
ADDRESS=https://model.test/?a=b&c=d#e  \t
# NONE=1
lower_case=kept"""


def test_the_deploy_reads_dotenv_like_everybody_else(tmp_path):
    (tmp_path / ".env").write_bytes(DOTENV.encode())
    known = dotenv.read(tmp_path / ".env")
    [reader] = re.findall(r"^load_settings\(\) \{$.*?^\}$", DEPLOY, re.MULTILINE | re.DOTALL)
    shown = "".join(f'printf "%s\\0" "${name}"\n' for name in known)
    script = f"set -euo pipefail\n{reader}\nload_settings\n{shown}"
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env={}, capture_output=True, text=True, check=True
    )
    assert dict(zip(known, done.stdout.split("\0"), strict=False)) == known
