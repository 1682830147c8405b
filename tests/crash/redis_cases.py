"""P4 and P5: failures of Redis, which must not affect anybody."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.crash.case import Case
from tests.crash.client import CHAT
from tests.crash.expected import Expected
from tests.crash.stack import FRAGILE, Plan
from tests.crash.trial import Trial
from tests.support.redis import RedisServer
from tests.support.simulator import directive

# what no request may lose by Redis
MOST_DELAY_SECONDS = 0.1
OPEN_SECONDS = 4


def without_redis(
    trial: Trial, lose: Callable[[RedisServer], None], regain: Callable[[RedisServer], None]
) -> None:
    """No request fails or waits, the loss is reported, breakers work locally, and everything recovers."""
    redis = trial.stack.plan.redis
    assert redis is not None
    service = trial.stack.service
    up = lambda: service.metric("chat_dependency_up", dependency="redis")  # noqa: E731
    trial.until(10, lambda: up() == 1, "Redis was not told as up")
    before = trial.load(40)
    lose(redis)
    # from the very first moment, and on
    during = trial.load(80)
    trial.until(10, lambda: up() == 0, "the loss was not told")
    during += trial.load(40)
    breaks_alone(trial)
    probes_alone(trial, max(before))
    regain(redis)
    trial.until(20, lambda: up() == 1, "Redis was not told as up again")
    after = trial.load(40)
    for when, taken in (("without Redis", during), ("with Redis again", after)):
        check_delay(trial, when, before, taken)


def check_delay(trial: Trial, when: str, before: list[float], taken: list[float]) -> None:
    delay = percentile(taken, 95) - percentile(before, 95)
    trial.note(f"{when}: p95 {delay * 1000:+.0f} ms")
    trial.check(delay <= MOST_DELAY_SECONDS, f"{when} p95 is {delay:.3f} s slower")
    # one or two hiccups are the machine's own; what waits for Redis does so every second
    late = [seconds for seconds in taken if seconds > max(before) + MOST_DELAY_SECONDS]
    trial.check(len(late) <= 2, f"{when} {len(late)} turns were late: {late}")


def percentile(values: list[float], percent: int) -> float:
    return sorted(values)[len(values) * percent // 100]


def breaks_alone(trial: Trial) -> None:
    """Without Redis a worker's breaker opens by its own failures."""
    failed = Expected("upstream_failed", None, "upstream_error", 502, "")
    refused = Expected("circuit_open", "", "circuit_open", 503, "")
    for number in range(20):
        question = directive(fault="500") + f" question {number}"
        saw = trial.client.ask(CHAT, question, model=FRAGILE)
        trial.expect(saw, refused if saw.code == "circuit_open" else failed)
        if saw.code == "circuit_open":
            break
    trial.check(saw.code == "circuit_open", "still asked after 20 failed turns")


def probes_alone(trial: Trial, usual_seconds: float) -> None:
    """The one moment at which a request asks Redis: may this worker probe? It does not wait for the answer."""
    time.sleep(OPEN_SECONDS)
    state = lambda: trial.stack.service.metric("chat_breaker_state", model=FRAGILE)  # noqa: E731
    for _ in range(20):
        saw = trial.client.ask(CHAT, directive(tokens=2), model=FRAGILE)
        trial.expect(saw, Expected(attempts=f"{FRAGILE}:ok"))
        late = saw.seconds - usual_seconds
        # twice the allowed, for a busy machine
        trial.check(late <= 2 * MOST_DELAY_SECONDS, f"a probe waited {late:.2f} s")
        if state() == 0:
            return
    trial.check(False, "the breaker does not close again")  # noqa: FBT003


@contextmanager
def with_redis() -> Iterator[Plan]:
    with RedisServer() as redis:
        yield Plan(
            redis=redis, settings={"REDIS_URL": redis.url, "BREAKER_OPEN_SECONDS": OPEN_SECONDS}
        )


def redis_stopped(trial: Trial) -> None:
    without_redis(trial, RedisServer.stop, RedisServer.start)


def redis_silent(trial: Trial) -> None:
    without_redis(trial, RedisServer.pause, RedisServer.resume)


CASES = (
    Case("P4", "Redis stopped", redis_stopped, plans=with_redis, seconds=30, alone=True),
    Case("P5", "Redis black-holed", redis_silent, plans=with_redis, seconds=30, alone=True),
)
