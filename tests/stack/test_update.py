"""deploy/update.sh: a new image under load, and a new image that does not work."""

import pytest

from tests.support.callers import Callers, endings, nobody_noticed
from tests.support.simulator import directive
from tests.support.stack import UP_FLAGS, eventually

STREAMS = 200
DERIVED = ("chat-service:test-new", "chat-service:test-broken")
# longer than the new containers take to start, so that each stream lives through the change
TOKENS, GAP_SECONDS = 80, 0.5


def derive(stack, tag, *instructions):
    """An image made of the one that runs."""
    lines = ["FROM chat-service:test", *instructions]
    (stack.folder / "Dockerfile.derived").write_text("\n".join(lines) + "\n")
    stack.run("docker", "build", "--quiet", "--tag", tag, "--file", "Dockerfile.derived", ".")
    return tag


@pytest.fixture
def updated_back(simulated):
    """What the other tests expect: the image that compose knows."""
    yield
    simulated.up()
    simulated.run("docker", "image", "rm", "--force", *DERIVED)


def test_no_answer_is_broken_by_an_update(simulated, figures, updated_back):
    image = derive(simulated, DERIVED[0], 'LABEL test="new"')
    simulator = simulated.simulator
    simulator.reset()
    old = simulated.containers("service")
    instance = f"{simulated.address_of(old[0], 'monitoring')}:8001"
    with Callers(simulated.front_door) as callers:
        streams = callers.stream(STREAMS, directive(tokens=TOKENS, gap=GAP_SECONDS))
        simulator.wait(60, open=STREAMS)
        callers.trickle(directive(tokens=3), 0.1)
        with simulated.start("deploy/update.sh", image) as update:
            said = update.communicate(timeout=300)[0]
        short = callers.stop_trickle()
        long = [each.result(120) for each in streams]
    assert update.returncode == 0, said
    nobody_noticed(figures, "update.sh", (long, short), TOKENS)
    now = simulated.containers("service", "--all")
    assert len(now) == 1
    assert now != old
    assert simulated.inspect(now[0])["Config"]["Image"] == image
    all_were_counted(simulated, instance)
    simulated.compose("up", "--detach", *UP_FLAGS, SERVICE_IMAGE=image)
    assert simulated.containers("service") == now, "compose has replaced what the update made"


def all_were_counted(stack, instance):
    """The old replica was scraped once more after its last answer."""
    labels = f'{{route="/chat/stream",ending="completed",instance="{instance}"}}'
    counted = stack.prometheus(f"max_over_time(chat_turns_total{labels}[10m])")
    assert [float(each["value"][1]) >= STREAMS for each in counted] == [True], counted


def test_an_image_that_does_not_work_costs_nobody_an_answer(simulated, updated_back):
    image = derive(
        simulated, DERIVED[1], "USER 0", "RUN echo 'import nothing' > service/app.py", "USER 10001"
    )  # fmt: skip
    old = simulated.containers("service", "--all")
    with Callers(simulated.front_door) as callers:
        callers.trickle(directive(tokens=3), 0.1)
        update = simulated.run("deploy/update.sh", image, check=False, UPDATE_READY_SECONDS="15")
        short = callers.stop_trickle()
    assert update.returncode == 1
    assert "not ready in 15 s; the old ones serve on" in update.stderr
    assert all(each.is_good for each in short), endings(short)
    assert len(short) > 20
    assert simulated.containers("service", "--all") == old


def test_an_update_needs_a_running_service(simulated):
    stopped = simulated.run("deploy/update.sh", check=False, COMPOSE_PROJECT_NAME="chat-test-none")
    assert stopped.returncode == 1
    assert "not running" in stopped.stderr
    eventually(lambda: simulated.ask("hi")[0] == 200, 30, "the running stack is as it was")
