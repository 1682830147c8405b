"""Detects changes of source files."""

from pathlib import Path

SUFFIXES = {".py", ".toml", ".html", ".css", ".js", ".svg"}


class Changes:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen = self._look()

    def any(self) -> bool:
        before, self._seen = self._seen, self._look()
        return self._seen != before

    def _look(self) -> dict[Path, int]:
        files = (path for path in self._folder.rglob("*") if path.suffix in SUFFIXES)
        return {path: _changed_at(path) for path in files}


def _changed_at(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    # editors replace files while saving
    except OSError:
        return 0
