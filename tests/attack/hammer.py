"""Many connections that repeat the same requests, in a separate process.

hammer(port, requests=[request("GET", "/")], connections=300, seconds=5).statuses[200]

Each connection has the next of the addresses. leave_after: seconds after which it hangs up; None: it reads the answer.
held: what is sent is no whole request; the connections are kept open, and only counted. drip: seconds after which each
of them gets another byte.
"""

import asyncio
import base64
import contextlib
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support.service import ROOT


@dataclass(frozen=True)
class Seen:
    """statuses: by number; 0 for connections that were closed without an answer."""

    statuses: dict[int, int]
    seconds: float

    def __str__(self) -> str:
        return ", ".join(
            f"{count} x {status or 'closed'}" for status, count in sorted(self.statuses.items())
        )


def request(method: str, path: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers]
    if method == "POST":
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Hammer:
    """Begins at once; `seen` waits for its end."""

    def __init__(
        self,
        port: int,
        requests: Sequence[bytes],
        *,
        connections: int,
        seconds: float,
        addresses: Sequence[str] = ("127.0.0.2",),
        leave_after: float | None = None,
        held: bool = False,
        drip: float | None = None,
        pause: float = 0.0,
    ) -> None:
        order = {
            "port": port,
            "requests": [base64.b64encode(one).decode() for one in requests],
            "connections": connections,
            "seconds": seconds,
            "addresses": list(addresses),
            "leave_after": leave_after,
            "held": held,
            "drip": drip,
            "pause": pause,
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.attack.hammer", json.dumps({**order, "requests": []})],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order["requests"]))
        self._process.stdin.close()
        self._process.stdin = None

    def stop(self) -> None:
        self._process.terminate()
        self._process.communicate(timeout=60)

    def seen(self) -> Seen:
        printed, _ = self._process.communicate(timeout=300)
        told = json.loads(printed)
        return Seen({int(key): value for key, value in told["statuses"].items()}, told["seconds"])


@dataclass
class Blows:
    order: dict[str, Any]
    requests: list[bytes]
    statuses: Counter[int] = field(default_factory=Counter)
    over: float = 0.0

    async def strike(self, number: int) -> None:
        place = number
        while time.monotonic() < self.over:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                reader, writer = await self._connected(number)
                with contextlib.closing(writer):
                    place = await self._ask(reader, writer, place)
            self.statuses[0] += bool(self.order["held"])
            await asyncio.sleep(self.order["pause"] or 0.001)

    async def _connected(self, number: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        addresses = self.order["addresses"]
        local = (addresses[number % len(addresses)], 0)
        return await asyncio.open_connection("127.0.0.1", self.order["port"], local_addr=local)

    async def _ask(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, place: int
    ) -> int:
        while time.monotonic() < self.over:
            writer.write(self.requests[place % len(self.requests)])
            place += 1
            left = self.over - time.monotonic()
            if self.order["held"]:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(left):
                        await self._hold(reader, writer)
                return place
            if self.order["leave_after"] is not None:
                await asyncio.sleep(self.order["leave_after"])
                self.statuses[0] += 1
                return place
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    self.statuses[await read_answer(reader)] += 1
            if self.order["pause"]:
                await asyncio.sleep(self.order["pause"])
        return place

    async def _hold(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                await asyncio.wait_for(reader.read(), self.order["drip"])
            except TimeoutError:
                writer.write(b"x")
            else:
                return


async def read_answer(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    _, _, rest = head.lower().partition(b"content-length:")
    if rest:
        await reader.readexactly(int(rest.split()[0]))
    else:
        await reader.readuntil(b"0\r\n\r\n")
    return int(head.split()[1])


async def main(blows: Blows) -> None:
    blows.over = time.monotonic() + blows.order["seconds"]
    await asyncio.gather(*map(blows.strike, range(blows.order["connections"])))


def run() -> None:
    requests = [base64.b64decode(one) for one in json.load(sys.stdin)]
    blows = Blows(json.loads(sys.argv[1]), requests)
    began = time.monotonic()
    asyncio.run(main(blows))
    told = {"statuses": blows.statuses, "seconds": time.monotonic() - began}
    print(json.dumps(told))


if __name__ == "__main__":
    run()
