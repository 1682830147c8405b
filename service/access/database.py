"""Connections to SQLite or PostgreSQL, set up so that limits are exact and the event loop never blocks.

On SQLite, a writing transaction takes the write lock first: one that reads first would lose updates or fail at once.
Its calls block, so the service makes them in a real thread. PostgreSQL is set up to end the transactions of clients
that have gone.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError

from service.access.direct import AnyConnection, DirectConnection, errors_wrapped

# admissions, the ledger's writer, the keeper of keys and leases, and one for probes
CONNECTIONS = 4
CONNECT_SECONDS = 2
POSTGRESQL_SESSION = {
    "statement_timeout": 500,
    # after this, check whether the others make progress
    "lock_timeout": 50,
    # a busy event loop comes back within this time
    "idle_in_transaction_session_timeout": 5000,
    # an admission lost in a database crash does no harm: its answer is counted all the same
    "synchronous_commit": "off",
}
# for work that may take time: rows that must not be lost, reports, and cleaning up
POSTGRESQL_BACKGROUND = {
    "statement_timeout": "30s",
    "lock_timeout": "1s",
    "synchronous_commit": "on",
}
# clock_timestamp() advances while a transaction waits; now() is its start
POSTGRESQL_CLOCK = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
CLOCK = text(f"SELECT {POSTGRESQL_CLOCK}")
DRIVERS = {
    "sqlite": "sqlite+pysqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}
BEGIN_WRITING = "BEGIN IMMEDIATE"
# SQLite's write-ahead log needs shared memory, which does not work there
NETWORK_FILE_SYSTEMS = ("nfs", "cifs", "smb", "9p", "lustre", "gpfs", "ceph", "gluster", "fuse.")


class UnusableDatabase(ValueError):
    """One sentence for the operator. It never quotes the address, which may contain a password."""


class Database:
    """The connections of one process: created after the fork, opened on first use.

    busy_seconds: how long SQLite waits for another process's transaction. replies: counts replies.
    """

    def __init__(self, url: URL, busy_seconds: float = 5) -> None:
        self.url = url
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self.replies = 0
        # where writers wait for each other
        self.queue: Callable[[], AbstractContextManager[None]] = nullcontext
        options = _sqlite_options(busy_seconds) if self.is_sqlite else _postgresql_options()
        # query parameters are key hashes and user names: keep them out of error messages
        self._engine = create_engine(
            url,
            hide_parameters=True,
            pool_size=CONNECTIONS,
            max_overflow=0,
            pool_timeout=CONNECT_SECONDS,
            **options,
        )
        # an error of SQLite does not mean that the holder of the file makes progress
        answers = (
            "connect",
            "after_cursor_execute",
            *(() if self.is_sqlite else ("handle_error",)),
        )
        for answered in answers:
            event.listen(self._engine, answered, self.replied)
        if self.is_sqlite:
            event.listen(self._engine, "connect", _prepare_sqlite)
            event.listen(self._engine, "begin", _begin_sqlite)

    @contextmanager
    def writing(self, *, background: bool = False) -> Iterator[Connection]:
        """A transaction. In the background it may take longer, and is on disk once it returns."""
        with self.queue(), self._engine.begin() as connection:
            if background and not self.is_sqlite:
                connection.execute(SET_LOCAL, POSTGRESQL_BACKGROUND)
            yield connection

    def writing_turns(self, *, background: bool = False) -> AbstractContextManager[AnyConnection]:
        """A transaction that turns begin or end with."""
        return self._directly() if self.is_sqlite else self.writing(background=background)

    @contextmanager
    def reading(self, *, background: bool = False) -> Iterator[Connection]:
        with self._engine.connect().execution_options(reading=True) as connection:
            if background and not self.is_sqlite:
                connection.execute(SET_LOCAL, POSTGRESQL_BACKGROUND)
            yield connection

    def written_at(self) -> tuple[int, int]:
        """SQLite only: modification time and size of the write-ahead log."""
        try:
            log = Path(f"{self.url.database}-wal").stat()
        except OSError:
            return 0, 0
        return log.st_mtime_ns, log.st_size

    def in_use(self) -> int:
        """The number of connections in use."""
        return int(self._engine.pool.checkedout())  # type: ignore[attr-defined]

    def open_all(self) -> None:
        """Opens every connection in advance: opening one takes long on a busy machine."""
        with ExitStack() as stack:
            for _ in range(1 if self.is_sqlite else CONNECTIONS - self.in_use()):
                stack.enter_context(self._engine.connect())

    def probe(self) -> None:
        """Asks for any reply."""
        with self._engine.connect() as connection:
            connection.exec_driver_sql("SELECT 1")

    def forget(self) -> None:
        """Closes idle connections; the next transaction opens a new one."""
        self._engine.dispose()

    def replied(self, *_: object) -> None:
        """Called for each reply of the store."""
        self.replies += 1

    @contextmanager
    def _directly(self) -> Iterator[DirectConnection]:
        with self.queue(), errors_wrapped():
            connection = self._engine.raw_connection()
            try:
                cursor = connection.cursor()
                cursor.execute(BEGIN_WRITING)
                self.replied()
                yield DirectConnection(cursor, self.replied)
                connection.commit()
            finally:
                # which rolls back what was not committed
                connection.close()


def now_us(connection: Connection) -> int:
    """The database's time, shared by everybody who uses it."""
    if connection.dialect.name == "sqlite":
        return time.time_ns() // 1000
    return int(connection.scalar(CLOCK) or 0)


def database_url(address: str) -> URL:
    """Raises UnusableDatabase."""
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        raise UnusableDatabase("is not the address of a database") from None
    driver = DRIVERS.get(url.drivername)
    if driver is None or not url.database:
        raise UnusableDatabase(
            "must be sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE,"
            " the password percent-encoded"
        )
    return url.set(drivername=driver)


def prepare_file(url: URL) -> None:
    """Creates the folder of an SQLite file. Raises UnusableDatabase if the file could not be shared or written."""
    folder = Path(str(url.database)).absolute().parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnusableDatabase(f"{folder} cannot be made: {error.strerror}") from None
    if not os.access(folder, os.W_OK):
        raise UnusableDatabase(f"{folder} cannot be written to")
    kind = file_system(folder, Path("/proc/mounts"))
    if kind.startswith(NETWORK_FILE_SYSTEMS):
        raise UnusableDatabase(
            f"{folder} is on a network file system ({kind}), where SQLite loses data; use a local disk or PostgreSQL"
        )


def file_system(folder: Path, mounts: Path) -> str:
    """The type of the folder's file system, as Linux names it; empty if unknown."""
    try:
        lines = [line.split() for line in mounts.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return ""
    holders = [line for line in lines if folder.resolve().is_relative_to(_unescaped(line[1]))]
    # the deepest mount wins, and of two at the same place the later one
    return max(
        enumerate(holders), key=lambda item: (len(item[1][1]), item[0]), default=(0, [""] * 3)
    )[1][2]


def _unescaped(mount_point: str) -> str:
    return mount_point.replace("\\040", " ")


def _sqlite_options(busy_seconds: float) -> dict[str, Any]:
    return {"connect_args": {"timeout": busy_seconds}}


def _postgresql_options() -> dict[str, Any]:
    session = " ".join(f"-c {name}={value}" for name, value in POSTGRESQL_SESSION.items())
    arguments = {
        "connect_timeout": CONNECT_SECONDS,
        "options": session,
        "application_name": "chat-service",
        # the kernel notices a server that vanished silently
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 2,
        "tcp_user_timeout": 5000,
    }
    return {"connect_args": arguments}


SET_LOCAL = text(
    "SELECT " + ", ".join(f"set_config('{name}', :{name}, true)" for name in POSTGRESQL_BACKGROUND)
)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # the driver would begin transactions on its own, later than we need
    connection.isolation_level = None
    mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    if mode != "wal":
        raise UnusableDatabase("SQLite's write-ahead log cannot be used here")
    # after a power failure the last rows may be missing, but the log has them
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA foreign_keys=ON")


def _begin_sqlite(connection: Connection) -> None:
    reading = connection.get_execution_options().get("reading")
    connection.exec_driver_sql("BEGIN" if reading else BEGIN_WRITING)
