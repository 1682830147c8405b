"""A wait ends with what arrives or after a tick, and leaves nothing behind."""

import contextlib
import socket
import threading
import time

import gevent
import pytest

from service.llm.wire.arrivals import Arrivals, arrivals

LONG_SECONDS = 600


class Watcher:
    """Of a timer or a socket. start and stop as libev's; fire: what it watches for happens."""

    def __init__(self, due=None, repeat=None):
        self.left, self.repeat = due, repeat
        self.callback = None

    def start(self, callback, *args, **_):
        self.callback = self.callback or (lambda: callback(*args))

    def stop(self):
        self.callback = None

    def fire(self):
        gevent.get_hub().loop.run_callback(self.callback)
        gevent.idle()


class Loop:
    """An event loop whose time passes by hand, in seconds."""

    def __init__(self):
        self.clock = None

    def timer(self, due, repeat):
        self.clock = Watcher(due, repeat)
        return self.clock

    def io(self, *_):
        return Watcher()

    def passes(self, seconds):
        while self.clock.callback and self.clock.left <= seconds:
            seconds -= self.clock.left
            self.clock.left = self.clock.repeat
            self.clock.fire()
        self.clock.left -= seconds


@pytest.fixture
def loop():
    return Loop()


@pytest.fixture
def begin(loop):
    """Begins to wait, with ticks of four seconds; returns the greenlet and its watcher."""
    waiting = Arrivals(4.0, loop)

    def begin():
        watcher = waiting.watch(0)
        greenlet = gevent.spawn(waiting.wait, watcher)
        gevent.idle()
        return greenlet, watcher

    return begin


def test_a_wait_lasts_a_tick_and_at_most_a_quarter_more(loop, begin):
    for _ in range(2):
        first, _ = begin()
        loop.passes(0.5)
        later = [begin()[0] for _ in range(2)]
        loop.passes(3.5)
        assert not any(each.ready() for each in later)
        loop.passes(1)
        assert all(each.ready() for each in (first, *later))


def test_nothing_runs_once_nobody_waits(loop, begin):
    ticked, ticked_watcher = begin()
    loop.passes(5)
    fed, fed_watcher = begin()
    fed_watcher.fire()
    left, left_watcher = begin()
    left.kill()
    assert ticked.ready()
    assert fed.ready()
    loop.passes(1)
    ours = (loop.clock, ticked_watcher, fed_watcher, left_watcher)
    assert [each.callback for each in ours] == [None] * 4


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


def test_a_wait_that_begins_after_a_long_computation_is_not_shorter():
    """The loop's clock stands still while a greenlet computes."""
    waiting = Arrivals(0.1, gevent.get_hub().loop)
    ours, theirs = socket.socketpair()
    with ours, theirs, contextlib.closing(waiting.watch(ours.fileno())) as watcher:
        ends = time.monotonic() + 0.1
        while time.monotonic() < ends:
            pass
        waiting.wait(watcher)
        assert time.monotonic() - ends >= 0.099


def test_one_who_is_killed_leaves_the_others_waiting(pair, wait):
    killed, other = gevent.spawn(wait, LONG_SECONDS), gevent.spawn(wait, LONG_SECONDS)
    gevent.idle()
    killed.kill()
    assert not other.ready()
    pair[1].send(b"here")
    other.get(timeout=30)


def test_all_waits_of_a_loop_share_a_timer():
    assert arrivals(7).here() is arrivals(7).here()


def test_a_thread_waits_on_its_own_loop(wait):
    ours = gevent.spawn(wait, 0.05)
    gevent.idle()
    thread = threading.Thread(target=wait, args=(0.05,))
    thread.start()
    ours.get(timeout=30)
    thread.join(30)
    assert not thread.is_alive()
