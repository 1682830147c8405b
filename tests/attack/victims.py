"""Those who are served meanwhile: each reads one stream after the other, at 50 tokens a second.

with Victims(nginx.port) as victims:
    ...
victims.figures.gap_p99

`python -m tests.attack.victims PORT` is a process of its own, so that what attacks does not hold up who measures. It
ends with its standard input, and prints one JSON object.
"""

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from tests.bench.measure import quantile
from tests.support.service import ROOT

COUNT = 3
QUESTION = "victim"
HEAD = (
    "POST /chat/stream HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    "Content-Length: {}\r\nConnection: close\r\n\r\n"
)


@dataclass(frozen=True)
class Figures:
    """Seconds. failed: streams that were refused, or did not end with `done`."""

    streams: int
    failed: int
    gap_p50: float
    gap_p99: float
    longest_gap: float
    first: float

    def __str__(self) -> str:
        return (
            f"gap p50 {self.gap_p50 * 1000:.0f} ms, p99 {self.gap_p99 * 1000:.0f} ms, "
            f"first token {self.first * 1000:.0f} ms at most, {self.failed} failed"
        )


class Victims:
    def __init__(self, port: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.attack.victims", str(port)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.figures: Figures | None = None

    def __enter__(self) -> Self:
        assert self._process.stdout is not None
        # they read
        self._process.stdout.readline()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        printed, _ = self._process.communicate(timeout=60)
        told = json.loads(printed)
        self.figures = Figures(
            told["streams"],
            told["failed"],
            quantile(told["gaps"], 0.5),
            quantile(told["gaps"], 0.99),
            max(told["gaps"], default=0.0),
            max(told["firsts"], default=0.0),
        )


@dataclass
class Read:
    streams: int = 0
    failed: int = 0
    gaps: list[float] = field(default_factory=list)
    firsts: list[float] = field(default_factory=list)
    begun: asyncio.Event = field(default_factory=asyncio.Event)


async def suffer(port: int, number: int, read: Read, over: asyncio.Event) -> None:
    while not over.is_set():
        began = time.monotonic()
        try:
            await read_one(port, f"127.0.1.{number + 1}", read, over)
        except (OSError, asyncio.IncompleteReadError):
            read.failed += 1
        # who is refused at once does not ask a thousand times a second
        await asyncio.sleep(max(0.0, 0.2 - (time.monotonic() - began)))


async def read_one(port: int, address: str, read: Read, over: asyncio.Event) -> None:
    body = json.dumps({"question": QUESTION}).encode()
    asked_at, last_at, tail = time.monotonic(), 0.0, b""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, local_addr=(address, 0), limit=1 << 20
    )
    read.streams += 1
    with contextlib.closing(writer):
        writer.write(HEAD.format(len(body)).encode() + body)
        while data := await reader.read(65536):
            now, tail = time.monotonic(), (tail + data)[-200:]
            if b"event: token" in data:
                if last_at:
                    read.gaps.append(now - last_at)
                    read.begun.set()
                else:
                    read.firsts.append(now - asked_at)
                last_at = now
            if over.is_set():
                return
    read.failed += b"[DONE]" not in tail or b"event: done" not in tail


async def main(port: int) -> Read:
    over, read = asyncio.Event(), Read()
    tasks = [asyncio.create_task(suffer(port, number, read, over)) for number in range(COUNT)]
    await read.begun.wait()
    print("reading", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    over.set()
    await asyncio.gather(*tasks)
    return read


def printed(read: Read) -> dict[str, Any]:
    return {name: getattr(read, name) for name in ("streams", "failed", "gaps", "firsts")}


if __name__ == "__main__":
    print(json.dumps(printed(asyncio.run(main(int(sys.argv[1]))))))
