"""Which workers are ready: marks that each makes for itself, and the master reads.

Loads nothing but pathlib, since gunicorn's configuration uses it before the workers monkey-patch.
"""

from pathlib import Path


class ReadyMarks:
    """A worker sets its mark when it can serve, and clears it when it ends well: one that was killed leaves it."""

    def __init__(self, metrics_directory: Path) -> None:
        self._directory = metrics_directory / "ready"
        self._directory.mkdir(exist_ok=True)

    def set(self, pid: int) -> None:
        self._of(pid).touch()

    def clear(self, pid: int) -> None:
        self._of(pid).unlink(missing_ok=True)

    def has(self, pid: int) -> bool:
        return self._of(pid).exists()

    def _of(self, pid: int) -> Path:
        return self._directory / str(pid)
