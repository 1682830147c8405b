"""What workers cost before they have served anything: python -m tests.bench.workers [N …]

For each number of workers, ours and the stock code's: seconds and CPU seconds until they are ready, the memory of all
processes together (proportional set size), and the memory that each further worker has alone.
"""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench import processes, servers
from tests.bench.servers import Ours, Stock
from tests.support.simulator import SimulatorProcess

NUMBERS = (1, 2, 8)


def main() -> None:
    numbers = [int(each) for each in sys.argv[1:]] or NUMBERS
    print(f"{'server':8}{'workers':>8}{'ready s':>9}{'CPU s':>8}{'all MB':>8}{'own MB':>8}")
    with SimulatorProcess() as simulator:
        for number in numbers:
            servers.WORKERS = number
            _tell("stock", number, lambda: Stock(simulator.base_url))
            _tell("ours", number, lambda: Ours(simulator.base_url, WEB_CONCURRENCY=number))  # noqa: B023


def _tell(name: str, number: int, start: Callable[[], Stock | Ours]) -> None:
    began = time.monotonic()
    with start() as server:
        # less the second of calm that is waited for
        seconds = time.monotonic() - began - 1
        pids = server.pids()
        own = statistics.median(_own_bytes(pid) for pid in pids[1:])
        spent, held = processes.cpu_seconds(pids), processes.memory_bytes(pids)
        figures = f"{seconds:9.1f}{spent:8.1f}{held >> 20:8}{int(own) >> 20:8}"
    print(f"{name:8}{number:8}{figures}", flush=True)


def _own_bytes(pid: int) -> int:
    """Pages that no other process shares."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_"))


if __name__ == "__main__":
    main()
