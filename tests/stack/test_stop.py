"""docker compose stop in the middle of answers."""

import pytest

from tests.support.callers import Callers, endings
from tests.support.simulator import directive
from tests.support.stack import SIMULATED

STREAMS = 10
DRAIN_SECONDS = 5


@pytest.fixture(scope="module")
def draining_soon(stack):
    stack.configure(
        **SIMULATED | {"LOCAL_LLM_REPLICAS": 1},
        DRAIN_SECONDS=DRAIN_SECONDS,
        STOP_GRACE_SECONDS=DRAIN_SECONDS + 15,
    )
    stack.simulator.reset()
    yield stack
    stack.compose("start")


def test_each_open_answer_gets_a_proper_end_and_all_exit_with_0(draining_soon):
    stack = draining_soon
    containers = {name: stack.containers(name)[0] for name in ("nginx", "service", "llm")}
    with Callers(stack.front_door) as callers:
        short = callers.stream(STREAMS, directive(tokens=20, gap=0.15))
        long = callers.stream(STREAMS, directive(tokens=1000, gap=0.15))
        stack.simulator.wait(30, open=2 * STREAMS)
        stack.compose("stop")
        ended = [each.result(30) for each in short]
        cut = [each.result(30) for each in long]
    assert endings(ended) == {"200 done": STREAMS}
    assert endings(cut) == {"200 draining": STREAMS}
    states = {name: stack.inspect(each)["State"] for name, each in containers.items()}
    assert {name: state["ExitCode"] for name, state in states.items()} == dict.fromkeys(states, 0)
    assert not any(state["OOMKilled"] for state in states.values())
