"""The Kubernetes manifests are valid for each version, and say what docker-compose.yml and the settings say."""

import os
import re
import shutil
import subprocess

import pytest
import yaml

from service.settings import NAMES, Settings
from tests.support.kubernetes import OVERLAYS, find, objects, rendered, workloads
from tests.support.service import ROOT

if shutil.which("kubectl") is None and "CI" not in os.environ:
    pytest.skip("this machine has no kubectl", allow_module_level=True)

VERSIONS = ("1.32", "1.33", "1.34", "1.35", "1.36", "1.37")
# of projects beside Kubernetes, whose schemas it does not have
FOREIGN = {"HTTPRoute", "ServiceMonitor"}
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
WORKLOADS = [(overlay, name) for overlay in OVERLAYS for name in workloads(overlay)]
SIZES = {"m": "Mi", "g": "Gi"}
# what a cluster has in another way
NOT_OVER_THERE = {"PRICES_FILE", "NO_PROXY", "no_proxy"}
VALIDATE = ROOT / ".venv/kubernetes/bin/kubernetes-validate"


def pod(overlay, name):
    return workloads(overlay)[name]["spec"]["template"]["spec"]


def container(overlay, name):
    [only] = pod(overlay, name)["containers"]
    return only


def settings(overlay):
    return find(overlay, "ConfigMap", "settings")["data"]


def default(text):
    """Of compose's ${NAME:-default}."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(text))


def seconds(duration):
    minutes, rest = re.fullmatch(r"(?:(\d+)m)?(\d+)s", default(duration)).groups()
    return int(minutes or 0) * 60 + int(rest)


def size(text):
    number, unit = re.fullmatch(r"(\d+)([mg])b?", default(text)).groups()
    return number + SIZES[unit]


def of_compose(name):
    """Environment as compose sets it by itself, without what is only handed over."""
    given = COMPOSE[name].get("environment", {})
    if isinstance(given, list):
        given = dict(each.split("=", 1) for each in given if "=" in each)
    return {key: default(value) for key, value in given.items()}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid(version, tmp_path):
    files = [tmp_path / f"{overlay}.yaml" for overlay in OVERLAYS]
    for path in files:
        path.write_text(rendered(path.stem))
    command = [VALIDATE, "--kubernetes-version", version, "--strict", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = (done.stdout + done.stderr).splitlines()
    without_schema = {re.search(r"for kind (\w+)", line)[1] for line in said if "WARN" in line}
    assert without_schema <= FOREIGN
    assert not [line for line in said if line.startswith("ERROR")], said
    assert done.returncode == 0, said


@pytest.mark.parametrize(("overlay", "name"), WORKLOADS)
def test_a_pod_is_restricted(overlay, name):
    """What Pod Security's profile `restricted` asks for, and a root that cannot be written."""
    known = pod(overlay, name)
    assert known["automountServiceAccountToken"] is False
    # else a service's name would set variables such as SERVICE_PORT
    assert known["enableServiceLinks"] is False
    context = known["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    user, group = map(int, COMPOSE[name]["user"].split(":"))
    assert (context["runAsUser"], context["runAsGroup"]) == (user, group)
    assert container(overlay, name)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


@pytest.mark.parametrize(("overlay", "name"), WORKLOADS)
def test_a_container_is_composes(overlay, name):
    known, compose = container(overlay, name), COMPOSE[name]
    image = default(compose["image"]).partition(":")[0]
    assert known["image"].rpartition("/")[2].partition(":")[0] == image.rpartition("/")[2]
    if "command" in compose:
        assert known.get("command", known.get("args")) == compose["command"]
    assert known["resources"]["limits"]["memory"] == size(compose["mem_limit"])


@pytest.mark.parametrize(("overlay", "name"), WORKLOADS)
def test_what_is_written_is_memory_of_the_same_size(overlay, name):
    compose = COMPOSE[name]
    wanted = {
        path: size(re.search(r"size=(\w+)", options)[1])
        for path, _, options in (each.partition(":") for each in compose.get("tmpfs", []))
    }
    if "shm_size" in compose:
        wanted["/dev/shm"] = size(compose["shm_size"])
    # for TLS, which ends before it reaches the pods
    wanted.pop("/etc/nginx/tls", None)
    volumes = {each["name"]: each.get("emptyDir", {}) for each in pod(overlay, name)["volumes"]}
    mounts = container(overlay, name)["volumeMounts"]
    found = {
        each["mountPath"]: volumes[each["name"]]["sizeLimit"]
        for each in mounts
        if volumes.get(each["name"], {}).get("medium") == "Memory"
    }
    assert found == wanted


@pytest.mark.parametrize(("overlay", "name"), WORKLOADS)
def test_probes_ask_what_compose_and_the_image_ask(overlay, name):
    probe, compose = container(overlay, name)["readinessProbe"], COMPOSE[name]["healthcheck"]
    assert probe["periodSeconds"] == seconds(compose["interval"])
    assert probe["timeoutSeconds"] == seconds(compose["timeout"])
    assert probe["failureThreshold"] == compose["retries"]
    if startup := container(overlay, name).get("startupProbe"):
        patience = startup["failureThreshold"] * startup["periodSeconds"]
        assert patience == seconds(compose["start_period"])
    image = (ROOT / "Dockerfile").read_text()
    section = re.search(
        rf"^FROM \S+ AS {name}\n(.*?)(?=^FROM |\Z)", image, re.MULTILINE | re.DOTALL
    )
    asked = compose.get("test") or re.search(r"CMD (\[.*\])", section[1])[1]
    if "httpGet" in probe:
        ports = {each["name"]: each["containerPort"] for each in container(overlay, name)["ports"]}
        assert f'"{ports[probe["httpGet"]["port"]]}", "{probe["httpGet"]["path"]}"' in asked
    elif isinstance(asked, list):
        assert probe["exec"]["command"][-1] == asked[-1]
    else:
        assert probe["exec"]["command"] == yaml.safe_load(asked)
    # one that fails under load would end every answer
    assert "livenessProbe" not in container(overlay, name)


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("name", ["nginx", "service"])
def test_the_grace_is_the_wait_and_then_composes(overlay, name):
    wait = container(overlay, name)["lifecycle"]["preStop"]["sleep"]["seconds"]
    # names are cached for 5 s at the cluster's server and for 5 s at nginx
    assert wait >= 12
    grace = pod(overlay, name)["terminationGracePeriodSeconds"]
    assert grace == wait + seconds(COMPOSE[name]["stop_grace_period"])
    if name == "service":
        assert int(settings(overlay)["STOP_GRACE_SECONDS"]) == grace - wait


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("name", ["nginx", "service"])
def test_the_environment_is_composes(overlay, name):
    own = {each["name"]: each["value"] for each in container(overlay, name)["env"]}
    known = settings(overlay) | own
    wanted = of_compose(name)
    assert wanted.keys() - NOT_OVER_THERE <= known.keys()
    reached = {"RESOLVER", "SERVICE_HOST", "DATABASE_URL_FILE"}
    overlays = set(settings(overlay)) - set(settings("single-node")) | {"DOMAIN", "TRUSTED_PROXIES"}
    for key in wanted.keys() - NOT_OVER_THERE - reached - overlays:
        assert known[key] == wanted[key], key
    assert own["SERVICE_HOST"].partition(".")[0] == "service" if name == "nginx" else True


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_variable_is_a_setting(overlay):
    assert set(settings(overlay)) <= NAMES


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_ports_and_names_fit(overlay):
    for name, each in workloads(overlay).items():
        selected = each["spec"]["template"]["metadata"]["labels"]
        service = find(overlay, "Service", name)
        assert service["spec"]["selector"].items() <= selected.items()
        ports = {port["name"]: port["containerPort"] for port in container(overlay, name)["ports"]}
        for port in service["spec"]["ports"]:
            assert port["targetPort"] in ports
    # by name to every pod, as nginx asks for
    assert find(overlay, "Service", "service")["spec"]["clusterIP"] == "None"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_whoever_is_asked_may_be(overlay):
    """Ports of the services beside those that the policies let through."""
    policies = [each["spec"] for each in objects(overlay) if each["kind"] == "NetworkPolicy"]
    for name, port in {
        "nginx": 8080,
        "service": 8000,
        "redis": 6379,
        "postgres": 5432,
        "llm": 8080,
    }.items():
        if name not in workloads(overlay):
            continue
        let_in = [
            rule["ports"]
            for policy in policies
            if policy["podSelector"].get("matchLabels") == {"app": name}
            for rule in policy.get("ingress", [])
        ]
        assert [{"port": port, "protocol": "TCP"}] in let_in or [{"port": port}] in let_in, name
    everybody = next(each for each in policies if each["podSelector"] == {})
    assert set(everybody["policyTypes"]) == {"Ingress", "Egress"}
    assert {each["port"] for each in everybody["egress"][0]["ports"]} == {53}


def test_production_scales_by_what_a_pod_holds():
    scaler = find("production", "HorizontalPodAutoscaler", "service")["spec"]
    slots = default_of("web_concurrency") * default_of("max_concurrent_turns")
    [turns] = [each["pods"] for each in scaler["metrics"] if each["type"] == "Pods"]
    assert turns["metric"]["name"] == "chat_turns_in_flight"
    assert int(turns["target"]["averageValue"]) == 0.7 * slots
    down = scaler["behavior"]["scaleDown"]
    grace = pod("production", "service")["terminationGracePeriodSeconds"]
    assert down["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": grace}]
    assert down["stabilizationWindowSeconds"] >= default_of("turn_timeout_seconds")
    assert "replicas" not in workloads("production")["service"]["spec"]


def default_of(name):
    return Settings.model_fields[name].default


def test_a_budget_never_forbids_a_drain():
    """One of one replica would, for ever."""
    assert [each for each in objects("single-node") if each["kind"] == "PodDisruptionBudget"] == []
    least = find("production", "HorizontalPodAutoscaler", "service")["spec"]["minReplicas"]
    assert min(least, workloads("production")["nginx"]["spec"]["replicas"]) >= 2
    for name in ("nginx", "service"):
        budget = find("production", "PodDisruptionBudget", name)["spec"]
        assert budget["maxUnavailable"] == 1
        assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
        [spread] = pod("production", name)["topologySpreadConstraints"]
        assert spread["whenUnsatisfiable"] == "ScheduleAnyway"
        assert spread["matchLabelKeys"] == ["pod-template-hash"]
        strategy = workloads("production")[name]["spec"]["strategy"]["rollingUpdate"]
        assert strategy == {"maxSurge": 1, "maxUnavailable": 0}


def test_a_lost_node_is_noticed_as_on_swarm():
    stack = yaml.safe_load((ROOT / "deploy/swarm/stack.yml").read_text(encoding="utf-8"))
    # no restricted pod may set the number of retries
    wanted = {
        name: value
        for name, value in stack["services"]["nginx"]["sysctls"].items()
        if "keepalive" in name
    }
    for overlay in OVERLAYS:
        given = pod(overlay, "nginx")["securityContext"]["sysctls"]
        assert {each["name"]: each["value"] for each in given} == wanted


def test_the_gateway_cuts_no_answer():
    [rule] = find("production", "HTTPRoute", "chat")["spec"]["rules"]
    assert rule["timeouts"] == {"request": "0s", "backendRequest": "0s"}


def test_a_secret_is_a_file_of_a_folder_and_changes_its_name_with_its_contents():
    for overlay in OVERLAYS:
        mounts = {each["mountPath"]: each for each in container(overlay, "service")["volumeMounts"]}
        assert "subPath" not in mounts["/run/secrets"]
        secret = find(overlay, "Secret", "keys")
        assert re.fullmatch(r"keys-\w{10}", secret["metadata"]["name"])
        files = set(secret["data"])
        wanted = {
            each["value"].rpartition("/")[2]
            for each in container(overlay, "service")["env"]
            if each["value"].startswith("/run/secrets/")
        }
        assert wanted <= files
