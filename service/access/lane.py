"""Runs a worker's store jobs one after the other, off the event loop and outside the callers' greenlets.

Callers wait for an answer up to a limit; one that gives up or is killed leaves nothing half done. All that wait at the
same time are served by one transaction.
"""

import contextlib
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, Generic, Protocol, TypeVar

import gevent
from gevent.threadpool import ThreadPool
from sqlalchemy.exc import SQLAlchemyError

from service.access.health import Health, StoreAway, StoreReplaced, kind_of
from service.access.patience import waited

# with more per transaction, the first would wait for too long
MOST_AT_ONCE = 100
# often enough for several replies within the time a turn may wait
PROBE_SECONDS = 0.06
SLOW = "slow"
REPLACED = "replaced"

Job = TypeVar("Job")
Answer = TypeVar("Answer")
T = TypeVar("T")
# what becomes of a job
Outcome = Future


class TooSlow(Exception):
    """A job was ended because it exceeded its time."""


class Runner(Protocol):
    """Runs a blocking job without holding up the loop. Raises TooSlow."""

    def __call__(self, job: Callable[[], T], seconds: float) -> T: ...


def in_thread() -> Runner:
    """For SQLite, whose calls block: a real thread. They end by themselves, since they wait for locks only briefly."""
    pool = ThreadPool(1)

    def run(job: Callable[[], T], seconds: float) -> T:  # noqa: ARG001
        outcome: Outcome[T] = Outcome()
        # the pool would print exceptions raised in its thread
        pool.apply(_into(outcome, job))
        return outcome.result()

    return run


def _into(outcome: Outcome[T], job: Callable[[], T]) -> Callable[[], None]:
    def work() -> None:
        try:
            outcome.set_result(job())
        except Exception as error:  # noqa: BLE001 - raised where the job was given
            outcome.set_exception(error)

    return work


def cooperatively(replies: Callable[[], int], probe: Callable[[], object]) -> Runner:
    """For PostgreSQL, whose driver waits cooperatively. A connection that is abandoned mid-query is closed.

    probe: asks for a reply over another connection while a job may be waiting for other workers.
    """

    def run(job: Callable[[], T], seconds: float) -> T:
        outcome: Outcome[T] = Outcome()
        running, probing = gevent.spawn(_into(outcome, job)), gevent.spawn(_probe_often, probe)
        try:
            if _came(outcome, replies, seconds):
                return outcome.result()
            running.kill(block=False)
            raise TooSlow
        finally:
            probing.kill(block=False)

    return run


def _probe_often(probe: Callable[[], object]) -> None:
    # it fails if the job does
    with contextlib.suppress(SQLAlchemyError):
        while True:
            gevent.sleep(PROBE_SECONDS)
            probe()


def _came(outcome: Outcome[Any], replies: Callable[[], int], seconds: float) -> bool:
    return waited(lambda pause: _is_done(outcome, pause), replies, seconds)


def _is_done(outcome: Outcome[Any], seconds: float) -> bool:
    try:
        outcome.exception(seconds)
    except FutureTimeout:
        return False
    return True


class Lane(Generic[Job, Answer]):
    """work: answers to jobs, in their order. replies: a number that grows with everything that comes from the store.
    seconds: how long nothing may come."""

    def __init__(
        self,
        work: Callable[[list[Job]], list[Answer]],
        run: Runner,
        health: Health,
        replies: Callable[[], int],
        seconds: float,
    ) -> None:
        self._work = work
        self._run = run
        self._health = health
        self._replies = replies
        self._seconds = seconds
        self._waiting: queue.Queue[tuple[Job, Outcome[Answer]]] = queue.Queue()
        # one per waiting caller: set once the answer is there or will not come
        self._callers: set[threading.Event] = set()
        self._somebody_waits = threading.Event()
        self._nobody_waits = threading.Event()

    def start(self) -> None:
        """Called in the worker, after its fork."""
        for work in (self._serve, self._watch):
            threading.Thread(target=work, name="store", daemon=True).start()

    def put(self, job: Job) -> Outcome[Answer]:
        """The job runs even if its caller leaves. Raises StoreAway at once if the store is known to be unavailable."""
        self._health.require()
        outcome: Outcome[Answer] = Outcome()
        self._waiting.put((job, outcome))
        return outcome

    def answer(self, outcome: Outcome[Answer]) -> Answer:
        """Raises StoreAway."""
        over = threading.Event()
        outcome.add_done_callback(lambda _: over.set())
        self._wait(over)
        if not outcome.done():
            outcome.cancel()
            self._health.failed(SLOW)
            raise StoreAway
        return outcome.result()

    def _wait(self, over: threading.Event) -> None:
        self._callers.add(over)
        self._nobody_waits.clear()
        self._somebody_waits.set()
        try:
            over.wait()
        finally:
            self._callers.discard(over)
            if not self._callers:
                self._somebody_waits.clear()
                self._nobody_waits.set()

    def _watch(self) -> None:
        """One timer for all callers: hundreds of them would delay the very loop they measure."""
        while True:
            self._somebody_waits.wait()
            if not waited(self._nobody_waits.wait, self._replies, self._seconds):
                for over in list(self._callers):
                    over.set()

    def _serve(self) -> None:
        while True:
            batch = self._next_batch()
            if not batch:
                continue
            outcomes = [outcome for _, outcome in batch]
            try:
                answers = self._work_on([job for job, _ in batch])
                for outcome, answer in zip(outcomes, answers, strict=True):
                    outcome.set_result(answer)
            except Exception as error:  # noqa: BLE001 - it is those who wait that it is raised for
                for outcome in outcomes:
                    outcome.set_exception(error)

    def _work_on(self, jobs: list[Job]) -> list[Answer]:
        self._health.require()
        try:
            return self._run(lambda: self._work(jobs), self._seconds)
        except StoreReplaced:
            self._health.failed(REPLACED)
        except TooSlow:
            self._health.failed(SLOW)
        except SQLAlchemyError as error:
            self._health.failed(kind_of(error))
        raise StoreAway

    def _next_batch(self) -> list[tuple[Job, Outcome[Answer]]]:
        """Skips callers that have left."""
        batch = [self._waiting.get()]
        while len(batch) < MOST_AT_ONCE and not self._waiting.empty():
            batch.append(self._waiting.get())
        return [(job, outcome) for job, outcome in batch if outcome.set_running_or_notify_cancel()]
