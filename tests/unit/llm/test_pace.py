"""A busy worker reads less often, an idle one at once."""

import pytest

from service.llm.pace import LONGEST_SECONDS, Pace


class Worker:
    """A worker that uses a share of a core, on a clock of its own; its sleeps end `late` seconds late."""

    def __init__(self, share: float = 0.0, late: float = 0.0, streams: int = 100) -> None:
        self.share, self.late = share, late
        self.now = self.cpu = 100.0
        self.slept: list[float] = []
        self.wakes_at = 0.0
        self.meanwhile = []
        self.pace = Pace(lambda: self.now, lambda: self.cpu, self._sleep)
        self.pace.streams = streams

    def reads(self, count: int, every: float = 0.02) -> list[float]:
        """How long each of these reads had to wait."""
        waits = []
        for _ in range(count):
            self.slept.clear()
            self.pace.wait()
            waits.append(sum(self.slept))
            self._pass(every)
        return waits

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.wakes_at = max(self.wakes_at, self.now + seconds)
        if self.meanwhile:
            # who begins to sleep now wakes with the first
            self.meanwhile.pop()()
        self._pass(max(0.0, self.wakes_at - self.now) + self.late)

    def _pass(self, seconds: float) -> None:
        self.now += seconds
        self.cpu += seconds * self.share


def test_an_idle_worker_reads_at_once():
    assert set(Worker(share=0.05).reads(200)) == {0}


@pytest.mark.parametrize("share", [0.15, 0.25, 0.5])
def test_a_busy_worker_waits_for_more_but_never_long(share):
    waits = Worker(share=share).reads(200)
    assert LONGEST_SECONDS - 0.02 < max(waits) <= LONGEST_SECONDS + 1e-9


def test_a_few_streams_of_a_busy_worker_hardly_wait():
    """Many cost much less when they wake together; one has nobody to wait for."""
    assert 0 < max(Worker(share=0.5, streams=1).reads(200)) < 0.01
    assert max(Worker(share=0.5, streams=5).reads(200)) < 0.03


def test_what_is_neither_busy_nor_idle_changes_nothing():
    worker = Worker(share=0.1)
    assert set(worker.reads(200)) == {0}
    worker.share = 0.5
    worker.reads(20)
    worker.share = 0.1
    worker.reads(20)
    assert max(worker.reads(200)) > 0


@pytest.mark.parametrize(("late", "longest"), [(0.0, 0.01), (0.03, LONGEST_SECONDS)])
def test_lateness_alone_makes_a_worker_busy(late, longest):
    """Its CPU clock says little where others use the core, too."""
    worker = Worker(share=0.5)
    worker.reads(2, every=0.11)
    worker.share, worker.late = 0.1, late
    waits = worker.reads(200, every=0.0101)
    assert longest / 2 < max(waits) <= longest + 1e-9


def test_one_late_sleep_among_punctual_ones_counts():
    worker = Worker(share=0.5)
    worker.reads(2, every=0.11)
    worker.share = 0.1
    for _ in range(3):
        worker.late = 0.03
        worker.reads(1, every=0.001)
        worker.late = 0.0
        worker.reads(1, every=0.11)
    assert max(worker.reads(10, every=0.003)) > 0.03


def test_a_stream_that_wakes_with_another_one_is_not_late():
    """Few streams aim at earlier moments than many, but all wake with the first."""
    worker = Worker(share=0.5)
    worker.reads(3, every=0.11)
    worker.share = 0.1

    def few():
        worker.pace.streams = 1
        worker.pace.wait()
        worker.pace.streams = 100

    for _ in range(40):
        worker.meanwhile.append(few)
        worker.reads(1, every=0.003)
    assert 0.02 < max(worker.reads(20, every=0.003)) <= 0.03 + 1e-9


@pytest.mark.parametrize("late", [0.0, 0.03])
def test_a_worker_that_has_calmed_down_reads_at_once_again(late):
    worker = Worker(share=0.9, late=late)
    worker.reads(100)
    worker.share, worker.late = 0.05, 0.0
    worker.reads(100)
    assert set(worker.reads(50)) == {0}


def test_a_worker_that_was_idle_for_long_gets_busy_as_soon_as_any():
    worker = Worker(share=0.01)
    worker.reads(2000)
    worker.share = 0.9
    assert max(worker.reads(50)) > 0


def test_streams_of_a_busy_worker_wake_at_the_same_moments():
    worker = Worker(share=0.9)
    worker.reads(100)
    ends = []
    for begin in (1.001, 1.013, 1.037):
        worker.now, worker.slept = 1000 + begin, []
        worker.pace.wait()
        ends.append(round(worker.now, 6))
    assert len(set(ends)) == 1
