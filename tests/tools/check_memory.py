"""Whether the memory that compose gives the service by default holds the workers and answers of its defaults.

python -m tests.tools.check_memory
"""

import sys

from service.settings.catalogue import Concurrency, Processes
from service.settings.containers import Containers

# what `make bench` measures, with a margin: what is loaded before the fork, what each worker adds, what an answer takes
SHARED_MB = 260
WORKER_MB = 70
STREAM_KB = 100
UNITS_MB = {"m": 1, "g": 1024}


def needed_mb(workers: int, slots: int) -> float:
    """slots: of each worker."""
    return SHARED_MB + workers * (WORKER_MB + slots * STREAM_KB / 1024)


def given_mb(memory: str) -> float:
    return float(memory[:-1]) * UNITS_MB[memory[-1].lower()]


def main() -> int:
    workers, slots, memory = (
        kind.model_fields[name].default
        for kind, name in (
            (Processes, "web_concurrency"),
            (Concurrency, "max_concurrent_turns"),
            (Containers, "service_memory"),
        )
    )
    needed = needed_mb(workers, slots)
    if needed <= given_mb(memory):
        return 0
    print(
        f"SERVICE_MEMORY={memory} does not hold WEB_CONCURRENCY={workers} with"
        f" MAX_CONCURRENT_TURNS={slots}: they may need {needed:.0f} MB."
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
