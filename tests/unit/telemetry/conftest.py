"""Logging as the service configures it, in this process."""

import contextlib
import io
import json
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from service.telemetry import logs
from service.telemetry.exposition import Workers


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the process writes; no secrets are known but the ones that the tests here name."""
    written = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    with warnings.catch_warnings():
        with contextlib.redirect_stdout(written):
            logs.configure("INFO", ["hunter2-hunter2", 'a"b\\c\nd-key', "short"])
        yield written
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def lines(log: io.StringIO) -> Callable[[], list[dict[str, Any]]]:
    """Call it for the lines so far, parsed."""
    return lambda: [json.loads(line) for line in log.getvalue().splitlines()]


class Master:
    """Stands for gunicorn's: which workers it has, and whether it listens."""

    def __init__(self, directory: Path) -> None:
        self.alive = [os.getpid()]
        self.listening = True
        self.workers = Workers(directory, lambda: self.alive, lambda: self.listening)


@pytest.fixture
def master(tmp_path):
    return Master(tmp_path)
