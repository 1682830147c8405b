"""How workers end: each worker writes marker files, which the master reads.

Imports only pathlib, because gunicorn's configuration uses it before the workers monkey-patch.
"""

from pathlib import Path


class WorkerMarks:
    """One kind of mark: `ready`, set once a worker can serve, or `left`, set when it exits by itself."""

    def __init__(self, metrics_directory: Path, kind: str) -> None:
        self._directory = metrics_directory / kind
        self._directory.mkdir(exist_ok=True)

    def set(self, pid: int) -> None:
        self._of(pid).touch()

    def clear(self, pid: int) -> None:
        self._of(pid).unlink(missing_ok=True)

    def has(self, pid: int) -> bool:
        return self._of(pid).exists()

    def _of(self, pid: int) -> Path:
        return self._directory / str(pid)
