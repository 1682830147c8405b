"""The whole way of a request on one machine: nginx, gunicorn with two workers, and two simulators behind them."""

import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.nginx import Nginx
from tests.support.redis import RedisServer
from tests.support.service import Service
from tests.support.simulator import SimulatorProcess

WORKERS = 2
PRIMARY, SPARE = "sim", "spare"
# a separate model for checking that the service is well: no case's faults count against it
WELL = "well"
# and one whose breaker is to open while the primary's is watched
FRAGILE = "fragile"
PRICES = {PRIMARY: (2.0, 8.0), SPARE: (3.0, 12.0), WELL: (1.0, 1.0), FRAGILE: (1.0, 1.0)}
# what starts at once takes the processors away from those who measure
START_SECONDS = 120
STARTING = threading.BoundedSemaphore(2)


@dataclass(frozen=True)
class Plan:
    """What a case's stack is made of. slots: turns per worker; upstream: instead of the first simulator's address;
    redis, clock: what the case itself plays with; chain: the text of chain.py, by default the shipped one."""

    fallback: bool = False
    slots: int = 4
    upstream: str = ""
    settings: dict[str, object] = field(default_factory=dict)
    redis: RedisServer | None = None
    clock: Path | None = None
    chain: str | None = None


# for most cases; the larger budget leaves enough retries for each case on a shared stack
PLAIN = Plan(settings={"RETRY_BUDGET": 1})
SPARED = Plan(fallback=True, settings={"RETRY_BUDGET": 1})


@dataclass
class Stack:
    """Running, with two workers ready."""

    plan: Plan
    primary: SimulatorProcess
    spare: SimulatorProcess
    service: Service
    nginx: Nginx


@contextmanager
def running(plan: Plan) -> Iterator[Stack]:
    with ExitStack() as held:
        with STARTING:
            primary = held.enter_context(SimulatorProcess())
            spare = held.enter_context(SimulatorProcess())
            prices = write_prices(held)
            service = Service(
                plan.upstream or primary.base_url,
                chain=plan.chain,
                **settings(plan, spare, prices),
            )
            held.callback(service.stop)
            service.wait_ready(START_SECONDS)
            service.until("chat_admission_slots", WORKERS * plan.slots, timeout=START_SECONDS)
        nginx = Nginx(
            f"127.0.0.1:{service.port}",
            # all callers share one address here; the limits have their own tests
            CLIENT_MAX_STREAMS=5000,
            CLIENT_REQUESTS_PER_SECOND=5000,
        )
        held.enter_context(nginx)
        yield Stack(plan, primary, spare, service, nginx)


def settings(plan: Plan, spare: SimulatorProcess, prices: Path) -> dict[str, Any]:
    chosen: dict[str, Any] = {
        "WEB_CONCURRENCY": WORKERS,
        "MAX_CONCURRENT_TURNS": plan.slots,
        "LLM_MODEL": PRIMARY,
        "LLM_MODELS": f"{WELL},{FRAGILE}",
        "OPENAI_API_KEY": "sk-primary",
        "PRICES_FILE": prices,
    }
    if plan.fallback:
        chosen |= {
            "FALLBACK_MODEL": SPARE,
            "FALLBACK_BASE_URL": spare.base_url,
            "FALLBACK_API_KEY": "sk-spare",
        }
    return chosen | plan.settings


def write_prices(held: ExitStack) -> Path:
    directory = held.enter_context(tempfile.TemporaryDirectory(prefix="prices-"))
    path = Path(directory) / "prices.toml"
    path.write_text(
        "".join(
            f'[models."{name}"]\ninput = {asked}\ncached_input = {asked}\noutput = {answered}\n'
            "as_of = 2026-01-01\n"
            for name, (asked, answered) in PRICES.items()
        )
    )
    return path
