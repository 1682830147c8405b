"""What `make run` writes to a terminal: a real one, its text drawn by Chromium."""

import contextlib
import fcntl
import html
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser

from tests.support.service import ROOT, free_port
from tests.support.simulator import SimulatorProcess, directive
from tests.support.sse import Stream

READY = "in a browser"
START_SECONDS = 120
STYLE = "margin:0;padding:1em;background:#111217;color:#d8d9da;font:13px/1.5 'DejaVu Sans Mono'"


def draw(browser: Browser, folder: Path) -> list[Path]:
    path = folder / "terminal.png"
    page = browser.new_page(viewport={"width": 1400, "height": 420})
    page.set_content(f'<pre style="{STYLE}">{html.escape(_terminal())}</pre>')
    page.locator("pre").screenshot(path=path)
    page.close()
    return [path]


def _terminal() -> str:
    port = free_port()
    with SimulatorProcess() as simulator, _started(port, simulator.base_url) as terminal:
        text = _read_until(terminal, READY)
        for order in (directive(first=0.3, gap=0.02, tokens=40), directive(fault="cut", after=5)):
            with Stream("127.0.0.1", port, {"question": order}) as stream:
                stream.events()
        simulator.set_default("fault=401")
        with contextlib.suppress(OSError), Stream("127.0.0.1", port, {"question": "hi"}) as stream:
            stream.events()
        os.write(terminal, b"\x03")
        return "$ make run\n" + text + _read_until(terminal, "ended.")


@contextlib.contextmanager
def _started(port: int, address: str) -> Iterator[int]:
    terminal, child_end = pty.openpty()
    ports = {"PORT": str(port), "METRICS_PORT": str(free_port()), "WEB_CONCURRENCY": "1"}
    upstream = {"OPENAI_BASE_URL": address, "LLM_MODEL": "sim"}
    process = subprocess.Popen(
        [sys.executable, "-m", "deploy.local.run"],
        cwd=ROOT,
        env={**os.environ, **ports, **upstream},
        stdin=child_end,
        stdout=child_end,
        stderr=child_end,
        # make its Ctrl-C arrive as at a person's terminal; no thread runs here
        preexec_fn=_take_the_terminal,  # noqa: PLW1509
        start_new_session=True,
    )
    os.close(child_end)
    try:
        yield terminal
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(30)
        os.close(terminal)


def _take_the_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _read_until(terminal: int, words: str) -> str:
    text = ""
    until = time.monotonic() + START_SECONDS
    while words not in text and time.monotonic() < until:
        if select.select([terminal], [], [], 0.2)[0]:
            text += os.read(terminal, 4096).decode(errors="replace")
    return text.replace("\r\n", "\n")
