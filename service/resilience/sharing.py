"""Breaker states shared through Redis, best effort.

One background thread per worker talks to Redis: it writes what happened here, and reads twice a second what happened
elsewhere. A request waits only for the lease of a probe, for at most LEASE_WAIT_SECONDS; without an answer, each worker
decides for itself.

Keys, for a model M: `{chat}:breaker:M` is "open" while a breaker is open somewhere (it expires with the open period),
with the digests of the caller if it is open for one alone; or "closed" for a while after a probe succeeded.
`{chat}:breaker:M:probe` is held by the worker that probes. A state that would last longer than an open period is
ignored: no breaker wrote it. The braces put all keys into one slot of a cluster. A replica, which takes no writes, is
as good as no Redis.
"""

import queue
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.exceptions import MovedError
from redis.retry import Retry

from service.chat.deadline import Clock
from service.resilience.blame import Scope
from service.resilience.breaker import Breaker
from service.resilience.listener import Listener

POLL_SECONDS = 0.5
LEASE_WAIT_SECONDS = 0.1
SOCKET_SECONDS = 0.2
# after a failure, Redis is not contacted for this long, unless there is news
PAUSE_SECONDS = 1.0
# long enough for every worker to read it; one that could not will find out with a probe
CLOSED_SECONDS = 5
# a longer value was not written by us
MOST_STATE_BYTES = 64
OPEN, CLOSED = b"open", b"closed"
TAG = "{chat}"
# written with each read, so that a server that accepts no writes is noticed before a write matters
ALIVE_KEY, ALIVE_MS = f"{TAG}:alive", 5000

LEASE = """
local left = redis.call('pttl', KEYS[1])
local open = string.sub(redis.call('get', KEYS[1]) or '', 1, 4) == 'open'
if open and left > 0 and left <= tonumber(ARGV[3]) then return 0 end
if redis.call('set', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
return 0
"""
FREE = """
if redis.call('get', KEYS[1]) == ARGV[1] then redis.call('del', KEYS[1]) end
return 0
"""


@dataclass(frozen=True)
class News:
    """A change of a breaker's state here, and until when it is worth sending."""

    state: bytes
    until: float


class RedisSharing:
    """Sharing for one worker. lease_seconds: longer than a probe can take."""

    def __init__(
        self,
        url: str,
        open_seconds: float,
        lease_seconds: float,
        listener: Listener,
        clock: Clock = time.monotonic,
    ) -> None:
        self._client = redis.Redis.from_url(
            url,
            socket_timeout=SOCKET_SECONDS,
            socket_connect_timeout=SOCKET_SECONDS,
            # redis-py would retry ten times
            retry=Retry(NoBackoff(), 0),
        )
        self._open_ms = int(open_seconds * 1000)
        self._lease_ms = int(lease_seconds * 1000)
        self._listener = listener
        self._clock = clock
        self._token = uuid.uuid4().hex
        self._breakers: dict[str, Breaker] = {}
        self._unsent: dict[str, News] = {}
        self._jobs: queue.Queue[Callable[[], None]] = queue.Queue()
        self._up: bool | None = None
        self._cause: str | None = None

    def watch(self, breaker: Breaker) -> None:
        """Tells the breaker about other workers from now on."""
        self._breakers[breaker.model] = breaker

    def start(self) -> None:
        """Called in the worker, after its fork."""
        self._jobs.put(_nothing)
        threading.Thread(target=self._run, name="breaker-sharing", daemon=True).start()

    def opened(self, model: str, scope: Scope) -> None:
        self._happened(model, _opened(scope), self._open_ms / 1000)

    def closed(self, model: str) -> None:
        self._happened(model, CLOSED, CLOSED_SECONDS)

    def lease_probe(self, model: str) -> bool:
        """Also true if Redis does not answer in time: then each worker probes for itself."""
        if not self._up:
            return True
        answered = threading.Event()
        answers: list[bool] = []

        def ask() -> None:
            try:
                answers.append(self._lease(model))
            finally:
                answered.set()

        self._jobs.put(ask)
        answered.wait(LEASE_WAIT_SECONDS)
        return answers[0] if answers else True

    def free_probe(self, model: str) -> None:
        self._jobs.put(lambda: self._free(model))

    def _happened(self, model: str, state: bytes, seconds: float) -> None:
        self._unsent[model] = News(state, self._clock() + seconds)
        self._jobs.put(_nothing)

    def _run(self) -> None:
        pause = 0.0
        while True:
            job = self._next_job(pause or POLL_SECONDS)
            try:
                self._write_alive()
                self._send()
                job()
                self._read()
                pause = 0.0
                self._is(up=True)
            except Exception as error:  # noqa: BLE001 - nobody would notice that the thread has ended
                # its text may contain parts of the address
                self._is(up=False, cause=type(error).__name__)
                pause = PAUSE_SECONDS

    def _next_job(self, seconds: float) -> Callable[[], None]:
        try:
            return self._jobs.get(timeout=seconds)
        except queue.Empty:
            return _nothing

    def _write_alive(self) -> None:
        try:
            self._client.set(ALIVE_KEY, self._token, px=ALIVE_MS)
        except MovedError as moved:
            # in a cluster, all our keys are on one server, which the reply names
            self._client = _at(self._client, moved.host, moved.port)
            self._client.set(ALIVE_KEY, self._token, px=ALIVE_MS)

    def _send(self) -> None:
        for model, news in list(self._unsent.items()):
            left_ms = int((news.until - self._clock()) * 1000)
            if left_ms > 0:
                with self._client.pipeline() as pipe:
                    pipe.set(_key(model), news.state, px=left_ms)
                    pipe.delete(_probe_key(model))
                    pipe.execute()
            if self._unsent.get(model) is news:
                del self._unsent[model]

    def _read(self) -> None:
        for model, breaker in list(self._breakers.items()):
            with self._client.pipeline() as pipe:
                pipe.getrange(_key(model), 0, MOST_STATE_BYTES)
                pipe.pttl(_key(model))
                state, left_ms = pipe.execute()
            if model in self._unsent:
                continue
            if (state or b"").startswith(OPEN) and 0 < left_ms <= self._open_ms:
                breaker.adopt_open(left_ms / 1000, _scope(state))
            elif state == CLOSED:
                breaker.adopt_closed()

    def _lease(self, model: str) -> bool:
        keys = (_key(model), _probe_key(model))
        times = (self._lease_ms, self._open_ms)
        answer: Any = self._client.eval(LEASE, 2, *keys, self._token, *times)
        return bool(answer)

    def _free(self, model: str) -> None:
        self._client.eval(FREE, 1, _probe_key(model), self._token)

    def _is(self, *, up: bool, cause: str | None = None) -> None:
        if (up, cause) != (self._up, self._cause):
            self._up, self._cause = up, cause
            self._listener.dependency_is("redis", up=up, cause=cause)


def _at(client: redis.Redis, host: str, port: int) -> redis.Redis:
    """A client like this one for another server."""
    pool = client.connection_pool
    options = {**pool.connection_kwargs, "host": host, "port": port}
    return redis.Redis(
        connection_pool=redis.ConnectionPool(connection_class=pool.connection_class, **options)
    )


def _key(model: str) -> str:
    return f"{TAG}:breaker:{model}"


def _probe_key(model: str) -> str:
    return f"{_key(model)}:probe"


def _opened(scope: Scope) -> bytes:
    return b" ".join([OPEN, *(part.encode() for part in scope)])


def _scope(state: bytes) -> Scope:
    return tuple(state.decode(errors="replace").split()[1:])


def _nothing() -> None:
    pass
