"""P11 to P19: what happens to the store of keys and of the ledger, which must cost nobody an answer or a row."""

import sqlite3
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path

from sqlalchemy import select

from service.access import schema
from service.access.database import Database, database_url
from service.access.keys import ANONYMOUS, Key
from service.access.migrate import migrate
from tests.crash.case import Case
from tests.crash.stack import Plan
from tests.crash.trial import Trial
from tests.support.access_store import FILE, change_key
from tests.support.postgres import PostgresServer

# the contract's, and what a machine adds that tests keep busy
MOST_DELAY_SECONDS = 0.25
SLACK_SECONDS = 0.15
DISK = "size=160m"
PIECE = 65536

Change = Callable[[], object]
Disk = Callable[[Path], AbstractContextManager[object]]


def without_store(trial: Trial, address: str, lose: Change, regain: Change) -> None:
    """Every answer comes in time, the loss is reported, and afterwards each turn has one row and is charged once."""
    service = trial.stack.service
    up = lambda: service.metric("chat_dependency_up", dependency="database")  # noqa: E731
    trial.until(10, lambda: up() == 1, "the store was not told as up")
    before = trial.load(30)
    lose()
    during = trial.load(40)
    trial.until(20, lambda: up() == 0, "the loss was not told")
    during += trial.load(10)
    trial.check(service.get("/ready", port=service.metrics_port)[0] == 200, "not ready")
    regain()
    trial.until(30, lambda: up() == 1, "the store was not told as up again")
    trial.load(10)
    check_delay(trial, before, during)
    check_rows(trial, address)


def restarts(trial: Trial, address: str, restart: Change) -> None:
    """It may be over before anybody notices."""
    before = trial.load(30)
    restart()
    during = trial.load(40)
    check_delay(trial, before, during)
    check_rows(trial, address)


def check_delay(trial: Trial, before: list[float], during: list[float]) -> None:
    delay = max(during) - sorted(before)[len(before) // 2]
    trial.note(f"slowest turn {delay * 1000:+.0f} ms")
    trial.check(delay <= MOST_DELAY_SECONDS + SLACK_SECONDS, f"a turn waited {delay:.2f} s")


def check_rows(trial: Trial, address: str) -> None:
    """The ledger has the turns of the log, each once, and their cost is what was charged."""
    # the last turn's line may come after its answer
    logged = lambda: Counter(line["turn_id"] for line in trial.stack.service.turns(0))  # noqa: E731
    reached = lambda: Counter(found(address)[0]) == logged()  # noqa: E731
    trial.until(30, reached, "the ledger does not have the turns of the log")
    turns, cost, charged = found(address)
    told = logged()
    lost, extra = len(told - Counter(turns)), len(Counter(turns) - told)
    trial.note(f"{len(told)} rows, {lost} lost, {extra} twice")
    trial.check(cost == charged, f"{charged} charged for {cost} of the ledger")


def found(address: str) -> tuple[list[str], int, int]:
    """Turns of the ledger, what they cost, and what their key was charged."""
    database = Database(database_url(address))
    try:
        with database.reading(background=True) as connection:
            rows = connection.execute(select(schema.ledger.c.turn_id, schema.ledger.c.cost)).all()
            own = schema.states.c.key == ANONYMOUS, schema.states.c.user_id == ""
            charged = connection.scalar(select(schema.states.c.spent_month).where(*own))
    finally:
        database.forget()
    return [row.turn_id for row in rows], sum(row.cost for row in rows), int(charged or 0)


def prepare(address: str) -> None:
    migrate(database_url(address))
    # open access without limits: these cases are about the store
    change_key(address, Key(ANONYMOUS, allow_unpriced=True))


@contextmanager
def with_postgres(server: PostgresServer) -> Iterator[Plan]:
    with server:
        prepare(server.address())
        yield Plan(settings={"DATABASE_URL": server.address(), "ACCESS": "open"})


@contextmanager
def with_small_disk(folder: Path) -> Iterator[None]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", DISK, "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(filler: Path) -> None:
    """Takes what is left of its disk."""
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(PIECE))


class PostgresCase:
    """One server, made for one case. lose, regain: what is done with it."""

    def __init__(self, lose: str, regain: str = "") -> None:
        self._lose, self._regain = lose, regain
        self._server: PostgresServer

    @contextmanager
    def plans(self) -> Iterator[Plan]:
        self._server = PostgresServer()
        with with_postgres(self._server) as plan:
            yield plan

    def run(self, trial: Trial) -> None:
        lose = getattr(self._server, self._lose)
        if not self._regain:
            restarts(trial, self._server.address(), lose)
            return
        regain = getattr(self._server, self._regain)
        without_store(trial, self._server.address(), lose, regain)


class FullDisk:
    """PostgreSQL on a disk that somebody else fills."""

    @contextmanager
    def plans(self) -> Iterator[Plan]:
        self._server = PostgresServer()
        with with_small_disk(self._server.folder):
            self._server.own_folder()
            with with_postgres(self._server) as plan:
                yield plan

    def run(self, trial: Trial) -> None:
        filler = self._server.folder / "filler"

        def lose() -> None:
            fill(filler)
            # it goes on writing into what it has reserved; it may end before it answers
            with suppress(subprocess.CalledProcessError):
                self._server.sql("SELECT pg_switch_wal()")

        def regain() -> None:
            filler.unlink()
            # it ends itself when it cannot write its log
            self._server.restart()

        without_store(trial, self._server.address(), lose, regain)


class SqliteCase:
    """A file on a small disk, with the rows that wait for it. lose, regain: what is done with it."""

    def __init__(self, lose: str, regain: str, disk: Disk = with_small_disk) -> None:
        self._lose, self._regain, self._disk = lose, regain, disk

    @contextmanager
    def plans(self) -> Iterator[Plan]:
        with tempfile.TemporaryDirectory(prefix="store-") as name, self._disk(Path(name)):
            self._file = Path(name) / FILE
            self._address = f"sqlite:///{self._file}"
            prepare(self._address)
            store = {"DATABASE_URL": self._address, "DATA_DIR": name}
            try:
                yield Plan(settings={**store, "ACCESS": "open"})
            finally:
                # else the folder could not be deleted
                self.allow_writing()

    def run(self, trial: Trial) -> None:
        lose, regain = getattr(self, self._lose), getattr(self, self._regain)
        without_store(trial, self._address, lose, regain)

    def lock(self) -> None:
        self._holder = sqlite3.connect(self._file, isolation_level=None, check_same_thread=False)
        self._holder.execute("BEGIN EXCLUSIVE")

    def unlock(self) -> None:
        self._holder.execute("ROLLBACK")
        self._holder.close()

    def fill(self) -> None:
        fill(self._file.with_name("filler"))

    def clear(self) -> None:
        self._file.with_name("filler").unlink()

    def forbid_writing(self) -> None:
        """Also to who has opened it."""
        self._change("+i")

    def allow_writing(self) -> None:
        self._change("-i")

    def _change(self, attribute: str) -> None:
        log = self._file.with_name(f"{FILE}-wal")
        subprocess.run(["chattr", attribute, str(self._file), str(log)], check=True)


KILLED, SILENT = PostgresCase("kill", "start"), PostgresCase("pause", "resume")
RESTARTED, REPLACED = PostgresCase("restart"), PostgresCase("lend", "give_back")
READ_ONLY, FULL = PostgresCase("forbid_writing", "allow_writing"), FullDisk()
LOCKED, SMALL = SqliteCase("lock", "unlock"), SqliteCase("fill", "clear")
# a file system in memory goes on writing to what is open
PROTECTED = SqliteCase("forbid_writing", "allow_writing", nullcontext)

CASES = tuple(
    Case(name, title, run, plans=plans, seconds=30, alone=True)
    for name, title, run, plans in (
        ("P11", "PostgreSQL killed", KILLED.run, KILLED.plans),
        ("P12", "PostgreSQL stopped (SIGSTOP)", SILENT.run, SILENT.plans),
        ("P13", "PostgreSQL restarted", RESTARTED.run, RESTARTED.plans),
        ("P14", "PostgreSQL replaced by an empty one", REPLACED.run, REPLACED.plans),
        ("P15", "PostgreSQL read-only, as a standby", READ_ONLY.run, READ_ONLY.plans),
        ("P16", "PostgreSQL's disk is full", FULL.run, FULL.plans),
        ("P17", "SQLite locked by somebody else", LOCKED.run, LOCKED.plans),
        ("P18", "SQLite's disk is full", SMALL.run, SMALL.plans),
        ("P19", "SQLite read-only", PROTECTED.run, PROTECTED.plans),
    )
)
