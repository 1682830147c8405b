"""The service with all that is around it, watched by Prometheus."""

import contextlib
import http.client
import sqlite3
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from service.access.allowance import Limits
from service.access.money import picodollars
from tests.drill.receiver import Receiver
from tests.drill.secure_door import SecureDoor
from tests.drill.watchers import Watchers
from tests.support.access_store import FILE, make_key, unlimited_store
from tests.support.nginx import Nginx
from tests.support.redis import RedisServer
from tests.support.service import SHIPPED_CHAIN, Service
from tests.support.simulator import SimulatorProcess

PRIMARY, SPARE, UNPRICED = "sim", "spare", "unpriced"
WORKERS, SLOTS_PER_WORKER = 2, 10
SLOTS = WORKERS * SLOTS_PER_WORKER
# so dear that a hundred answers of 1000 tokens cost ten dollars
PRICES = "".join(
    f'[models."{name}"]\ninput = 1\ncached_input = 1\noutput = 100\nas_of = 2026-01-01\n'
    for name in (PRIMARY, SPARE)
)
# a chain with a step, so that there is a time of steps
CHAINS = (
    SHIPPED_CHAIN.read_text()
    + """
import time

from langchain_core.runnables import RunnableLambda

CHAINS["searching"] = lambda model: RunnableLambda(lambda asked: asked) | PROMPT | model

def computing(model):
    def compute(asked):
        until = time.monotonic() + 0.4
        while time.monotonic() < until:
            pass
        return asked

    return RunnableLambda(compute) | PROMPT | model

CHAINS["computing"] = computing
"""
)


@dataclass(frozen=True)
class Stage:
    simulator: SimulatorProcess
    redis: RedisServer
    service: Service
    nginx: Nginx
    secure_door: SecureDoor
    receiver: Receiver
    watchers: Watchers
    data: Path
    keys: dict[str, str]

    def ask(self, question: str, count: int, key: str = "", **fields: object) -> None:
        """Streams, at once; whatever becomes of them."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        with ThreadPoolExecutor(count) as crowd:
            for _ in range(count):
                crowd.submit(self._stream, question, headers, **fields)

    def store(self) -> sqlite3.Connection:
        """The service's database."""
        return sqlite3.connect(self.data / FILE, isolation_level=None)

    def _stream(self, question: str, headers: dict[str, str], **fields: object) -> None:
        with (
            contextlib.suppress(OSError, http.client.HTTPException),
            self.service.stream(question, headers=headers, **fields) as stream,
        ):
            stream.events()


@contextmanager
def set_up(**settings: object) -> Iterator[Stage]:
    """settings: the service's, in place of the drill's."""
    with (
        tempfile.NamedTemporaryFile("w", suffix=".toml") as prices,
        tempfile.TemporaryDirectory(prefix="data-") as folder,
        SimulatorProcess() as simulator,
        RedisServer() as redis,
        Receiver() as receiver,
    ):
        Path(prices.name).write_text(PRICES)
        secure_door = SecureDoor()
        data = unlimited_store(Path(folder))
        keys = _make_keys(f"sqlite:///{data / FILE}")
        with (
            Service(
                simulator.base_url,
                chain=CHAINS,
                **{
                    "WEB_CONCURRENCY": WORKERS,
                    "MAX_CONCURRENT_TURNS": SLOTS_PER_WORKER,
                    "LLM_MODELS": f"{PRIMARY},{UNPRICED}",
                    "FALLBACK_MODEL": SPARE,
                    "PRICES_FILE": prices.name,
                    "REDIS_URL": redis.url,
                    "BREAKER_OPEN_SECONDS": 2,
                    "DATA_DIR": data,
                    "ACCESS": "open",
                    **settings,
                },
            ) as service,
            Nginx(f"127.0.0.1:{service.port}") as nginx,
            Watchers(
                service.metrics_port, nginx.port, secure_door.port, redis.url, receiver.url
            ) as watchers,
        ):
            yield Stage(
                simulator, redis, service, nginx, secure_door, receiver, watchers, data, keys
            )


def _make_keys(address: str) -> dict[str, str]:
    # one answer of ten tokens is nine tenths of it
    most = picodollars(0.00108)
    budget = Limits(budget_day=most, budget_month=most)
    return {
        "small budget": make_key(address, "small-budget", limits=budget),
        "impatient": make_key(address, "impatient", limits=Limits(requests_per_minute=1)),
    }
