"""What a person gets from a clean clone and one command."""

import re

from tests.support.stack import eventually


def test_the_smoke_test_passes(shipped):
    # replicas of another test's settings are targets for some seconds more
    down = "count(up == 0) or vector(0)"
    eventually(lambda: shipped.prometheus(down)[0]["value"][1] == "0", 60, "all targets are up")
    done = shipped.run("deploy/smoke.sh", check=False)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count(": ok") >= 11


def test_the_smoke_test_sees_what_is_broken(shipped):
    """Another server's port: nothing there is ours."""
    done = shipped.run(
        "deploy/smoke.sh", f"http://127.0.0.1:{shipped.port('alertmanager', 9093)}", check=False
    )
    assert done.returncode == 1
    assert "an answer: FAILED" in done.stdout


def test_without_a_key_the_local_model_answers(shipped):
    status, answer = shipped.ask("What is the capital of France?")
    assert status == 200, answer
    assert answer["model"] == "smollm2-135m-instruct"
    assert "Paris" in answer["answer"]


def test_only_the_front_door_and_pages_on_loopback_are_published(shipped):
    published = {
        (binding["HostIp"], service)
        for service in shipped.compose("ps", "--services").stdout.split()
        if service != "simulator"  # the tests' own
        for container in shipped.containers(service)
        for bindings in (shipped.inspect(container)["NetworkSettings"]["Ports"] or {}).values()
        for binding in bindings or []
    }
    assert published == {
        ("127.0.0.1", "nginx"),
        ("127.0.0.1", "prometheus"),
        ("127.0.0.1", "alertmanager"),
    }


def test_the_stack_rests_on_little(shipped, figures):
    """Each container stays well below its limit; the figures are the README's."""
    template = "{{.Name}} {{.MemUsage}} {{.MemPerc}}"
    names = [
        container
        for service in shipped.compose("ps", "--services").stdout.split()
        for container in shipped.containers(service)
    ]
    said = shipped.run("docker", "stats", "--no-stream", "--format", template, *names).stdout
    for line in sorted(said.splitlines()):
        name, used, _, limit, percent = line.split()
        service = re.sub(rf"^{shipped.project}-(.*)-\d+$", r"\1", name)
        figures.append(f"memory at rest, {service}: {used} of {limit}")
        assert float(percent.rstrip("%")) < 75, line


def test_the_images_are_small(shipped, figures):
    sizes = {
        name: shipped.inspect(name)["Size"] / 1e6
        for name in ("python:3.13-slim-trixie", "chat-service:test", "chat-llm:local")
    }
    for name, megabytes in sizes.items():
        figures.append(f"image {name}: {megabytes:.0f} MB")
    added = sizes["chat-service:test"] - sizes["python:3.13-slim-trixie"]
    figures.append(f"the service adds {added:.0f} MB to its base")
    assert added < 150
