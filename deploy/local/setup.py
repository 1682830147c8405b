"""Sets up `.venv` from the hash-locked requirements; runs before anything is installed.

python3 -m deploy.local.setup requirements.txt... STAMP

A lock whose content is already installed is skipped, whatever its time stamp. A lock that has changed rebuilds all of
`.venv`, because pip would not remove packages that the lock no longer names.
"""

import re
import shutil
import subprocess
import sys
import time
import venv
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from deploy.local import data_files

VENV = Path(".venv")
INSTALLED = VENV / ".installed"
PIP = (str(VENV / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input")
# what pip prints first; then it says that it found no version of the package
NO_NETWORK = re.compile(
    r"NewConnectionError|ConnectTimeoutError|NameResolutionError|ProxyError|No route to host|Network is unreachable"
    r"|Temporary failure in name resolution|Failed to establish a new connection"
)
DATA_LOCK = "requirements-data.txt"


class SetupError(Exception):
    """One sentence for the person at the terminal."""


def main(locks: list[Path], stamp: Path) -> None:
    if not _is_current():
        _create()
    for lock in locks:
        record = INSTALLED / lock.name
        if not record.exists():
            _install(lock)
            shutil.copyfile(lock, record)
    stamp.touch()


def _is_current() -> bool:
    records = list(INSTALLED.glob("*.txt"))
    return INSTALLED.is_dir() and all(
        Path(record.name).is_file() and record.read_bytes() == Path(record.name).read_bytes()
        for record in records
    )


def _create() -> None:
    version = ".".join(map(str, sys.version_info[:3]))
    with _step(f".venv with Python {version}"):
        venv.create(VENV, clear=True, with_pip=True, symlinks=True)
        INSTALLED.mkdir()


def _install(lock: Path) -> None:
    if lock.name == DATA_LOCK:
        with _step("the tokenizer and the local model"):
            data_files.fetch(_pip, lock, VENV / "share")
        return
    with _step(lock.name):
        # The lock names every package with its hash, so there is nothing to resolve; and a package without a wheel for
        # this machine fails at once, rather than being built by a compiler that may be missing.
        _pip("install", "--no-deps", "--require-hashes", "--only-binary=:all:", "-r", str(lock))


def _pip(*arguments: str) -> None:
    last_lines: deque[str] = deque(maxlen=15)
    with subprocess.Popen(
        [*PIP, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as pip:
        assert pip.stdout is not None
        for line in pip.stdout:
            last_lines.append(line)
            _show(line)
    if pip.returncode != 0:
        _explain("".join(last_lines))


def _explain(said: str) -> NoReturn:
    if NO_NETWORK.search(said):
        raise SetupError(
            "the package index cannot be reached; check the network (or set HTTPS_PROXY) and run this again"
        )
    sys.stderr.write("\n" + said)
    raise SetupError("pip failed (see above); fix the problem and run this again")


def _show(line: str) -> None:
    """Shows pip's progress on a single line."""
    words = line.split()
    if sys.stdout.isatty() and words and words[0] in {"Collecting", "Downloading", "Installing"}:
        print(f"\r\x1b[K  {' '.join(words[:2])}", end="", flush=True)


@contextmanager
def _step(what: str) -> Iterator[None]:
    started = time.monotonic()
    print(f"setup: {what} ...", flush=True)
    yield
    erase = "\r\x1b[K" if sys.stdout.isatty() else ""
    print(f"{erase}setup: {what}: {time.monotonic() - started:.0f} s", flush=True)


if __name__ == "__main__":
    try:
        main([Path(lock) for lock in sys.argv[1:-1]], Path(sys.argv[-1]))
    except (SetupError, OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"setup: {error}.")
    except KeyboardInterrupt:
        sys.exit("setup: interrupted; run it again to go on.")
