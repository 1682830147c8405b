"""Many callers at once, and how each of their answers ended.

with Callers(port) as callers:
    streams = callers.stream(200, "hi")             # futures
    callers.trickle("hi", interval_seconds=0.1)     # goes on until `stop_trickle`
    ...
    assert {each.result().ending for each in streams} == {"done"}
"""

import asyncio
import contextlib
import json
import ssl
import threading
from collections import Counter
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from tests.support.sse import Parser

if TYPE_CHECKING:
    from concurrent.futures import Future


@dataclass(frozen=True)
class Outcome:
    """ending: done, an error's code, cut, or for what is no stream answered; tokens: words of a stream."""

    status: int
    ending: str
    tokens: int = 0

    @property
    def is_good(self) -> bool:
        return self.status == 200 and self.ending in ("done", "answered")


class Callers:
    def __init__(
        self, port: int, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
    ) -> None:
        self._door = (host, port)
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._trickling = False
        self._trickle: Future[None] | None = None
        self.short: list[Outcome] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._leave(), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def stream(self, count: int, question: str, key: str | None = None) -> list["Future[Outcome]"]:
        path = "/chat/stream"
        asked = (_ask(self._door, path, question, self._tls, key) for _ in range(count))
        return [asyncio.run_coroutine_threadsafe(each, self._loop) for each in asked]

    def trickle(self, question: str, interval_seconds: float, path: str = "/chat") -> None:
        self._trickling = True
        going_on = self._go_on(question, interval_seconds, path)
        self._trickle = asyncio.run_coroutine_threadsafe(going_on, self._loop)

    def stop_trickle(self) -> list[Outcome]:
        """Waits for the answers that are still open."""
        self._trickling = False
        assert self._trickle is not None
        self._trickle.result(120)
        return self.short

    async def _leave(self) -> None:
        """Like real callers: without waiting for the answers."""
        self._trickling = False
        running = asyncio.all_tasks() - {asyncio.current_task()}
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _go_on(self, question: str, interval_seconds: float, path: str) -> None:
        running = []
        while self._trickling:
            running.append(asyncio.create_task(_ask(self._door, path, question, self._tls)))
            await asyncio.sleep(interval_seconds)
        self.short = list(await asyncio.gather(*running))


def endings(outcomes: list[Outcome]) -> dict[str, int]:
    """How many of each, for a message that tells what was wrong."""
    return dict(Counter(f"{each.status} {each.ending}" for each in outcomes))


def nobody_noticed(
    figures: list[str], what: str, outcomes: tuple[list[Outcome], list[Outcome]], tokens: int
) -> None:
    """outcomes: of streams of so many tokens, and of short requests. Notes the figures; asserts that all are good."""
    streams, short = outcomes
    broken = [each for each in streams if not each.is_good or each.tokens != tokens]
    failed = [each for each in short if not each.is_good]
    figures.append(
        f"{what}: {len(streams)} open streams, {len(broken)} broken;"
        f" {len(short)} short requests, {len(failed)} failed"
    )
    assert not broken, endings(streams)
    assert not failed, endings(short)
    assert len(short) > 10


async def _ask(
    door: tuple[str, int],
    path: str,
    question: str,
    tls: ssl.SSLContext | None,
    key: str | None = None,
) -> Outcome:
    body = json.dumps({"question": question}).encode()
    authorization = f"Authorization: Bearer {key}\r\n" if key else ""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"{authorization}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    try:
        reader, writer = await asyncio.open_connection(*door, limit=1 << 22, ssl=tls)
        with contextlib.closing(writer):
            writer.write(head.encode() + body)
            received = await reader.read()
    except OSError as error:
        return Outcome(0, type(error).__name__)
    return _outcome(received)


def _outcome(received: bytes) -> Outcome:
    head, _, body = received.partition(b"\r\n\r\n")
    if not head:
        return Outcome(0, "no response")
    status = int(head.split(None, 2)[1])
    if b"text/event-stream" in head.lower():
        return _stream_outcome(status, body)
    try:
        answer: dict[str, Any] = json.loads(body)
    except ValueError:
        return Outcome(status, "cut")
    return Outcome(status, answer["error"]["code"] if "error" in answer else "answered")


def _stream_outcome(status: int, body: bytes) -> Outcome:
    content, whole = _dechunked(body)
    events = [each for each in Parser().feed(content) if each.name != "message"]
    words = "".join(each.json()["text"] for each in events if each.name == "token").split()
    last = events[-1] if events else None
    if not whole or last is None or last.name not in ("done", "error"):
        return Outcome(status, "cut", len(words))
    return Outcome(status, last.json().get("code", "done"), len(words))


def _dechunked(body: bytes) -> tuple[bytes, bool]:
    """The content, and whether the last chunk was there."""
    content = []
    while body:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        if length == 0:
            return b"".join(content), True
        content.append(body[:length])
        body = body[length + 2 :]
    return b"".join(content), False
