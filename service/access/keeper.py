"""Keeps one worker's view of the store current: changed keys, heartbeats, open answers of dead workers.

One background thread; a request with an unknown key waits for its next round.
"""

import random
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from service.access.health import Health, StoreAway, StoreReplaced, kind_of
from service.access.keyring import Keyring
from service.access.lane import REPLACED, SLOW, Runner, TooSlow
from service.access.listener import Listener
from service.access.patience import waited
from service.access.store import Store
from service.access.upkeep import LEASE_SECONDS

LOOK_SECONDS = 2.0
# while the store is unavailable
RETRY_SECONDS = 1.0
# a lower bound, however many unknown keys are tried
SHORTEST_PAUSE_SECONDS = 0.1
# for reading, connecting and cleaning up
JOB_SECONDS = 3.0
BEAT_SECONDS = 5.0
SWEEP_SECONDS = 5.0
BUDGETS_SECONDS = 15.0
TIDY_SECONDS = 60.0
# deletes of old rows per round: a backlog must not hold up heartbeats, nor a slow disk
MOST_DELETES = 10
DELETES_SECONDS = 1.0
SPREAD = random.SystemRandom()


@dataclass
class Duty:
    """A periodic task, spread so that the workers do not all run it at the same time.

    act: returns whether more is left to do, which is due at once.
    """

    every_seconds: float
    act: Callable[[], bool | None]
    due_at: float = field(default=0.0)

    def postpone(self, now: float) -> None:
        self.due_at = now + self.every_seconds * SPREAD.uniform(0.8, 1.2)


class Worker(Protocol):
    """The worker it serves. running: turns that have begun and not ended."""

    @property
    def running(self) -> Collection[str]: ...
    def looked(self) -> None:
        """Called after each successful round."""


class Keeper:
    """The keeper of one worker."""

    def __init__(
        self,
        store: Store,
        keyring: Keyring,
        health: Health,
        run: Runner,
        worker: Worker,
        listener: Listener,
        ledger_days: int,
    ) -> None:
        self._store = store
        self._keyring = keyring
        self._health = health
        self._run = run
        self._worker = worker
        self._listener = listener
        self._ledger_days = ledger_days
        self._beating_since: float | None = None
        self.clock_ahead_us = 0
        self._beat = Duty(BEAT_SECONDS, self._give_sign)
        self._duties = [
            Duty(SWEEP_SECONDS, self._sweep),
            Duty(BUDGETS_SECONDS, self._tell_budgets),
            Duty(TIDY_SECONDS, self._forget_idle_users),
            Duty(TIDY_SECONDS, self._forget_old_rows),
        ]
        self._changed = threading.Condition()
        self._wanted = False
        self._began = 0
        self._ended = 0

    def start(self) -> None:
        """Called in the worker, after its fork."""
        threading.Thread(target=self._serve, name="keeper", daemon=True).start()

    def look_again(self, seconds: float) -> None:
        """Returns after a round that began later than this call. Raises StoreAway."""
        self._health.require()
        with self._changed:
            next_one = self._began + 1
            self._wanted = True
            self._changed.notify_all()

            def wait(pause: float) -> bool:
                return self._changed.wait_for(lambda: self._ended >= next_one, pause)

            if not waited(wait, lambda: self._store.database.replies, seconds):
                raise StoreAway
        self._health.require()

    def look(self) -> None:
        """One round: checks whether the store is up, reads changes, and runs due tasks."""
        try:
            self._look()
            self._health.recovered()
            self._worker.looked()
            self._do_what_is_due()
        except StoreReplaced:
            self._lost(REPLACED)
        except TooSlow:
            self._lost(SLOW)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next look comes
            self._lost(kind_of(error))

    def _serve(self) -> None:
        while True:
            with self._changed:
                self._began += 1
                self._wanted = False
            self.look()
            with self._changed:
                self._ended = self._began
                self._changed.notify_all()
            time.sleep(SHORTEST_PAUSE_SECONDS)
            with self._changed:
                pause = LOOK_SECONDS if self._health.up else RETRY_SECONDS
                self._changed.wait_for(lambda: self._wanted, pause - SHORTEST_PAUSE_SECONDS)

    def _look(self) -> None:
        known = self._keyring.number
        if known < 0 or not self._health.up:
            self._run(self._store.database.open_all, JOB_SECONDS)
        changes = self._run(lambda: self._store.changes_since(known), JOB_SECONDS)
        if changes.number < known:
            # an older state of the same store was restored
            changes = self._run(lambda: self._store.changes_since(-1), JOB_SECONDS)
        self._keyring.learn(changes)
        # a store that can be read can not necessarily be written
        if not self._health.up or time.monotonic() >= self._beat.due_at:
            self._give_sign()
            self._beat.postpone(time.monotonic())

    def _do_what_is_due(self) -> None:
        for duty in self._duties:
            if time.monotonic() >= duty.due_at and not duty.act():
                duty.postpone(time.monotonic())

    def _lost(self, cause: str) -> None:
        self._beating_since = None
        self._store.database.forget()
        self._health.failed(cause)

    def _give_sign(self) -> None:
        now_us = self._run(self._store.beat, JOB_SECONDS)
        self.clock_ahead_us = now_us - time.time_ns() // 1000
        if self._beating_since is None:
            self._beating_since = time.monotonic()

    def _sweep(self) -> None:
        since = self._beating_since
        if since is None or time.monotonic() - since < LEASE_SECONDS:
            return
        running = set(self._worker.running)
        swept = self._run(lambda: self._store.sweep(running), JOB_SECONDS)
        if swept:
            self._listener.leases_swept(swept)

    def _tell_budgets(self) -> None:
        self._listener.budgets_used(self._run(self._store.budgets, JOB_SECONDS))

    def _forget_idle_users(self) -> None:
        self._run(self._store.forget_idle_users, JOB_SECONDS)

    def _forget_old_rows(self) -> bool:
        forget = partial(self._store.forget_old_rows, self._ledger_days)
        until = time.monotonic() + DELETES_SECONDS
        for _ in range(MOST_DELETES):
            if not self._run(forget, JOB_SECONDS):
                return False
            if time.monotonic() >= until:
                break
        return True
