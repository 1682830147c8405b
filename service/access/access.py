"""One worker's access control: identifies keys, opens an account per turn, and reports what is left of each limit."""

import threading
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from psycopg import waiting

from service.access import secret
from service.access.account import Account, Estimates
from service.access.addresses import user_of_address
from service.access.admissions import Answer, Look, Question
from service.access.database import Database, database_url
from service.access.figures import Figures, described
from service.access.health import Health, StoreAway
from service.access.keeper import Keeper
from service.access.keyring import Keyring
from service.access.keys import ANONYMOUS, Key
from service.access.lane import Lane, Runner, cooperatively, in_thread
from service.access.ledger import Facts, LedgerRow
from service.access.listener import Listener
from service.access.offline import Offline
from service.access.periods import Calendar, Moment
from service.access.spool import Spool
from service.access.store import Store
from service.access.turnstile import Turnstile
from service.access.writer import Writer
from service.chat.account import KeyProblem
from service.errors import Forbidden, Unauthorized, Unavailable

# for rows of other workers
SETTLE_SECONDS = 0.05
# each holds one of the worker's slots meanwhile, which a flood of refused questions must not fill
MOST_SETTLING = 10
Mode = Literal["auto", "keys", "open"]


@dataclass(frozen=True)
class Policy:
    """mode auto: open until the first key exists. ledger_days: how long rows are kept. store_seconds: how long a turn
    waits for a store that does not reply."""

    mode: Mode = "auto"
    serves_without_store: bool = True
    ledger_days: int = 400
    store_seconds: float = 0.25


def open_access(
    address: str, folder: Path, zone: str, policy: Policy, estimates: Estimates, listener: Listener
) -> "Access":
    """Called in the worker after its fork; the tables must be up to date. folder: where rows wait for the store.

    Raises UnusableDatabase.
    """
    url = database_url(address)
    # short enough to check twice within store_seconds whether others make progress
    database = Database(url, busy_seconds=policy.store_seconds / 3)
    if not database.is_sqlite and waiting.wait is waiting.wait_c:
        raise RuntimeError("psycopg was imported before gevent's patch: it would block the loop")
    if database.is_sqlite:
        database.queue = Turnstile(f"{url.database}-turn", database.replied).passed
    run = (
        in_thread()
        if database.is_sqlite
        else cooperatively(lambda: database.replies, database.probe)
    )
    store = Store(database, Calendar(zone), worker=uuid.uuid4().hex)
    return Access(policy, store, (run, in_thread()), Spool(folder), estimates, listener)


class Access:
    """Created after the fork; start() begins the background work."""

    def __init__(
        self,
        policy: Policy,
        store: Store,
        runners: tuple[Runner, Runner],
        spool: Spool,
        estimates: Estimates,
        listener: Listener,
    ) -> None:
        """runners: for store jobs and for disk jobs."""
        run, disk = runners
        self._policy = policy
        self._calendar = store.calendar
        self.running: set[str] = set()
        self._health = Health(listener)
        self._keyring = Keyring()
        self.estimates = estimates
        self.listener = listener
        self.offline = Offline()
        self._settling = threading.BoundedSemaphore(MOST_SETTLING)
        self.lane: Lane[Question, Answer] = Lane(
            store.decide,
            run,
            self._health,
            lambda: store.database.replies,
            policy.store_seconds,
        )
        self._writer = Writer(store, self._health, run, spool, disk, listener)
        self._keeper = Keeper(
            store,
            self._keyring,
            self._health,
            run,
            self,
            listener,
            policy.ledger_days,
        )

    def start(self) -> None:
        """Returns once the keys are known, or the store is known to be unavailable."""
        self._keeper.look()
        self._keeper.start()
        self.lane.start()
        self._writer.start()

    def stop(self, seconds: float) -> bool:
        """Whether all rows have reached the store or the disk."""
        return self._writer.flush(seconds)

    # identification

    @property
    def is_open(self) -> bool:
        """Whether requests without a key are accepted."""
        mode = self._policy.mode
        return mode == "open" or (mode == "auto" and self._keyring.is_empty)

    def identify(self, authorization: str | None) -> Key:
        """authorization: the header. Raises Unauthorized, Forbidden, or Unavailable if keys cannot be checked."""
        if self._keyring.number < 0:
            self._look_again()
        bearer = _bearer(authorization)
        if self.is_open and not (bearer and bearer.startswith(secret.PREFIX)):
            # OpenAI's clients always send a key; one without our prefix is not meant for us
            return self._usable(self._keyring.anonymous)
        if not bearer:
            raise self._unauthorized("no_key")
        if not secret.is_well_formed(bearer):
            raise self._unauthorized("malformed")
        return self._find(secret.digest(bearer))

    def key(self, name: str) -> Key:
        """A key that identify() returned before."""
        return self._keyring.keys[name]

    # a turn

    @property
    def serves_without_store(self) -> bool:
        return self._policy.serves_without_store

    @property
    def ledger_is_stuck(self) -> bool:
        return self._writer.is_stuck

    def account(
        self,
        key: Key,
        *,
        turn_id: str,
        request_id: str,
        user_id: str | None,
        address: str,
        route: str,
    ) -> Account:
        """Opens a turn's account; the store is not queried before its begin()."""
        user = self.user_of(key, user_id, address)
        return Account(self, key, Facts(turn_id, request_id, key.name, user, route))

    def user_of(self, key: Key, user_id: str | None, address: str) -> str | None:
        """The user whose limits apply: X-User-ID is only a claim, and without a key it is ignored."""
        return user_of_address(address) if key.name == ANONYMOUS else user_id

    def usage(self, key: Key, user_id: str | None, address: str) -> dict[str, Any]:
        """What may be used and has been used, from the store or its last known state."""
        user = self.user_of(key, user_id, address)
        try:
            answer = self.lane.answer(self.lane.put(Look(key.name, user)))
        except StoreAway:
            answer = self.offline.look(key, user, self.now())
        if not answer.levels:
            raise Forbidden(cause="deleted")
        return described(key, user, Figures.of(answer))

    def now(self) -> Moment:
        """The time of the store's clock, if that is known."""
        return self._calendar.moment(time.time_ns() // 1000 + self._keeper.clock_ahead_us)

    def waited_for_ended(self) -> bool:
        """Rows are written a moment after their callers have the answer, and may then ask the next question."""
        if not self._settling.acquire(blocking=False):
            return False
        try:
            time.sleep(SETTLE_SECONDS)
            self._writer.flush(self._policy.store_seconds)
        finally:
            self._settling.release()
        return True

    def opened(self, turn_id: str) -> None:
        self.running.add(turn_id)

    def closed(self, row: LedgerRow) -> None:
        self.running.discard(row.facts.turn_id)
        self._writer.put(row)

    def looked(self) -> None:
        self.listener.access_is(is_open=self.is_open)
        for name in self._keyring.keys:
            self.listener.key_known(name)

    def _find(self, secret_hash: str) -> Key:
        key, problem = self._keyring.find(secret_hash, self.now().us)
        if problem == "unknown":
            # the key may have been created a moment ago
            self._look_again()
            key, problem = self._keyring.find(secret_hash, self.now().us)
        if key is None:
            raise self._unauthorized("unknown")
        if problem:
            self.listener.key_refused(problem)
            raise Forbidden(cause=problem)
        return key

    def _usable(self, key: Key) -> Key:
        if not key.is_usable(self.now().us):
            self.listener.key_refused("disabled")
            raise Forbidden(cause="disabled")
        return key

    def _look_again(self) -> None:
        try:
            self._keeper.look_again(self._policy.store_seconds)
        except StoreAway:
            raise Unavailable(cause="database") from None

    def _unauthorized(self, problem: KeyProblem) -> Unauthorized:
        self.listener.key_refused(problem)
        return Unauthorized(cause=problem)


def _bearer(authorization: str | None) -> str | None:
    scheme, _, credentials = (authorization or "").strip().partition(" ")
    return credentials.strip() or None if scheme.lower() == "bearer" else None
