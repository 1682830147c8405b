"""What keys cost: the same turns with ACCESS=open, and with a key and all its limits on SQLite and on PostgreSQL.

python -m tests.bench.keyed [--turns N]

Prints what a turn waits longer for, and how many keyed turns a second are held.
"""

import argparse
import http.client
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.bench.conditions import keyed, priced
from tests.bench.servers import Ours
from tests.support.postgres import PostgresServer
from tests.support.service import Service
from tests.support.simulator import SimulatorProcess, directive

QUESTION = json.dumps({"question": directive(tokens=2)})
CALLERS = 32


@contextmanager
def servers(upstream: str) -> Iterator[dict[str, tuple[Service, str | None]]]:
    """By name, with the key to ask with."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="keyed-")))
        postgres = stack.enter_context(PostgresServer())
        stores = {
            "SQLite": f"sqlite:///{folder}/access.sqlite3",
            "PostgreSQL": postgres.address(),
        }
        wanted: dict[str, tuple[dict[str, object], str | None]] = {
            "open": (priced(folder) | {"ACCESS": "open"}, None)
        }
        for name, address in stores.items():
            (folder / name).mkdir()
            wanted[name] = keyed(folder / name, address)
        running = {
            name: (stack.enter_context(Ours(upstream, **settings)), key)
            for name, (settings, key) in wanted.items()
        }
        yield running


class Caller:
    def __init__(self, service: Service, key: str | None) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
        self._headers = {"Content-Type": "application/json"}
        if key:
            self._headers["Authorization"] = f"Bearer {key}"

    def ask(self) -> float:
        """Seconds. Raises RuntimeError for a refusal."""
        began = time.perf_counter()
        self._connection.request("POST", "/chat", QUESTION, self._headers)
        response = self._connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise RuntimeError(body.decode())
        return time.perf_counter() - began


def lone(running: dict[str, tuple[Service, str | None]], turns: int) -> dict[str, list[float]]:
    """One turn after the other, each kind in its turn, so that whatever else runs here hits all alike."""
    callers = {name: Caller(*each) for name, each in running.items()}
    for caller in callers.values():
        for _ in range(20):
            caller.ask()
    taken: dict[str, list[float]] = {name: [] for name in callers}
    for _ in range(turns):
        for name, caller in callers.items():
            taken[name].append(caller.ask())
    return taken


def at_once(service: Service, key: str | None, turns: int) -> float:
    """Turns per second."""
    callers = [Caller(service, key) for _ in range(CALLERS)]
    each = turns // CALLERS
    with ThreadPoolExecutor(CALLERS) as threads:
        # connections that are opened, and workers that have met a crowd
        list(threads.map(lambda caller: [caller.ask() for _ in range(5)], callers))
        began = time.perf_counter()
        list(threads.map(lambda caller: [caller.ask() for _ in range(each)], callers))
    return each * CALLERS / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.keyed")
    parser.add_argument("--turns", type=int, default=1000)
    turns = parser.parse_args().turns
    with SimulatorProcess() as simulator, servers(simulator.base_url) as running:
        taken = lone(running, turns)
        base = quantiles(taken["open"])
        print("| access | p50 ms | p99 ms | added p50 | added p99 | turns/s, 32 callers |")
        print("|---|---|---|---|---|---|")
        for name, seconds in taken.items():
            p50, p99 = quantiles(seconds)
            rate = at_once(*running[name], turns)
            print(
                f"| {name} | {p50:.2f} | {p99:.2f} | {p50 - base[0]:+.2f} | {p99 - base[1]:+.2f} | {rate:.0f} |"
            )
    print(f"load average {os.getloadavg()[0]:.1f}")


def quantiles(seconds: list[float]) -> tuple[float, float]:
    """Median and p99, in milliseconds."""
    return statistics.median(seconds) * 1000, sorted(seconds)[len(seconds) * 99 // 100] * 1000


if __name__ == "__main__":
    main()
