"""Who sleeps together wakes together, and whoever is killed meanwhile disturbs nobody."""

import threading
import time

import gevent
import pytest

from service.llm.per_loop import PerLoop
from service.llm.shared_sleep import SharedSleep

LONG_SECONDS = 600


@pytest.fixture
def sleep():
    sleeps = PerLoop(SharedSleep)
    return lambda seconds: sleeps.here().sleep(seconds)


def test_everybody_wakes_with_the_first(sleep):
    first = gevent.spawn(sleep, 0.02)
    gevent.idle()
    others = [gevent.spawn(sleep, LONG_SECONDS) for _ in range(3)]
    assert len(gevent.joinall([first, *others], timeout=30)) == 4


def test_a_sleep_after_the_moment_is_another_one(sleep):
    for _ in range(2):
        began = time.monotonic()
        sleep(0.02)
        assert time.monotonic() - began >= 0.019


def test_a_sleep_that_begins_after_a_long_computation_is_not_shorter(sleep):
    """The loop's clock stands still while a greenlet computes."""
    ends = time.monotonic() + 0.05
    while time.monotonic() < ends:
        pass
    sleep(0.02)
    assert time.monotonic() - ends >= 0.019


def test_who_sleeps_again_at_once_wakes_again(sleep):
    def sleep_often():
        for _ in range(3):
            sleep(0.02)

    assert len(gevent.joinall([gevent.spawn(sleep_often) for _ in range(3)], timeout=30)) == 3


def test_others_wake_although_the_first_was_killed(sleep):
    killed = gevent.spawn(sleep, 0.02)
    gevent.idle()
    other = gevent.spawn(sleep, LONG_SECONDS)
    gevent.idle()
    killed.kill()
    other.get(timeout=30)


def test_nobody_wakes_by_the_timer_of_one_who_was_killed(sleep):
    killed = gevent.spawn(sleep, LONG_SECONDS)
    gevent.idle()
    killed.kill()
    gevent.with_timeout(30, sleep, 0.02)


def test_the_timer_of_one_who_was_killed_ends_no_later_sleep(sleep):
    killed = gevent.spawn(sleep, 0.02)
    gevent.idle()
    killed.kill()
    other = gevent.spawn(sleep, LONG_SECONDS)
    gevent.sleep(0.05)
    assert not other.ready()
    other.kill()


def test_a_thread_sleeps_on_its_own_loop(sleep):
    ours = gevent.spawn(sleep, 0.02)
    gevent.idle()
    slept = []

    def sleep_in_thread():
        began = time.monotonic()
        sleep(0.02)
        slept.append(time.monotonic() - began)

    thread = threading.Thread(target=sleep_in_thread)
    thread.start()
    ours.get(timeout=30)
    thread.join(30)
    assert slept
    assert slept[0] >= 0.019
