"""Connects to a host with several addresses, starting each attempt shortly after the previous one (RFC 8305)."""

import socket
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from itertools import chain, zip_longest
from typing import Any

import gevent
from gevent import monkey
from gevent import socket as gevent_socket
from gevent.queue import Empty, Queue

# RFC 8305, section 5
STAGGER_SECONDS = 0.25

# the unpatched one does not block for addresses, and needs no thread
_resolve_address = monkey.get_original("socket", "getaddrinfo")

# as returned by getaddrinfo: family, kind, protocol, canonical name, address
Found = tuple[int, int, int, str, Any]


class Dialer:
    """For one host and port. The address that worked last is tried first; the others follow if it is slow or fails."""

    def __init__(self, host: str, port: int, timeout_seconds: float) -> None:
        self._host = host
        self._port = port
        self._timeout_seconds = timeout_seconds
        self._is_address = _is_address(host)
        self._last_good: Any = None

    def connect(self) -> Any:
        """A connected socket. Raises OSError; TimeoutError if resolving and connecting exceed the timeout."""
        with gevent.Timeout(self._timeout_seconds, TimeoutError("connect")):
            found = in_order(self._resolved(), self._last_good)
            if len(found) == 1:
                sock, self._last_good = _connected(found[0]), found[0][4]
            else:
                sock, self._last_good = _Race(found).winner()
        return sock

    def _resolved(self) -> list[Found]:
        kind = socket.SOCK_STREAM
        if not self._is_address:
            return list(gevent_socket.getaddrinfo(self._host, self._port, 0, kind))
        return list(_resolve_address(self._host, self._port, 0, kind, 0, socket.AI_NUMERICHOST))


def in_order(found: Sequence[Found], last_good: Any = None) -> list[Found]:
    """Alternates address families as in RFC 8305, with the last good address first."""
    first = found[0][0] if found else None
    own = [each for each in found if each[0] == first]
    other = [each for each in found if each[0] != first]
    paired = chain.from_iterable(zip_longest(own, other))
    ordered = [each for each in paired if each is not None]
    return sorted(ordered, key=lambda each: each[4] != last_good)


class _Race:
    """The first connected socket wins; all others are closed."""

    def __init__(self, found: Iterable[Found]) -> None:
        self._waiting = list(found)
        self._left = len(self._waiting)
        self._running: list[Any] = []
        self._ends: Queue[tuple[Any, Any]] = Queue()
        self._over = False

    def winner(self) -> tuple[Any, Any]:
        """Socket and address. Raises the last attempt's error."""
        failure: OSError = OSError("no address")
        try:
            while self._left:
                if self._waiting:
                    self._running.append(gevent.spawn(self._try, self._waiting.pop(0)))
                end = self._next_end()
                if end is None:
                    continue
                if end[0] is not None:
                    return end
                failure, self._left = end[1], self._left - 1
            raise failure
        finally:
            self._over = True
            gevent.killall(self._running, block=False)
            while not self._ends.empty():
                if sock := self._ends.get_nowait()[0]:
                    sock.close()

    def _next_end(self) -> tuple[Any, Any] | None:
        """The next attempt to finish; None if it is time for the next address."""
        try:
            end: tuple[Any, Any] = self._ends.get(
                timeout=STAGGER_SECONDS if self._waiting else None
            )
        except Empty:
            return None
        return end

    def _try(self, found: Found) -> None:
        try:
            sock = _connected(found)
        except OSError as error:
            self._ends.put((None, error))
            return
        if self._over:
            sock.close()
        else:
            self._ends.put((sock, found[4]))


def _connected(found: Found) -> Any:
    family, kind, protocol, _, address = found
    sock = gevent_socket.socket(family, kind, protocol)
    try:
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock


def _is_address(host: str) -> bool:
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
