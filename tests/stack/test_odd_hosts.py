"""Hosts that are not as one expects. The clone of all tests here is one with umask 077 already (conftest.py)."""

import json

import pytest

from tests.support.stack import SIMULATED, eventually

# nobody answers there
PROXY = "http://127.0.0.1:9"


@pytest.fixture
def with_proxies(stack, tmp_path):
    """Docker's config.json, which puts a proxy into every new container."""
    proxies = {"default": {"httpProxy": PROXY, "httpsProxy": PROXY}}
    (tmp_path / "config.json").write_text(json.dumps({"proxies": proxies}))
    stack.configure(**SIMULATED)
    names = ("nginx", "service", "nginx-exporter", "blackbox-exporter")
    up = ("up", "--wait", "--force-recreate", "--no-deps", *names)
    stack.compose(*up, DOCKER_CONFIG=str(tmp_path))
    yield stack
    stack.compose(*up)


def test_a_clone_that_only_its_owner_may_read_is_served(shipped):
    """Before it was opened, the database and Prometheus restarted for ever, and the service was never made."""
    for name in ("service", "postgres", "prometheus", "alertmanager"):
        [container] = shipped.containers(name)
        assert shipped.inspect(container)["State"]["Health"]["Status"] == "healthy"
        assert shipped.inspect(container)["RestartCount"] == 0
    kept = shipped.folder / "monitoring/alertmanager/secrets"
    assert not kept.exists() or not kept.stat().st_mode & 0o077


def test_docker_s_own_proxy_is_not_used_between_containers(with_proxies):
    [service] = with_proxies.containers("service")
    assert PROXY in with_proxies.exec(service, "printenv", "HTTP_PROXY").stdout
    status, answer = with_proxies.ask("hi")
    assert status == 200, answer
    eventually(
        lambda: with_proxies.prometheus(
            "min(up) == 1 and min(probe_success{job='front-door'}) == 1"
        ),
        60,
        "Prometheus reaches everybody",
    )


def test_nginx_starts_where_there_is_no_ipv6(stack):
    tried = stack.run(
        *("docker", "run", "--rm", "--sysctl", "net.ipv6.conf.all.disable_ipv6=1"),
        *("--env", "NGINX_LISTEN=8080", "--env", "PORT=8000"),
        *("--env", "SERVICE_HOST=service", "--env", "MAX_BODY_BYTES=262144"),
        *("--env", "TURN_TIMEOUT_SECONDS=300", "--env", "CLIENT_MAX_STREAMS=20"),
        *("--env", "CLIENT_REQUESTS_PER_SECOND=20", "chat-nginx:local"),
        *("nginx", "-g", "pid /tmp/nginx.pid;", "-t"),
    )
    assert "test is successful" in tried.stderr


@pytest.mark.parametrize(("cores", "workers"), [("0.5", 1), ("1.5", 2)])
def test_nginx_has_as_many_processes_as_the_container_has_cores(stack, cores, workers):
    """Not as many as the host has."""
    written = stack.run(
        *("docker", "run", "--rm", "--cpus", cores, "--env", "NGINX_LISTEN=8080"),
        *("--env", "TURN_TIMEOUT_SECONDS=300", "--env", "CLIENT_MAX_STREAMS=20"),
        *("--env", "CLIENT_REQUESTS_PER_SECOND=20", "--entrypoint", "sh", "chat-nginx:local"),
        *("-c", "cd /etc/nginx && sh configure.sh && cat conf.d/processes.inc"),
    )
    assert f"worker_processes {workers};" in written.stdout
