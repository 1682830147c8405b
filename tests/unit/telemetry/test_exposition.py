"""What the master knows of its workers while they come and go."""

import os
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client import Counter, Gauge, Histogram, values
from prometheus_client.parser import text_string_to_metric_families

from service.telemetry import exposition
from service.telemetry.worker_marks import WorkerMarks

SELF = os.getpid()


@contextmanager
def metrics_of(pid: int, directory: Path, monkeypatch: pytest.MonkeyPatch):
    """Metrics made here belong to the worker of this pid."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(directory))
    made = values.MultiProcessValue(lambda: pid)
    monkeypatch.setattr("prometheus_client.metrics.values.ValueClass", made)
    yield
    monkeypatch.undo()


def samples(text: bytes) -> dict[str, float]:
    return {
        f"{sample.name}{sorted(sample.labels.items()) or ''}": sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_an_end_is_a_kill_unless_the_worker_said_that_it_left(master, tmp_path):
    left = WorkerMarks(tmp_path, "left")
    left.set(1)
    master.workers.ended(1)
    assert master.workers.exits == {"killed": 0, "stopped": 1}
    master.workers.ended(1)
    assert master.workers.exits == {"killed": 1, "stopped": 1}, "a mark is used up"


def test_a_worker_that_hung_was_killed_whatever_it_says(master, tmp_path):
    """gunicorn's abort raises SystemExit in it, and it leaves in order."""
    WorkerMarks(tmp_path, "left").set(1)
    master.workers.ended(1, hung=True)
    assert master.workers.exits == {"killed": 1, "stopped": 0}


def test_process_figures_are_there_from_the_start(master):
    found = samples(exposition.render(master.workers))
    assert found["chat_workers"] == 1
    assert found["chat_worker_exits_total[('reason', 'killed')]"] == 0
    assert found["chat_worker_exits_total[('reason', 'stopped')]"] == 0
    assert found["chat_memory_bytes"] > 1_000_000
    assert found["chat_cpu_seconds_total"] > 0
    assert found["chat_metrics_directory_bytes"] == 0


def test_workers_are_summed_and_a_dead_ones_gauges_go(master, tmp_path, monkeypatch):
    for pid, count in ((101, 3), (102, 4)):
        with metrics_of(pid, tmp_path, monkeypatch):
            Counter("some_total", "", registry=None).inc(count)
            Gauge("running", "", registry=None, multiprocess_mode="livesum").set(count)
    found = samples(exposition.render(master.workers))
    assert (found["some_total"], found["running"]) == (7, 7)
    master.workers.ended(101)
    found = samples(exposition.render(master.workers))
    assert (found["some_total"], found["running"]) == (7, 4)


def test_counts_of_the_dead_stay_in_the_space_of_one(master, tmp_path, monkeypatch):
    for pid in range(101, 111):
        with metrics_of(pid, tmp_path, monkeypatch):
            Counter("some_total", "", registry=None).inc(pid)
            took = Histogram("took", "", registry=None, buckets=(1, 2))
            took.observe(0.5)
            took.observe(5)
        before = samples(exposition.render(master.workers))
        master.workers.ended(pid)
        assert _counts(samples(exposition.render(master.workers))) == _counts(before)
    found = samples(exposition.render(master.workers))
    assert found["some_total"] == sum(range(101, 111))
    assert found["took_bucket[('le', '1.0')]"] == found["took_bucket[('le', '2.0')]"] == 10
    assert (found["took_count"], found["took_sum"]) == (20, 55)
    files = sorted(path.name for path in tmp_path.glob("*.db"))
    assert files == ["counter_gone.db", "histogram_gone.db"]


def _counts(found: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in found.items() if not name.startswith("chat_")}


def test_a_hundred_dead_workers_are_read_within_a_second(master, tmp_path, monkeypatch):
    """CPU time, which says the same on a machine that is busy with other things."""
    alive = range(1, 5)
    for pid in (*range(101, 201), *alive):
        with metrics_of(pid, tmp_path, monkeypatch):
            counter = Counter("some_total", "", ("kind",), registry=None)
            took = Histogram("took", "", ("kind",), registry=None)
            for kind in map(str, range(20)):
                counter.labels(kind).inc()
                took.labels(kind).observe(1)
        if pid not in alive:
            master.workers.ended(pid)
    began = time.thread_time()
    body = exposition.render(master.workers)
    assert time.thread_time() - began < 1
    assert b'some_total{kind="0"} 104.0' in body


def test_a_worker_that_was_killed_as_it_made_its_file_had_counted_nothing(master, tmp_path):
    (tmp_path / "counter_101.db").touch()
    master.workers.ended(101)
    assert b"chat_workers" in exposition.render(master.workers)
    assert list(tmp_path.glob("*.db")) == []


def test_nobody_reads_while_counts_move(master, tmp_path, monkeypatch):
    with metrics_of(101, tmp_path, monkeypatch):
        Counter("some_total", "", registry=None).inc(3)
    seen: list[float] = []
    reader = threading.Thread(
        target=lambda: seen.append(samples(exposition.render(master.workers))["some_total"])
    )
    real = exposition.MmapedDict.close

    def close(counts):
        """The moment at which a count is in both files."""
        reader.start()
        reader.join(0.2)
        real(counts)

    monkeypatch.setattr(exposition.MmapedDict, "close", close)
    master.workers.ended(101)
    reader.join(10)
    assert seen == [3]


def test_a_file_that_is_not_filled_yet_is_waited_for(master, tmp_path, monkeypatch):
    """A worker makes its file first, and gives it a length then."""
    empty = tmp_path / "counter_101.db"
    empty.touch()
    real = exposition.generate_latest

    def meanwhile(registry):
        try:
            return real(registry)
        finally:
            empty.write_bytes(bytes(1024))

    monkeypatch.setattr(exposition, "generate_latest", meanwhile)
    assert b"chat_workers" in exposition.render(master.workers)


def test_a_file_may_vanish_between_its_listing_and_its_reading(master, tmp_path):
    """Workers that end take their gauge files with them; a link to nowhere is listed and cannot be read, too."""
    (tmp_path / "gauge_livesum_101.db").symlink_to(tmp_path / "gone")
    assert b"chat_metrics_directory_bytes 0" in exposition.render(master.workers)


def test_cpu_time_is_kept_when_a_worker_ends(master):
    """The master waits for its dead, so theirs is part of its own."""
    before = exposition._cpu_seconds([])
    pid = os.fork()
    if pid == 0:
        until = os.times().user + 0.2
        while os.times().user < until:
            pass
        os._exit(0)
    os.waitpid(pid, 0)
    assert exposition._cpu_seconds([]) >= before + 0.15


@pytest.mark.parametrize("pid", [SELF, 2**22 + 1], ids=["alive", "gone"])
def test_figures_of_a_process_that_is_gone_are_zero(pid):
    alive = pid == SELF
    assert (exposition._resident_bytes(pid) > 0) == alive
    assert (exposition._cpu_seconds_of(pid) > 0) == alive
