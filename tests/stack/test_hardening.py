"""What each container may not do, as the engine tells it and as the container finds it."""

import json

import pytest

EXPORTERS = {"nginx-exporter", "redis-exporter", "blackbox-exporter"}
RUNNING = (
    *("nginx", "service", "llm", "redis", "postgres", "prometheus", "alertmanager"),
    *sorted(EXPORTERS),
)


@pytest.fixture(scope="module")
def inspected(shipped):
    return {name: shipped.inspect(shipped.containers(name)[0]) for name in RUNNING}


def test_these_are_all_that_run(shipped):
    running = set(shipped.compose("ps", "--services").stdout.split())
    assert running - {"grafana", "simulator", "permissions"} == set(RUNNING)


@pytest.mark.parametrize("name", RUNNING)
def test_a_container_is_denied_what_it_does_not_need(inspected, name):
    told, host = inspected[name], inspected[name]["HostConfig"]
    user, group = told["Config"]["User"].split(":")
    assert int(user) > 0
    assert int(group) > 0
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert host["Privileged"] is False
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert host["Init"] is True
    assert 0 < host["PidsLimit"] <= 256
    assert 0 < host["Memory"] <= 2 << 30
    assert host["NanoCpus"] == 0, "a limit above the host's cores would stop it from starting"
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    megabytes = "50m" if name in ("nginx", "service") else "10m"
    assert host["LogConfig"]["Config"]["max-size"] == megabytes
    assert int(host["LogConfig"]["Config"]["max-file"]) > 1
    assert all("size=" in options for options in (host.get("Tmpfs") or {}).values())
    assert ("Healthcheck" in told["Config"]) != (name in EXPORTERS)


def test_the_only_root_can_do_nothing_but_open_files_and_reaches_nobody(shipped):
    told = shipped.inspect(shipped.containers("permissions")[0])
    assert told["HostConfig"]["CapDrop"] == ["ALL"]
    assert {each.removeprefix("CAP_") for each in told["HostConfig"]["CapAdd"]} == {
        "DAC_READ_SEARCH",
        "FOWNER",
    }
    assert told["HostConfig"]["NetworkMode"] == "none"
    assert told["HostConfig"]["ReadonlyRootfs"] is True


@pytest.mark.parametrize("name", ["nginx", "service", "llm", "redis", "prometheus", "alertmanager"])
def test_a_process_is_nobody_and_cannot_write_to_the_root(shipped, name):
    container = shipped.containers(name)[0]
    assert shipped.exec(container, "id", "-u").stdout.strip() != "0"
    written = shipped.exec(container, "sh", "-c", "echo x > /written", check=False)
    assert written.returncode != 0
    assert "ead-only file system" in written.stderr


def test_processes_have_no_capabilities(shipped):
    for name in ("nginx", "service", "llm"):
        said = shipped.exec(shipped.containers(name)[0], "cat", "/proc/1/status").stdout
        masks = dict(line.split(":\t") for line in said.splitlines() if line.startswith("Cap"))
        assert set(masks.values()) == {"0000000000000000"}, name


def test_every_image_is_pinned(shipped):
    services = json.loads(shipped.compose("--profile", "*", "config", "--format", "json").stdout)[
        "services"
    ]
    for name, service in services.items():
        tag = service["image"].rpartition(":")[2]
        assert tag not in ("", "latest"), name


def test_the_image_holds_what_runs_and_nothing_else(shipped):
    found = shipped.exec(
        shipped.containers("service")[0],
        *("sh", "-c"),
        "for tool in gcc cc make git curl; do command -v $tool; done;"
        "find /app -name tests -o -name simulator -o -name '*.gguf' -o -name .env -o -name .git;"
        "find /app/deploy -name dotenv.py;"
        "find / -xdev -path /proc -prune -o -type d -name pip -path '*cache*' -print",
        check=False,
    )
    assert found.stdout == ""


def test_the_service_says_where_it_comes_from(shipped):
    labels = shipped.inspect("chat-service:test")["Config"]["Labels"]
    assert labels["org.opencontainers.image.title"] == "chat-service"
    assert {"version", "revision", "source", "description"} <= {
        name.removeprefix("org.opencontainers.image.") for name in labels
    }


def test_the_tokenizer_needs_no_network(shipped):
    count = (
        "import os; os.environ['TIKTOKEN_CACHE_DIR'] = '/app/.venv/share/tiktoken';"
        "import tiktoken; print(len(tiktoken.get_encoding('o200k_base').encode('hello world')))"
    )
    said = shipped.run(
        *("docker", "run", "--rm", "--network", "none", "--read-only"),
        *("chat-service:test", "python", "-c", count),
    )
    assert said.stdout.strip() == "2"


@pytest.mark.parametrize(("name", "port"), [("redis", 6379), ("llm", 8080)])
def test_nginx_cannot_reach_what_is_behind_the_service(shipped, name, port):
    address = shipped.address_of(shipped.containers(name)[0], "backend")
    nginx = shipped.containers("nginx")[0]
    probe = ("curl", "-s", "-o", "/dev/null", "--max-time", "3", "--http0.9")
    assert shipped.exec(nginx, *probe, "http://service:8000/health").returncode == 0
    assert shipped.exec(nginx, *probe, f"http://{name}:{port}/", check=False).returncode == 6
    by_address = shipped.exec(nginx, *probe, f"http://{address}:{port}/", check=False)
    assert by_address.returncode in (7, 28)
