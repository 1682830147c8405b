"""What one worker's breaker tells another's through a real Redis: one round at a time, on a fake clock."""

import queue
import threading
from contextlib import closing

import pytest

from service.errors import CircuitOpen
from service.resilience.breaker import Breaker
from service.resilience.sharing import CLOSED_SECONDS, RedisSharing
from tests.support.redis import RedisServer
from tests.unit.resilience.fakes import PROBE_SECONDS, Clock, Heard, origin


class Worker:
    """One worker's breaker and its sharing, without the thread."""

    def __init__(self, url, clock):
        self.heard = Heard()
        self.sharing = RedisSharing(url, 60, 60, self.heard, clock)
        self.breaker = Breaker("main", 3, 60, PROBE_SECONDS, clock, self.heard, self.sharing)
        self.sharing._breakers = {"main": self.breaker}

    def round(self):
        self.sharing._send()
        self.sharing._read()

    def trip(self, *caller):
        for _ in range(3):
            self.breaker.admit(origin(*caller)).settle("failure")

    def admits(self, *caller):
        try:
            self.breaker.admit(origin(*caller))
        except CircuitOpen:
            return False
        return True


@pytest.fixture(scope="module")
def redis():
    with RedisServer() as server:
        yield server


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def two(redis, clock):
    """Workers whose Redis knows nothing yet."""
    one, other = Worker(redis.url, clock), Worker(redis.url, clock)
    with closing(one.sharing._client) as client, closing(other.sharing._client):
        client.flushall()
        yield one, other


def test_news_are_told_and_heard(two):
    one, other = two
    one.trip()
    one.round()
    other.round()
    assert other.breaker.state == "open"
    one.sharing.closed("main")
    one.round()
    other.round()
    assert (one.breaker.state, other.breaker.state) == ("closed", "closed")


def test_who_it_is_open_for_is_told_and_heard(two):
    one, other = two
    one.trip("lan", "alice")
    one.round()
    other.round()
    assert other.breaker.state == "open"
    assert [other.admits("lan", name) for name in ("alice", "bob")] == [False, True]
    assert not other.sharing._lease("main")


@pytest.mark.parametrize("seconds", [None, 61, 86400])
def test_an_open_that_would_last_too_long_is_nobodys(two, seconds):
    one, _ = two
    one.sharing._client.set("{chat}:breaker:main", "open", ex=seconds)
    one.round()
    assert one.breaker.state == "closed"
    assert one.sharing._lease("main")


def test_a_probe_is_leased_to_one_and_freed_by_it_alone(two):
    one, other = two
    assert [one.sharing._lease("main"), other.sharing._lease("main")] == [True, False]
    other.sharing._free("main")
    assert not other.sharing._lease("main")
    one.sharing._free("main")
    assert other.sharing._lease("main")


def test_no_probe_is_leased_of_a_breaker_that_is_open_elsewhere(two):
    one, other = two
    one.trip()
    one.round()
    assert not other.sharing._lease("main")


def test_an_open_that_could_not_be_told_in_time_is_not_told(two, clock):
    one, other = two
    one.trip()
    clock.sleep(60)
    one.round()
    other.round()
    assert other.breaker.state == "closed"


def test_what_is_told_late_holds_for_what_is_left(two, clock):
    one, other = two
    one.trip()
    clock.sleep(50)
    one.round()
    other.round()
    assert 9 < other.breaker._open_until - clock.now <= 10


def test_a_close_that_could_not_be_told_in_time_does_not_close_what_opened_since(two, clock):
    one, other = two
    one.sharing.closed("main")
    clock.sleep(CLOSED_SECONDS)
    other.trip()
    other.round()
    one.round()
    other.round()
    assert (one.breaker.state, other.breaker.state) == ("open", "open")


def test_an_older_close_does_not_win_over_an_open_that_is_yet_untold(two):
    one, other = two
    one.sharing.closed("main")
    one.round()
    other.trip()
    other.sharing._read()
    assert other.breaker.state == "open"
    other.round()
    one.round()
    assert (one.breaker.state, other.breaker.state) == ("open", "open")


def test_without_redis_each_worker_probes_for_itself(two):
    assert [worker.sharing.lease_probe("main") for worker in two] == [True, True]


def test_a_lease_is_not_waited_for_when_nobody_answers(two):
    one, _ = two
    one.sharing._up = True
    asking = threading.Thread(target=one.sharing.lease_probe, args=("main",), daemon=True)
    asking.start()
    asking.join(5)
    assert not asking.is_alive()


def test_another_reason_for_its_absence_is_told_the_same_one_is_not(two):
    one, _ = two
    for cause in ("ConnectionError", "ConnectionError", "AuthenticationError"):
        one.sharing._is(up=False, cause=cause)
    one.sharing._is(up=True)
    told = [state for name, state in one.heard.states if name == "redis"]
    assert told == ["down: ConnectionError", "down: AuthenticationError", "up"]


def test_an_answer_that_is_not_understood_does_not_end_the_sharing(redis, clock):
    told, running = queue.Queue(), threading.Event()
    heard = Heard()
    heard.dependency_is = lambda _name, *, up, cause=None: told.put((up, cause))
    # text instead of bytes
    sharing = RedisSharing(f"{redis.url}?decode_responses=yes", 60, 60, heard, clock)
    sharing._client.set("{chat}:breaker:main", "open", ex=60)
    sharing.watch(Breaker("main", 3, 60, PROBE_SECONDS, clock, heard, sharing))
    sharing.start()
    assert told.get(timeout=30) == (False, "TypeError")
    sharing._jobs.put(running.set)
    assert running.wait(30)
