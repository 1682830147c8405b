"""More replicas and fewer, while callers ask."""

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
    scale(simulated, 1)


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
