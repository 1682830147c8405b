"""A real PostgreSQL, and ways to make it fail.

with PostgresServer() as postgres:
    postgres.pause()       # it holds its connections and answers nothing
    postgres.resume()
    postgres.kill()        # as a crash
    postgres.start()       # again, with what it had
    postgres.replace()     # by an empty one, on the same port
    postgres.lend()        # the same, until give_back()
"""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.debian import program
from tests.support.service import free_port

START_SECONDS = 30
PASSWORD = "p@ss/word:1"
PASSWORD_IN_URL = "p%40ss%2Fword%3A1"
OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "100",
    "fsync": "off",
    "shared_buffers": "32MB",
}
INIT = ("--auth", "trust", "--no-sync", "--encoding", "UTF8", "--locale", "C.UTF-8")
ACCESS = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
# PostgreSQL does not run as root
UNPRIVILEGED = "postgres"


class PostgresServer:
    """One server on a free port, with an empty database named chat that is owned by the user chat."""

    def __init__(self) -> None:
        self.port = free_port()
        self._user = UNPRIVILEGED if os.getuid() == 0 else None
        self._base = Path(tempfile.mkdtemp(prefix="postgres-"))
        self.own_folder()
        self._data = self._base / "data"
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def folder(self) -> Path:
        """Of everything that it writes."""
        return self._base

    def own_folder(self) -> None:
        """Again, where something was mounted on it."""
        if self._user:
            shutil.chown(self._base, self._user)

    def address(self, database: str = "chat") -> str:
        return f"postgresql://chat:{PASSWORD_IN_URL}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        if not self._data.exists():
            self._init()
        options = OPTIONS | {"port": self.port, "unix_socket_directories": self._base}
        flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with (self._base / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [program("postgres"), "-D", str(self._data), *flags],
                stdout=log,
                stderr=log,
                user=self._user,
            )
        self._wait_until_it_answers()

    def kill(self) -> None:
        """Crashes it: connections are reset, and nothing listens."""
        self.resume()
        pids = self._pids()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self._server is not None:
            self._server.wait()
            self._server = None
        while any(Path(f"/proc/{pid}").exists() for pid in pids):
            time.sleep(0.01)

    def restart(self) -> None:
        self.kill()
        self.start()

    def replace(self) -> None:
        self.kill()
        shutil.rmtree(self._data)
        self.start()

    def lend(self) -> None:
        """Its place to an empty one, until give_back()."""
        self.kill()
        self._data.rename(self._base / "own")
        self.start()

    def give_back(self) -> None:
        self.kill()
        shutil.rmtree(self._data)
        (self._base / "own").rename(self._data)
        self.start()

    def forbid_writing(self) -> None:
        self.sql("ALTER SYSTEM SET default_transaction_read_only = on")
        self.sql("SELECT pg_reload_conf()")

    def allow_writing(self) -> None:
        self.sql("ALTER SYSTEM RESET default_transaction_read_only")
        self.sql("SELECT pg_reload_conf()")

    def pause(self) -> None:
        """Freezes it: the kernel still accepts connections, but nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def sql(self, statement: str, database: str = "chat") -> str:
        """What psql prints for one statement, made by the server's owner."""
        done = subprocess.run(
            [*self._psql(database), "-Atc", statement],
            capture_output=True,
            text=True,
            check=True,
            user=self._user,
        )
        return done.stdout.strip()

    def session(self) -> "subprocess.Popen[str]":
        """psql that reads statements from its input."""
        return subprocess.Popen(
            [*self._psql("chat"), "-At"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            user=self._user,
        )

    @contextlib.contextmanager
    def locked(self, statement: str, most_seconds: float = 60) -> Iterator["subprocess.Popen[str]"]:
        """Another session, which keeps what the statement locks, but no longer than this."""
        session = self.session()
        assert session.stdin is not None
        assert session.stdout is not None
        session.stdin.write(f"BEGIN; {statement}; SELECT 'locked';\n")
        if not any("locked" in line for line in session.stdout):
            raise RuntimeError(f"{statement} does not lock")
        last = threading.Timer(most_seconds, session.stdin.close)
        last.start()
        try:
            yield session
        finally:
            last.cancel()
            session.stdin.close()
            session.wait()
            session.stdout.close()

    def log(self) -> str:
        return (self._base / "log").read_text(errors="replace")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        shutil.rmtree(self._base, ignore_errors=True)

    def _psql(self, database: str) -> list[str]:
        return [program("psql"), "-X", "-q", "-h", str(self._base), "-p", str(self.port), database]

    def _init(self) -> None:
        subprocess.run(
            [program("initdb"), "-D", str(self._data), *INIT],
            stdout=subprocess.DEVNULL,
            check=True,
            user=self._user,
        )
        (self._data / "pg_hba.conf").write_text(ACCESS)

    def _wait_until_it_answers(self) -> None:
        assert self._server is not None
        until = time.monotonic() + START_SECONDS
        while self._server.poll() is None and time.monotonic() < until:
            with contextlib.suppress(subprocess.CalledProcessError):
                self._make_database()
                return
            time.sleep(0.05)
        raise RuntimeError("PostgreSQL did not start:\n" + self.log())

    def _make_database(self) -> None:
        if self.sql("SELECT 1 FROM pg_roles WHERE rolname = 'chat'", "postgres") != "1":
            self.sql(f"CREATE ROLE chat LOGIN PASSWORD '{PASSWORD}'", "postgres")
            self.sql("CREATE DATABASE chat OWNER chat", "postgres")

    def _signal(self, number: int) -> None:
        for pid in self._pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _pids(self) -> list[int]:
        """The server's processes; each session has its own."""
        if self._server is None:
            return []
        pid = self._server.pid
        children = Path(f"/proc/{pid}/task/{pid}/children")
        return [pid, *map(int, children.read_text().split())] if children.exists() else [pid]
