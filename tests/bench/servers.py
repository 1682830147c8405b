"""The two services under test, on the same upstream and with the same number of workers."""

import os
import signal
import subprocess
import sys
import time
from types import TracebackType
from typing import Self

from tests.bench import processes
from tests.support.service import ROOT, SHIPPED_CHAIN, Service, free_port

WORKERS = 2
CHAINS = (
    SHIPPED_CHAIN.read_text()
    + """
from langchain_core.runnables import RunnableLambda

CHAINS["steps"] = lambda model: RunnableLambda(lambda asked: asked) | PROMPT | model
"""
)


class Stock:
    """The course's app on gunicorn with gevent workers."""

    name = "stock"
    app = "stock_app"

    def __init__(self, upstream: str, **environment: object) -> None:
        self.port = free_port()
        given = {name: str(value) for name, value in environment.items()}
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "gunicorn", "-k", "gevent", "-w", str(WORKERS)),
                *("-b", f"127.0.0.1:{self.port}", "--no-control-socket", "--log-level", "error"),
                f"tests.bench.{self.app}:app",
            ],
            cwd=ROOT,
            env=os.environ | {"OPENAI_BASE_URL": upstream, "OPENAI_API_KEY": "none"} | given,
            stdout=subprocess.DEVNULL,
        )

    def pids(self) -> list[int]:
        return processes.with_children(self._process.pid)

    def __enter__(self) -> Self:
        wait_for_workers(self.pids)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            for pid in self.pids():
                os.kill(pid, signal.SIGKILL)
            self._process.wait()


class Bare(Stock):
    """What Flask and gunicorn alone cost."""

    name = "bare"
    app = "bare_app"


class Ours(Service):
    """This service, as it is shipped but for its slots."""

    name = "ours"

    def __init__(self, upstream: str, **settings: object) -> None:
        slots = {"MAX_CONCURRENT_TURNS": 1000, "ADMISSION_WAIT_SECONDS": 2}
        super().__init__(
            upstream, chain=CHAINS, **({"WEB_CONCURRENCY": WORKERS} | slots | settings)
        )

    def pids(self) -> list[int]:
        return processes.with_children(self.pid)

    def __enter__(self) -> Self:
        super().__enter__()
        wait_for_workers(self.pids)
        return self


def wait_for_workers(pids: object) -> None:
    """Until the processes are all there and have been idle for a second: importing LangChain takes some."""
    assert callable(pids)
    until, calm_since, before = time.monotonic() + 90, 0.0, -1.0
    while time.monotonic() < until:
        found = pids()
        spent = processes.cpu_seconds(found)
        if len(found) == WORKERS + 1 and spent - before < 0.02:
            calm_since = calm_since or time.monotonic()
            if time.monotonic() - calm_since > 1:
                return
        else:
            calm_since = 0.0
        before = spent
        time.sleep(0.25)
    raise TimeoutError("the workers did not come up")
