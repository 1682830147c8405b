"""What gunicorn's master knows about its workers, and the metrics of all workers as one text."""

import contextlib
import os
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from service.telemetry.worker_marks import WorkerMarks

EXIT_REASONS = ("stopped", "killed")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
# a starting worker creates a file before filling it
RENDER_ATTEMPTS = 5
FILLED_WITHIN_SECONDS = 0.05
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
LASTING_KINDS = ("counter", "histogram")


class Workers:
    """What the master knows about its workers."""

    def __init__(
        self, directory: Path, pids: Callable[[], list[int]], accepting: Callable[[], bool]
    ) -> None:
        self.ready = WorkerMarks(directory, "ready")
        self._left = WorkerMarks(directory, "left")
        self._pids = pids
        self._accepting = accepting
        self.directory = directory
        self.exits: Counter[str] = Counter(dict.fromkeys(EXIT_REASONS, 0))
        # a read while a worker's counts are being moved would count them twice
        self.files = threading.Lock()

    def pids(self) -> list[int]:
        return self._pids()

    def ended(self, pid: int, *, hung: bool = False) -> None:
        """Called when a worker has ended: drops its gauges, and adds its counts to those of earlier dead workers.

        hung: the master killed it because its event loop was stuck.
        """
        stopped = self._left.has(pid) and not hung
        self.exits["stopped" if stopped else "killed"] += 1
        self.ready.clear(pid)
        self._left.clear(pid)
        mark_process_dead(pid, str(self.directory))
        with self.files:
            for kind in LASTING_KINDS:
                _move(self.directory / f"{kind}_{pid}.db", self.directory / f"{kind}_gone.db")

    def state(self) -> str:
        """starting, ready or draining."""
        if not self._accepting():
            return "draining"
        return "ready" if any(map(self.ready.has, self.pids())) else "starting"


class ProcessCollector:
    """Process metrics of the whole container, read from the operating system: multiprocess mode has none."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    def collect(self) -> Iterator[Metric]:
        pids = self._workers.pids()
        everyone = [os.getpid(), *pids]
        yield GaugeMetricFamily("chat_workers", "Worker processes.", value=len(pids))
        exits = CounterMetricFamily(
            "chat_worker_exits", "Workers that ended: stopped or killed.", labels=["reason"]
        )
        for reason, count in self._workers.exits.items():
            exits.add_metric([reason], count)
        yield exits
        yield GaugeMetricFamily(
            "chat_memory_bytes", "Resident memory.", value=sum(map(_resident_bytes, everyone))
        )
        yield CounterMetricFamily(
            "chat_cpu_seconds", "CPU time, dead workers included.", value=_cpu_seconds(pids)
        )
        yield GaugeMetricFamily(
            "chat_metrics_directory_bytes",
            "Size of the workers' metrics files.",
            value=sum(map(_file_bytes, self._workers.directory.glob("*.db"))),
        )


def _move(source: Path, target: Path) -> None:
    """Adds one file's counts to another: one file per dead worker would slow every scrape down."""
    with contextlib.suppress(FileNotFoundError):
        # a worker that was killed while creating its file leaves an empty one
        if source.stat().st_size:
            sums = MmapedDict(target)
            for key, value, _, _ in MmapedDict.read_all_values_from_file(source):
                sums.write_value(key, sums.read_value(key)[0] + value, 0.0)
            sums.close()
        source.unlink()


def render(workers: Workers) -> bytes:
    """All workers summed, in Prometheus' text format."""
    with workers.files:
        return _rendered(workers)


def _rendered(workers: Workers) -> bytes:
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(workers.directory))
    registry.register(ProcessCollector(workers))
    for _ in range(RENDER_ATTEMPTS - 1):
        with contextlib.suppress(OSError, struct.error):
            return generate_latest(registry)
        time.sleep(FILLED_WITHIN_SECONDS)
    return generate_latest(registry)


def _file_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _resident_bytes(pid: int) -> int:
    """Proportional where the kernel reports it, so that pages shared by workers count once."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES
    except (OSError, ValueError, IndexError):
        return 0


def _cpu_seconds(worker_pids: list[int]) -> float:
    own = os.times()
    return sum(own[:4]) + sum(map(_cpu_seconds_of, worker_pids))


def _cpu_seconds_of(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND
