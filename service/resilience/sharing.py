"""Breaker states shared through Redis, best effort.

All talk with Redis is in one background thread of the worker: it tells what happened here, and asks twice a second what
happened elsewhere. A request waits only for the lease of a probe, and no longer than LEASE_WAIT_SECONDS; without an
answer each worker decides for itself.

Keys, for a model M: `chat:breaker:M` is "open" while a breaker is open somewhere (it expires with the open period) or
"closed" for a while after a probe succeeded; `chat:breaker:M:probe` is held by the worker that probes.
"""

import queue
import threading
import uuid
from collections.abc import Callable, Iterable
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from service.resilience.breaker import Breaker
from service.resilience.listener import Listener

POLL_SECONDS = 0.5
LEASE_WAIT_SECONDS = 0.1
SOCKET_SECONDS = 0.2
# after a failure Redis is left alone for this long
PAUSE_SECONDS = 1.0
CLOSED_SECONDS = 60

LEASE = """
if redis.call('get', KEYS[1]) == 'open' then return 0 end
if redis.call('set', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
return 0
"""
FREE = """
if redis.call('get', KEYS[1]) == ARGV[1] then redis.call('del', KEYS[1]) end
return 0
"""


class RedisSharing:
    """The sharing of one worker. lease_seconds: longer than a probe can take."""

    def __init__(
        self, url: str, open_seconds: float, lease_seconds: float, listener: Listener
    ) -> None:
        self._client = redis.Redis.from_url(
            url,
            socket_timeout=SOCKET_SECONDS,
            socket_connect_timeout=SOCKET_SECONDS,
            # redis-py would try ten times
            retry=Retry(NoBackoff(), 0),
            decode_responses=True,
        )
        self._open_ms = int(open_seconds * 1000)
        self._lease_ms = int(lease_seconds * 1000)
        self._listener = listener
        self._token = uuid.uuid4().hex
        self._breakers: dict[str, Breaker] = {}
        self._untold: dict[str, str] = {}
        self._jobs: queue.Queue[Callable[[], None]] = queue.Queue()
        self._up = False

    def start(self, breakers: Iterable[Breaker]) -> None:
        """Called in the worker, after its fork."""
        self._breakers = {breaker.model: breaker for breaker in breakers}
        self._listener.dependency_is("redis", up=False)
        threading.Thread(target=self._run, name="breaker-sharing", daemon=True).start()

    def opened(self, model: str) -> None:
        self._untold[model] = "open"
        self._jobs.put(_nothing)

    def closed(self, model: str) -> None:
        self._untold[model] = "closed"
        self._jobs.put(_nothing)

    def lease_probe(self, model: str) -> bool:
        """True, too, when Redis does not answer in time: then each worker probes for itself."""
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

    def _run(self) -> None:
        pause = 0.0
        while True:
            job = self._next_job(pause or POLL_SECONDS)
            try:
                self._tell()
                job()
                self._listen()
                pause = 0.0
                self._is(up=True)
            except (redis.RedisError, OSError):
                self._is(up=False)
                pause = PAUSE_SECONDS

    def _next_job(self, seconds: float) -> Callable[[], None]:
        try:
            return self._jobs.get(timeout=seconds)
        except queue.Empty:
            return _nothing

    def _tell(self) -> None:
        for model, state in list(self._untold.items()):
            lasting = self._open_ms if state == "open" else CLOSED_SECONDS * 1000
            with self._client.pipeline() as pipe:
                pipe.set(_key(model), state, px=lasting)
                pipe.delete(_probe_key(model))
                pipe.execute()
            if self._untold.get(model) == state:
                del self._untold[model]

    def _listen(self) -> None:
        for model, breaker in self._breakers.items():
            with self._client.pipeline() as pipe:
                pipe.get(_key(model))
                pipe.pttl(_key(model))
                state, left_ms = pipe.execute()
            if model in self._untold:
                continue
            if state == "open" and left_ms > 0:
                breaker.adopt_open(left_ms / 1000)
            elif state == "closed":
                breaker.adopt_closed()

    def _lease(self, model: str) -> bool:
        keys = (_key(model), _probe_key(model))
        answer: Any = self._client.eval(LEASE, 2, *keys, self._token, self._lease_ms)
        return bool(answer)

    def _free(self, model: str) -> None:
        self._client.eval(FREE, 1, _probe_key(model), self._token)

    def _is(self, *, up: bool) -> None:
        if up != self._up:
            self._up = up
            self._listener.dependency_is("redis", up=up)


def _key(model: str) -> str:
    return f"chat:breaker:{model}"


def _probe_key(model: str) -> str:
    return f"{_key(model)}:probe"


def _nothing() -> None:
    pass
