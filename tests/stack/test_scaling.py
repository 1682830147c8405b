"""More replicas and fewer, while callers ask; limits hold for all of them together."""

import json
import re
import time

from tests.support.callers import Callers, endings
from tests.support.simulator import directive
from tests.support.stack import eventually


def scale(stack, replicas):
    stack.up("--no-recreate", "--scale", f"service={replicas}")


def test_replicas_come_and_go_under_load_and_no_caller_sees_it(simulated, figures):
    with Callers(simulated.front_door) as callers:
        callers.trickle(directive(tokens=10, gap=0.05), 0.1, "/chat/stream")
        scale(simulated, 3)
        all_get_traffic_within_10_s(simulated, figures)
        prometheus_sees(simulated, 3)
        scale(simulated, 2)
        prometheus_sees(simulated, 2)
        outcomes = callers.stop_trickle()
    bad = [each for each in outcomes if not each.is_good]
    figures.append(f"scale 1, 3, 2 under load: {len(outcomes)} answers, {len(bad)} broken")
    assert not bad, endings(outcomes)
    assert len(outcomes) > 50


CALLERS = 200
# so that all of them are open at the same time
SLOW_ANSWER = directive(tokens=100, gap=0.07)


def test_two_replicas_of_two_workers_let_in_exactly_as_many_as_are_allowed(simulated, figures):
    """Open access is a key like others, and the only one that leaves the stack open."""
    scale(simulated, 2)
    turns, completed = used(simulated)
    limit(simulated, "--open-answers", "77")
    outcomes, _ = all_at_once(simulated, SLOW_ANSWER)
    assert endings(outcomes) == {"200 done": 77, "429 rate_limited": CALLERS - 77}
    limit(simulated, "--open-answers", "none", "--requests-per-minute", "60")
    outcomes, seconds = all_at_once(simulated, directive(tokens=2))
    limit(simulated, "--requests-per-minute", "none")
    let_in = endings(outcomes).pop("200 done")
    assert endings(outcomes) == {"200 done": let_in, "429 rate_limited": CALLERS - let_in}
    assert 60 <= let_in <= 60 + seconds
    figures.append(
        f"{CALLERS} callers at two replicas: 77 of 77 open answers, {let_in} of 60 a minute"
    )
    counted = (turns + 2 * CALLERS, completed + 77 + let_in)
    eventually(lambda: used(simulated) == counted, 30, "the ledger has every turn once")
    scale(simulated, 1)


def limit(stack, *limits):
    stack.exec(stack.containers("service")[0], "flask", "keys", "limit", "anonymous", *limits)


def used(stack):
    """Turns in the ledger, and those that were completed."""
    told = stack.exec(stack.containers("service")[0], "flask", "usage", "--json").stdout
    sums = json.loads(told)
    return sum(each["turns"] for each in sums), sum(each["completed"] for each in sums)


def all_at_once(stack, question):
    """How each of them ended, and how long it took. Asserts that both replicas were asked."""
    seen = len(stack.access_log())
    began = time.monotonic()
    with Callers(stack.front_door) as callers:
        outcomes = [each.result(120) for each in callers.stream(CALLERS, question)]
    took = time.monotonic() - began
    eventually(lambda: len(stack.access_log()) >= seen + CALLERS, 10, "nginx has logged them")
    assert len({line["upstream"] for line in stack.access_log()[seen:] if line["upstream"]}) > 1
    return outcomes, took


def all_get_traffic_within_10_s(stack, figures):
    began = time.monotonic()
    replicas = {stack.address_of(each, "edge") for each in stack.containers("service")}
    assert len(replicas) == 3

    def served():
        lines = [line for line in stack.access_log() if line["upstream_status"].endswith("200")]
        return {re.split("[ ,:]+", line["upstream"])[-2] for line in lines}

    eventually(lambda: served() >= replicas, 10, "every replica has answered")
    figures.append(
        f"scale 1 to 3: all answer {time.monotonic() - began:.1f} s after compose says so"
    )


def prometheus_sees(stack, replicas):
    eventually(
        lambda: (
            [each["value"][1] for each in stack.prometheus('up{job="service"}')] == ["1"] * replicas
        ),
        60,
        f"{replicas} targets are up",
    )


def test_the_load_profile_has_an_image_for_locust(simulated):
    simulated.compose("--profile", "load", "build", "locust")
    command = ("locust", "--locustfile", "tests/load/locustfile.py", "--list")
    said = simulated.compose(
        *("--profile", "load", "run", "--rm", "--no-deps", "--no-TTY", "locust"), *command
    )
    assert "Available Users" in said.stdout
