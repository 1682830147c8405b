"""All who wait are served together, each gets its own answer, and nobody waits for a store that says nothing."""

import itertools
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy.exc import OperationalError

from service.access.health import Health, StoreAway, StoreReplaced
from service.access.lane import MOST_AT_ONCE, Lane, TooSlow
from tests.unit.access.fakes import Heard

# for what must never happen
LONG_SECONDS = 60


class Store:
    """Answers a job with itself, once it is let go on. speaks: whether anything comes from it meanwhile."""

    def __init__(self, seconds=LONG_SECONDS):
        self.heard = Heard()
        self.health = Health(self.heard)
        self.batches = []
        self.looks = threading.Semaphore(0)
        self.said = 0
        self.speaks = False
        self.once = False
        self.error = None
        self.busy, self.go_on = threading.Event(), threading.Event()
        self.lane = Lane(self._work, self._run, self.health, self._replies, seconds)
        self.lane.start()

    def ask(self, job):
        return self.lane.answer(self.lane.put(job))

    def occupied(self):
        """From now on everybody waits, until go_on."""
        self.go_on.clear()
        self.busy.clear()
        self.lane.put("first")
        assert self.busy.wait(60)

    def is_watched(self, looks):
        """Returns once somebody has looked so often whether anything came."""
        self._forget_looks()
        for _ in range(looks):
            assert self.looks.acquire(timeout=60)

    def is_unwatched(self):
        self._forget_looks()
        return not self.looks.acquire(timeout=0.2)

    def _forget_looks(self):
        while self.looks.acquire(blocking=False):
            pass

    def _replies(self):
        self.said += self.speaks
        self.looks.release()
        return self.said

    def _run(self, job, _seconds):
        return job()

    def _work(self, jobs):
        self.batches.append(jobs)
        self.busy.set()
        assert self.go_on.wait(60)
        if self.once:
            self.go_on.clear()
        if self.error is not None:
            raise self.error
        return jobs


@pytest.fixture
def store():
    store = Store()
    store.go_on.set()
    yield store
    store.go_on.set()


@pytest.fixture
def silent():
    """It says nothing, which nobody waits for for long."""
    store = Store(seconds=0.1)
    yield store
    store.go_on.set()


def test_all_who_wait_are_served_at_once_and_each_gets_its_own_answer(store):
    store.occupied()
    outcomes = [store.lane.put(number) for number in range(MOST_AT_ONCE + 1)]
    store.go_on.set()
    assert [store.lane.answer(each) for each in outcomes] == list(range(MOST_AT_ONCE + 1))
    assert store.batches == [["first"], list(range(MOST_AT_ONCE)), [MOST_AT_ONCE]]


def test_who_has_left_is_not_served(store):
    store.occupied()
    gone, there = store.lane.put("gone"), store.lane.put("there")
    gone.cancel()
    store.go_on.set()
    assert store.lane.answer(there) == "there"
    store.occupied()
    store.lane.put("gone").cancel()
    store.go_on.set()
    assert store.ask("next") == "next"
    assert store.batches == [["first"], ["there"], ["first"], ["next"]]


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (StoreReplaced(), "replaced"),
        (TooSlow(), "slow"),
        (OperationalError("", {}, ConnectionError("canary")), "ConnectionError"),
    ],
)
def test_a_store_that_fails_is_asked_no_more_until_it_has_recovered(store, error, cause):
    store.occupied()
    outcomes = [store.lane.put(number) for number in range(2)]
    store.error = error
    store.go_on.set()
    for each in outcomes:
        with pytest.raises(StoreAway):
            store.lane.answer(each)
    assert store.batches == [["first"]]
    with pytest.raises(StoreAway):
        store.lane.put(3)
    assert store.heard.dependency == [(False, cause)]
    store.error = None
    store.health.recovered()
    assert store.ask(4) == 4


def test_a_bug_is_raised_for_everybody_and_the_next_are_served(store):
    store.occupied()
    outcomes = [store.lane.put(number) for number in range(2)]
    store.error = KeyError("bug")
    store.go_on.set()
    for each in outcomes:
        with pytest.raises(KeyError):
            store.lane.answer(each)
    store.error = None
    assert store.ask("next") == "next"


def test_nobody_waits_for_a_store_that_says_nothing(silent):
    """Nor is anything done later for those who have left."""
    for _ in range(2):
        silent.speaks = False
        silent.occupied()
        with ThreadPoolExecutor(3) as callers:
            asking = [callers.submit(silent.ask, number) for number in range(3)]
            for each in asking:
                assert isinstance(each.exception(60), StoreAway)
        silent.speaks = True
        silent.go_on.set()
        silent.health.recovered()
        assert silent.ask("next") == "next"
    # threads, unlike greenlets, may each say that it is slow
    heard = [said for said, _ in itertools.groupby(silent.heard.dependency)]
    assert heard == [(False, "slow"), (True, None)] * 2
    assert silent.batches == [["first"], ["next"]] * 2


def test_nobody_is_watched_over_while_nobody_waits(store):
    assert store.ask(1) == 1
    assert any(store.is_unwatched() for _ in range(5))


def test_a_store_that_speaks_is_waited_for(silent):
    silent.speaks = True
    with ThreadPoolExecutor(1) as callers:
        asking = callers.submit(silent.ask, "patient")
        silent.is_watched(20)
        assert not asking.done()
        silent.go_on.set()
        assert asking.result(60) == "patient"


def test_an_answer_for_one_ends_no_watch_over_the_others(silent):
    silent.speaks = silent.once = True
    with ThreadPoolExecutor(2) as callers:
        first = callers.submit(silent.ask, 1)
        assert silent.busy.wait(60)
        second = callers.submit(silent.ask, 2)
        silent.is_watched(4)
        silent.go_on.set()
        assert first.result(60) == 1
        silent.speaks = False
        assert isinstance(second.exception(60), StoreAway)


# in a process of its own, because gevent has to patch it first
GIVES_UP = """
from gevent import monkey
monkey.patch_all()
import threading
import time
from service.access.lane import TooSlow, cooperatively

ended, probes = threading.Event(), []

def job():
    try:
        threading.Event().wait(600)
    finally:
        ended.set()

run = cooperatively(lambda: 0, lambda: probes.append(1))
assert run(lambda: "answer", 60) == "answer"
try:
    run(job, 0.2)
except TooSlow:
    print("given up")
assert ended.wait(30), "the job goes on"
assert probes, "nobody asked for a reply"
probes.clear()
time.sleep(0.3)
assert not probes, "somebody asks for replies still"
"""


def test_a_job_that_is_given_up_on_is_ended():
    command = [sys.executable, "-c", GIVES_UP]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (ran.stdout, ran.returncode) == ("given up\n", 0), ran.stderr
