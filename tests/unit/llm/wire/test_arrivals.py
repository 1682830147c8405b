"""A wait ends with what arrives or after a tick, and leaves nothing behind."""

import socket
import threading

import gevent
import pytest

from service.llm.wire.arrivals import arrivals

LONG_SECONDS = 600


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def wait(pair):
    """Waits for bytes, for at most a tick."""
    watchers = []

    def wait(tick_seconds):
        waiting = arrivals(tick_seconds).here()
        watchers.append(waiting.watch(pair[0].fileno()))
        gevent.with_timeout(30, waiting.wait, watchers[-1])

    yield wait
    for each in watchers:
        each.close()


def test_bytes_end_a_wait_at_once(pair, wait):
    pair[1].send(b"here")
    wait(LONG_SECONDS)


def test_bytes_that_come_later_end_it_too(pair, wait):
    waiting = gevent.spawn(wait, LONG_SECONDS)
    gevent.idle()
    pair[1].send(b"here")
    waiting.get(timeout=30)


def test_the_end_of_a_connection_ends_it(pair, wait):
    pair[1].close()
    wait(LONG_SECONDS)


def test_a_tick_ends_it_time_and_again(wait):
    for _ in range(3):
        wait(0.02)


def test_one_who_is_killed_leaves_the_others_waiting(pair, wait):
    killed, other = gevent.spawn(wait, LONG_SECONDS), gevent.spawn(wait, LONG_SECONDS)
    gevent.idle()
    killed.kill()
    assert not other.ready()
    pair[1].send(b"here")
    other.get(timeout=30)


def test_a_thread_waits_on_its_own_loop(wait):
    ours = gevent.spawn(wait, 0.05)
    gevent.idle()
    thread = threading.Thread(target=wait, args=(0.05,))
    thread.start()
    ours.get(timeout=30)
    thread.join(30)
    assert not thread.is_alive()
