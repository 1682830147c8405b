"""Addresses are tried side by side: what is slow or dead holds nobody up, and nothing stays open.

A listener whose backlog is full is a black hole: the kernel answers no SYN.
"""

import gc
import socket
import time
from contextlib import ExitStack

import gevent
import pytest

from service.llm.wire import dialing
from service.llm.wire.dialing import Dialer, in_order

V4, V6 = socket.AF_INET, socket.AF_INET6


def found(family, name):
    return (family, socket.SOCK_STREAM, 6, "", (name, 80))


def listening(stack, backlog=16):
    listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=backlog))
    return listener.getsockname()


def black_hole(stack):
    address = listening(stack, backlog=0)
    for _ in range(2):
        filler = stack.enter_context(socket.socket())
        filler.settimeout(0)
        filler.connect_ex(address)
    return address


def refusing():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        return closed.getsockname()


@pytest.fixture
def resolve(monkeypatch):
    """Says what a name stands for."""

    def to(*addresses):
        answers = [(V4, socket.SOCK_STREAM, 6, "", address) for address in addresses]
        monkeypatch.setattr(dialing.gevent_socket, "getaddrinfo", lambda *_: answers)

    return to


@pytest.fixture
def stack():
    with ExitStack() as held:
        yield held


def test_families_are_tried_in_turn():
    six = [found(V6, name) for name in ("a", "b", "c")]
    four = [found(V4, name) for name in ("x", "y")]
    names = [each[4][0] for each in in_order([*six, *four])]
    assert names == ["a", "x", "b", "y", "c"]
    assert in_order([]) == []


def test_the_address_that_worked_is_tried_first():
    both = [found(V6, "a"), found(V4, "x")]
    assert in_order(both, last_good=("x", 80))[0] == both[1]
    assert in_order(both, last_good=("gone", 80)) == both


def test_black_holes_before_the_good_address_cost_a_quarter_of_a_second_each(stack, resolve):
    good = listening(stack)
    resolve(black_hole(stack), black_hole(stack), good)
    dialer = Dialer("model.example", 80, 3)
    began = time.monotonic()
    with dialer.connect() as sock:
        assert sock.getpeername() == good
    assert time.monotonic() - began >= 2 * dialing.STAGGER_SECONDS
    began = time.monotonic()
    with dialer.connect() as sock:
        assert sock.getpeername() == good
    assert time.monotonic() - began < dialing.STAGGER_SECONDS


def test_an_address_that_worked_alone_is_tried_first_once_there_are_others(stack, resolve):
    good, added = listening(stack), listening(stack)
    resolve(good)
    dialer = Dialer("model.example", 80, 3)
    dialer.connect().close()
    resolve(added, good)
    with dialer.connect() as sock:
        assert sock.getpeername() == good


def test_a_refusal_goes_on_to_the_next_address_at_once(stack, resolve):
    good = listening(stack)
    resolve(*(refusing() for _ in range(8)), good)
    began = time.monotonic()
    with Dialer("model.example", 80, 3).connect() as sock:
        assert sock.getpeername() == good
    assert time.monotonic() - began < dialing.STAGGER_SECONDS


def test_where_nobody_listens_the_failure_is_a_connections(resolve):
    resolve(refusing(), refusing())
    with pytest.raises(ConnectionRefusedError):
        Dialer("model.example", 80, 3).connect()
    resolve()
    with pytest.raises(OSError, match="no address"):
        Dialer("model.example", 80, 3).connect()


def test_the_timeout_is_for_all_addresses_together(stack, resolve):
    resolve(black_hole(stack), black_hole(stack))
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        Dialer("model.example", 80, 0.4).connect()
    assert 0.4 <= time.monotonic() - began < 5


def test_a_resolver_that_hangs_is_within_the_timeout(monkeypatch):
    monkeypatch.setattr(dialing.gevent_socket, "getaddrinfo", lambda *_: gevent.sleep(60))
    with pytest.raises(TimeoutError):
        Dialer("model.example", 80, 0.1).connect()


@pytest.mark.parametrize("ending", ["winner", "timeout", "killed"])
def test_nothing_stays_open(stack, resolve, ending, monkeypatch):
    made = []
    socket_class = dialing.gevent_socket.socket

    def remembered(*kinds):
        made.append(socket_class(*kinds))
        return made[-1]

    monkeypatch.setattr(dialing.gevent_socket, "socket", remembered)
    addresses = [black_hole(stack), black_hole(stack)]
    resolve(*addresses, *([listening(stack)] if ending == "winner" else []))
    dialing_up = gevent.spawn(Dialer("model.example", 80, 3 if ending == "winner" else 0.6).connect)
    if ending == "killed":
        gevent.sleep(0.3)
        dialing_up.kill()
    dialing_up.join()
    gevent.sleep(0)
    won = [dialing_up.value] if ending == "winner" else []
    assert [sock for sock in made if not sock.closed] == won
    for sock in won:
        sock.close()
    gc.collect()
