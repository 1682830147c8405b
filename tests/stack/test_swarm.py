"""The stack on Docker Swarm, deployed by deploy/swarm/deploy.sh: what rolls, scales and dies while answers go on."""

import re

import pytest
import yaml

from tests.support.callers import Callers, endings, nobody_noticed
from tests.support.service import ROOT
from tests.support.simulator import directive
from tests.support.stack import eventually
from tests.support.swarm import NAME, SERVICE

STREAMS = 200
TOKENS, GAP_SECONDS = 80, 0.5
NEW, BROKEN = "chat-service:swarm-new", "chat-service:swarm-broken"
COUNT = re.compile(r'job="([\w-]+)"} => (\d+)')


@pytest.fixture(scope="module", autouse=True)
def _derived(swarm):
    yield
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


def test_prometheus_finds_whom_to_ask(swarm):
    [prometheus] = swarm.tasks(f"{NAME}_prometheus")

    def query(text):
        asked = ("promtool", "query", "instant", "http://127.0.0.1:9090", text)
        return swarm.stack.exec(prometheus, *asked, check=False).stdout

    def up():
        return {job: int(count) for job, count in COUNT.findall(query("count by (job) (up == 1)"))}

    configured = yaml.safe_load((ROOT / "monitoring/prometheus/prometheus.yml").read_text())
    wanted = {each["job_name"]: 1 for each in configured["scrape_configs"]} | {"service": 2}
    eventually(lambda: up() == wanted, 60, f"{wanted}")
    assert "Watchdog" in query("ALERTS")


def test_no_answer_is_broken_by_an_update(swarm, figures):
    image = derive(swarm, NEW, 'LABEL test="new"')
    before = swarm.tasks()
    streams, short = under_load(swarm, lambda: swarm.deploy(image))
    assert swarm.image() == image
    assert not set(before) & set(swarm.tasks())
    nobody_noticed(figures, "swarm, update of 2 tasks", (streams, short), TOKENS)


def test_no_answer_is_broken_by_a_rollback(swarm, figures):
    back = ("service", "rollback", "--detach=false", "--quiet", SERVICE)
    streams, short = under_load(swarm, lambda: swarm.docker(*back))
    assert swarm.image() == "chat-service:test"
    nobody_noticed(figures, "swarm, rollback", (streams, short), TOKENS)


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
            swarm.scale(count)

    streams, short = under_load(swarm, change)
    nobody_noticed(figures, "swarm, scale 2, 4, 2", (streams, short), TOKENS)


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
