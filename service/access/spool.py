"""Ledger rows on the local disk while the store is unavailable: one file per process, one JSON object per line.

A file belongs to the process that holds its lock. When that process is gone, so is the lock, and another process takes
over its rows.
"""

import fcntl
import json
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from service.access.ledger import LedgerRow

MOST_BYTES = 64 * 1024 * 1024
SUFFIX = ".rows"


class SpoolFull(OSError):
    """The folder or the disk is full: rows that do not fit are only in the log."""


class Spool:
    """The files of one folder. All methods may raise OSError."""

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._path = folder / f"{uuid.uuid4().hex}{SUFFIX}"
        self._file: IO[bytes] | None = None
        self.rows = 0

    def add(self, rows: Sequence[LedgerRow]) -> None:
        """Adds all rows or none."""
        file = self._own_file()
        lines = b"".join(_line(row) for row in rows)
        size = os.fstat(file.fileno()).st_size
        if size + len(lines) > self._most_bytes:
            raise SpoolFull
        # a full disk accepts a part, and fails only on the next write
        if file.write(lines) != len(lines):
            file.truncate(size)
            raise SpoolFull
        self.rows += len(rows)

    def own_rows(self) -> Iterator[LedgerRow]:
        return _read(self._path) if self.rows else iter(())

    def clear(self) -> None:
        """Called once its rows have reached the store."""
        if self._file is not None:
            self._path.unlink(missing_ok=True)
            self._file.close()
            self._file = None
        self.rows = 0

    def left_behind(self) -> Iterator[Iterator[LedgerRow]]:
        """Yields the rows of each process that is gone; a file is deleted when the next one is requested."""
        for path in sorted(self._folder.glob(f"*{SUFFIX}")):
            if path == self._path:
                continue
            # another process may take it over at any time before the lock
            with suppress(FileNotFoundError), path.open("rb") as file:
                if _lock(file) and path.exists():
                    yield _read(path)
                    path.unlink(missing_ok=True)

    def _own_file(self) -> IO[bytes]:
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            # nobody may take it over before it is locked
            new = self._path.with_suffix(".new")
            # other users of this machine must not read the names of keys and users
            descriptor = os.open(new, os.O_CREAT | os.O_APPEND | os.O_RDWR, 0o600)
            file = os.fdopen(descriptor, "ab", buffering=0)
            _lock(file)
            new.rename(self._path)
            self._file = file
        return self._file


def _lock(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _line(row: LedgerRow) -> bytes:
    return json.dumps(row.as_json(), separators=(",", ":")).encode() + b"\n"


def _read(path: Path) -> Iterator[LedgerRow]:
    """Skips a line that a crash cut short: the log has that row."""
    with path.open("rb") as file:
        for line in file:
            try:
                yield LedgerRow.from_json(json.loads(line))
            except (ValueError, TypeError, KeyError):
                continue
