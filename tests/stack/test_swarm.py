"""The stack on Docker Swarm, deployed by deploy/swarm/deploy.sh: what rolls, scales and dies while answers go on."""

import json

import pytest

from tests.support.callers import Callers, endings
from tests.support.service import free_port
from tests.support.simulator import SimulatorControl, directive
from tests.support.stack import WITHOUT_ALLOWANCE, eventually

STREAMS = 200
TOKENS, GAP_SECONDS = 80, 0.5
NAME = "chat-test-swarm"
SERVICE = f"{NAME}_service"
NEW, BROKEN = "chat-service:swarm-new", "chat-service:swarm-broken"


class Swarm:
    """The engine here as a Swarm of one node, with our stack on it."""

    def __init__(self, stack):
        self.stack = stack
        self.door, self.simulator_port = free_port(), free_port()
        self.simulator = SimulatorControl(self.simulator_port)

    def deploy(self, image="chat-service:test", *, check=True):
        return self.stack.run(
            *("deploy/swarm/deploy.sh", "tests/stack/swarm.yml"),
            check=check,
            STACK=NAME,
            SERVICE_IMAGE=image,
            HTTP_PORT=str(self.door),
            SIMULATOR_PORT=str(self.simulator_port),
        )

    def docker(self, *arguments, check=True):
        return self.stack.run("docker", *arguments, check=check).stdout

    def start(self, *arguments):
        return self.stack.start("docker", *arguments)

    def tasks(self):
        """The service's containers that run."""
        return self.docker(
            "ps", "--quiet", "--filter", f"label=com.docker.swarm.service.name={SERVICE}"
        ).split()

    def image(self):
        return json.loads(self.docker("service", "inspect", SERVICE))[0]["Spec"]["TaskTemplate"][
            "ContainerSpec"
        ]["Image"].partition("@")[0]

    def leave(self):
        """Nothing stays, or the next one would find a database that is not its service's."""
        self.docker("stack", "rm", NAME, check=False)
        eventually(lambda: not self.tasks(), 60, "the tasks are gone")
        self.docker("swarm", "leave", "--force", check=False)
        ours = ("--quiet", "--filter", f"label=com.docker.stack.namespace={NAME}")
        for kind, all_of_them in (("container", "--all"), ("volume", "--quiet")):
            listed = self.docker(kind, "ls", all_of_them, *ours).split()
            self.docker(kind, "rm", "--force", *listed, check=False)


@pytest.fixture(scope="module")
def swarm(simulated):
    swarm = Swarm(simulated)
    swarm.docker(
        *("swarm", "init", "--advertise-addr", "127.0.0.1", "--listen-addr", "127.0.0.1"),
        *("--default-addr-pool", "198.19.0.0/17"),
    )
    try:
        swarm.deploy()
        simulated.exec(swarm.tasks()[0], *WITHOUT_ALLOWANCE)
        yield swarm
    finally:
        swarm.leave()
        swarm.docker("image", "rm", "--force", NEW, BROKEN, check=False)


def derive(swarm, tag, *instructions):
    lines = ["FROM chat-service:test", *instructions]
    (swarm.stack.folder / "Dockerfile.derived").write_text("\n".join(lines) + "\n")
    swarm.docker("build", "--quiet", "--tag", tag, "--file", "Dockerfile.derived", ".")
    return tag


def under_load(swarm, change):
    """200 streams that begin before the change, and short requests all the while: (streams, short)."""
    swarm.simulator.reset()
    with Callers(swarm.door) as callers:
        streams = callers.stream(STREAMS, directive(tokens=TOKENS, gap=GAP_SECONDS))
        swarm.simulator.wait(60, open=STREAMS)
        callers.trickle(directive(tokens=3), 0.1)
        change()
        short = callers.stop_trickle()
        return [each.result(180) for each in streams], short


def nobody_noticed(figures, what, streams, short):
    broken = [each for each in streams if not each.is_good or each.tokens != TOKENS]
    failed = [each for each in short if not each.is_good]
    figures.append(
        f"swarm, {what}: {len(streams)} open streams, {len(broken)} broken;"
        f" {len(short)} short requests, {len(failed)} failed"
    )
    assert not broken, endings(streams)
    assert not failed, endings(short)
    assert len(short) > 20


def test_no_answer_is_broken_by_an_update(swarm, figures):
    image = derive(swarm, NEW, 'LABEL test="new"')
    before = swarm.tasks()
    streams, short = under_load(swarm, lambda: swarm.deploy(image))
    assert swarm.image() == image
    assert not set(before) & set(swarm.tasks())
    nobody_noticed(figures, "update of 2 tasks", streams, short)


def test_no_answer_is_broken_by_a_rollback(swarm, figures):
    back = ("service", "rollback", "--detach=false", "--quiet", SERVICE)
    streams, short = under_load(swarm, lambda: swarm.docker(*back))
    assert swarm.image() == "chat-service:test"
    nobody_noticed(figures, "rollback", streams, short)


def test_an_image_that_does_not_work_goes_back_by_itself(swarm):
    broken = derive(
        swarm, BROKEN, "USER 0", "RUN echo 'import nothing' > service/app.py", "USER 10001"
    )  # fmt: skip
    refused = swarm.deploy(broken, check=False)
    assert refused.returncode == 1
    assert "the old tasks serve on" in refused.stderr
    eventually(lambda: swarm.image() == "chat-service:test", 60, "the old image")


def test_no_answer_is_broken_by_more_tasks_and_fewer(swarm, figures):
    def change():
        for count in (4, 2):
            swarm.docker("service", "scale", "--detach=false", f"{SERVICE}={count}")

    streams, short = under_load(swarm, change)
    nobody_noticed(figures, "scale 2, 4, 2", streams, short)


def test_a_task_that_is_killed_costs_its_own_answers_and_their_readers_see_it(swarm, figures):
    eventually(lambda: len(swarm.tasks()) == 2, 90, "the scaled-down ones are gone")

    def kill():
        victim = swarm.tasks()[0]
        swarm.docker("kill", victim)
        eventually(lambda: len(swarm.tasks()) == 2, 60, "another one in its place")

    streams, short = under_load(swarm, kill)
    cut = [each for each in streams if each.ending == "cut"]
    whole = [each for each in streams if each.is_good and each.tokens == TOKENS]
    failed = [each for each in short if not each.is_good]
    figures.append(
        f"swarm, a task killed: of {len(streams)} open streams {len(cut)} were cut, {len(whole)} whole;"
        f" {len(short)} short requests, {len(failed)} failed"
    )
    # about half of them were its; none looks whole that is not
    assert len(cut) + len(whole) == STREAMS, endings(streams)
    assert 0.3 * STREAMS < len(cut) < 0.7 * STREAMS
    # what had been sent to it cannot be asked again, and says so; whatever came later was answered by the other
    assert {each.ending for each in failed} <= {"unavailable", "cut"}, endings(short)
    assert len(failed) < 0.2 * len(short), endings(short)
