"""What has to outlive the container: when the certificate authority may be asked again."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# the authority was not asked: it, or the way to us, may be back soon
SOON_SECONDS = 60
# it was asked, and counts: five failed validations an hour, five equal certificates a week
COUNTED_SECONDS = 3600
MOST_SECONDS = 12 * 3600


class Memory:
    """wanted: another certificate than the one that failed need not wait for its turn."""

    def __init__(self, path: Path, wanted: str, now: Callable[[], float] = time.time) -> None:
        self._path = path
        self._wanted = wanted
        self._now = now

    def seconds_left(self) -> float:
        left = float(self._read().get("not_before", 0)) - self._now()
        # a clock that was far ahead would keep us waiting for years
        return left if 0 < left <= MOST_SECONDS else 0

    def failed(self, *, counted: bool) -> float:
        """The seconds to wait: twice as long each time."""
        before = self._read()
        failures = int(before.get("failures", 0)) if before.get("counted") == counted else 0
        first, most = (
            (COUNTED_SECONDS, MOST_SECONDS) if counted else (SOON_SECONDS, COUNTED_SECONDS)
        )
        seconds = float(min(first * 2 ** min(failures, 20), most))
        state = {
            "wanted": self._wanted,
            "failures": failures + 1,
            "counted": counted,
            "not_before": self._now() + seconds,
        }
        replace(self._path, json.dumps(state))
        return seconds

    def succeeded(self) -> None:
        self._path.unlink(missing_ok=True)

    def _read(self) -> dict[str, Any]:
        try:
            read = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return read if isinstance(read, dict) and read.get("wanted") == self._wanted else {}


def replace(path: Path, text: str) -> None:
    """Whoever reads it sees the old one or the new one, whole."""
    new = path.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)
