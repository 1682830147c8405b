"""The Swarm with a second node: drained for its maintenance, and lost, while answers go on."""

import contextlib
import time

import pytest

from tests.support.callers import Callers, endings, nobody_noticed
from tests.support.simulator import directive
from tests.support.stack import eventually
from tests.support.swarm import SERVICE

STREAMS, TOKENS, GAP_SECONDS = 100, 30, 0.6
IMAGES = ("chat-service:test", "chat-nginx:local")
# of the service, half of them on each node
TASKS = 4


@pytest.fixture(scope="module")
def node(swarm):
    with swarm.another_node(*IMAGES) as node:
        yield node


def tasks_there(swarm, node):
    listed = ("exec", node.container, "docker", "ps", "--format", "{{.Names}} {{.Status}}")
    running = swarm.docker(*listed, check=False).splitlines()
    return [each for each in running if each.startswith(SERVICE) and "(healthy)" in each]


def answers_there(swarm, node):
    """How many of the tasks there have answered a question."""
    names = [each.split()[0] for each in tasks_there(swarm, node)]
    logs = (("exec", node.container, "docker", "logs", name) for name in names)
    return sum('"event":"turn"' in swarm.docker(*each, check=False) for each in logs)


def spread(swarm, node):
    """Swarm moves nothing by itself: only what is new goes where the fewest are."""
    there = ("exec", node.container, "docker", "ps")
    eventually(lambda: "nginx" in swarm.docker(*there), 60, "nginx is there, too")
    swarm.scale(TASKS // 2)
    swarm.scale(TASKS)
    eventually(lambda: len(tasks_there(swarm, node)) == TASKS // 2, 60, "half of the tasks there")
    with Callers(swarm.door) as callers:
        callers.trickle(directive(tokens=3), 0.1)
        eventually(lambda: answers_there(swarm, node) == TASKS // 2, 60, "nginx knows them")
        callers.stop_trickle()


@contextlib.contextmanager
def load(swarm, *doors):
    """Streams through each door, and short requests through the first, which stays."""
    swarm.simulator.reset()
    question = directive(tokens=TOKENS, gap=GAP_SECONDS)
    with contextlib.ExitStack() as stack:
        callers = [stack.enter_context(Callers(swarm.door, host=door)) for door in doors]
        streams = [each.stream(STREAMS, question) for each in callers]
        swarm.simulator.wait(60, open=STREAMS * len(doors))
        callers[0].trickle(directive(tokens=3), 0.1)
        yield callers[0], streams


def test_no_answer_is_broken_by_a_node_that_is_drained(swarm, node, figures):
    spread(swarm, node)
    with load(swarm, "127.0.0.1", node.address) as (callers, (here, there)):
        swarm.docker("node", "update", "--availability", "drain", "another")
        left = ("exec", node.container, "docker", "ps", "--quiet")
        eventually(lambda: not swarm.docker(*left), 120, "nothing runs there")
        short = callers.stop_trickle()
        streams = [each.result(60) for each in (*here, *there)]
    swarm.docker("node", "update", "--availability", "active", "another")
    nobody_noticed(figures, "swarm, a node drained", (streams, short), TOKENS)


def test_a_node_that_is_lost_costs_its_own_answers_and_their_readers_see_it(swarm, node, figures):
    spread(swarm, node)
    with load(swarm, "127.0.0.1") as (callers, (asked,)):
        began = time.monotonic()
        swarm.docker("kill", node.container)
        # sooner than nginx's own limit, which is longer than any answer
        streams = [each.result(120) for each in asked]
        seen_seconds = time.monotonic() - began
        eventually(lambda: len(swarm.tasks()) == TASKS, 240, "others in their place")
        short = callers.stop_trickle()
    # one that had not begun is a plain error
    broken = [each for each in streams if each.ending in ("cut", "unavailable")]
    whole = [each for each in streams if each.is_good and each.tokens == TOKENS]
    failed = [each for each in short if not each.is_good]
    figures.append(
        f"swarm, a node lost: of {len(streams)} open streams {len(broken)} were broken, {len(whole)} whole,"
        f" all of which was known after {seen_seconds:.0f} s; {len(short)} short requests, {len(failed)} failed"
    )
    assert len(broken) + len(whole) == STREAMS, endings(streams)
    assert 0.3 * STREAMS < len(broken) < 0.7 * STREAMS
    assert {each.ending for each in failed} <= {"unavailable", "cut"}, endings(short)
    assert len(failed) < 0.2 * len(short), endings(short)
    assert all(each.is_good for each in short[-20:])
