"""Users that measure what users notice: time to first token, gaps, total time, and whether the answer was complete.

locust's own clients would log the time to the response header, and lose streams that are cut.
"""

import json
import os
import random
import sys
from pathlib import Path
from typing import Any

import gevent

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from locust import FastHttpUser, LoadTestShape, between, events, task

from tests.load.judge import OwnCpu
from tests.load.shapes import SHAPES, SPAWN_RATE
from tests.load.stream import Answer, ask

INVALID_EXIT_CODE = 3
FAILED_EXIT_CODE = 1
QUESTIONS = (
    "What is a circuit breaker?",
    "Name three rivers in Korea.",
    "한국의 수도는 어디인가요?",
    "Write a haiku about queues.",
)
# for a run against the simulator, which takes its orders in the question
SUFFIX = os.environ.get("LOAD_QUESTION_SUFFIX", "")
own_cpu = OwnCpu()


class Person(FastHttpUser):
    """Reads an answer, thinks, and asks again."""

    wait_time = between(0.5, 2)

    @task(4)
    def reads_a_stream(self) -> None:
        self._tell(ask(self.host or "", _question()))

    @task(1)
    def takes_it_whole(self) -> None:
        with self.client.post(
            "/chat", json={"question": _question()}, name="/chat", catch_response=True
        ) as response:
            if response.status_code != 200:
                response.failure(f"HTTP {response.status_code}")

    def _tell(self, answer: Answer) -> None:
        self._row("whole answer", answer.total, answer.characters, answer.error)
        if answer.first_token is not None:
            self._row("time to first token", answer.first_token)
        for gap in answer.gaps:
            self._row("gap", gap)

    def _row(self, name: str, seconds: float, length: int = 0, error: str | None = None) -> None:
        self.environment.events.request.fire(
            request_type="stream",
            name=name,
            response_time=seconds * 1000,
            response_length=length,
            exception=Exception(error) if error else None,
            context={},
        )


def _question() -> str:
    return f"{random.choice(QUESTIONS)} {SUFFIX}".strip()


class Shape(LoadTestShape):
    """LOAD_SHAPE names one of shapes.py; in the web UI, leave it empty and choose there."""

    abstract = not os.environ.get("LOAD_SHAPE")
    stages = SHAPES[os.environ.get("LOAD_SHAPE") or "steady"]

    def tick(self) -> tuple[int, float] | None:
        passed = self.get_run_time()
        for seconds, users in self.stages:
            if passed < seconds:
                return users, SPAWN_RATE
            passed -= seconds
        return None


@events.test_start.add_listener
def watch_own_cpu(environment: Any, **_: Any) -> None:
    def look() -> None:
        while environment.runner is not None:
            own_cpu.look()
            gevent.sleep(1)

    gevent.spawn(look)


@events.quitting.add_listener
def judge(environment: Any, **_: Any) -> None:
    summary = _summary(environment.stats)
    path = os.environ.get("LOAD_SUMMARY")
    if path:
        Path(path).write_text(json.dumps(summary, indent=1))
    if own_cpu.was_the_limit:
        print("INVALID: the load generator itself was the limit", file=sys.stderr)
        environment.process_exit_code = INVALID_EXIT_CODE
    elif environment.stats.total.num_failures:
        environment.process_exit_code = FAILED_EXIT_CODE


def _summary(stats: Any) -> dict[str, Any]:
    rows = {
        name: {
            "count": entry.num_requests,
            "failures": entry.num_failures,
            **{
                f"p{int(q * 100)}_ms": entry.get_response_time_percentile(q)
                for q in (0.5, 0.95, 0.99)
            },
        }
        for (name, _), entry in stats.entries.items()
    }
    return {
        "valid": not own_cpu.was_the_limit,
        "own_cpu_share": round(own_cpu.busiest_share, 3),
        "rows": rows,
    }
