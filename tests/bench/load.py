"""The load generator: one process, raw sockets, one loop; it measures what a reader sees, and its own CPU.

echo '{"port": …, "path": "/chat/stream", "streams": 200, "body": {…}, "key": ""}' | python -m tests.bench.load

They begin within `ramp_seconds`; `at_once` bounds how many are open at a time; the bodies of `beside` are sent one
after the other, again and again, by one more caller who is not measured. Prints one JSON object, times in seconds. A
stream is whole when its last chunk came after a `[DONE]`, an answer when its body came whole.
"""

import itertools
import json
import re
import selectors
import socket
import sys
import time
from dataclasses import dataclass, field
from typing import Any

RECEIVE_BYTES = 65536
LAST_CHUNK = b"0\r\n\r\n"
LIMIT_SECONDS = 240
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
# ours, the stock code's, a whole answer's, the upstream's own
FIRST_TEXT = re.compile(rb'event: token|data: "[^"]|"answer"|"delta": ?\{"content": ?"[^"]')


@dataclass
class Reader:
    """One request. first: from sending it until the first text; gaps: between reads after that."""

    due: float
    connection: socket.socket | None = None
    sent_at: float = 0.0
    first: float | None = None
    last_at: float = 0.0
    ended_at: float | None = None
    status: int = 0
    head: bytes = b""
    tail: bytes = b""
    done: bool = False
    length: int | None = None
    received: int = 0
    gaps: list[float] = field(default_factory=list)

    def take(self, data: bytes, now: float) -> None:
        if not self.status:
            self.head += data
            if b"\r\n\r\n" not in self.head:
                return
            self.status = int(self.head.split(b" ", 2)[1])
            head, _, data = self.head.partition(b"\r\n\r\n")
            if told := LENGTH.search(head):
                self.length = int(told[1])
        self.received += len(data)
        joined = self.tail + data
        self.done = self.done or b"[DONE]" in joined
        if self.first is None:
            if FIRST_TEXT.search(joined):
                self.first = now - self.sent_at
                self.last_at = now
        else:
            self.gaps.append(now - self.last_at)
            self.last_at = now
        self.tail = joined[-16:]

    @property
    def whole(self) -> bool:
        if self.status != 200:
            return False
        if self.length is not None:
            return self.received == self.length
        return self.done and self.tail.endswith(LAST_CHUNK)


def run(order: dict[str, Any]) -> dict[str, Any]:
    port, streams = int(order["port"]), int(order["streams"])
    path, key = order["path"], order["key"]
    request = _request(path, order["body"], key)
    others = itertools.cycle(_request(path, body, key) for body in order.get("beside", []))
    ramp = float(order.get("ramp_seconds", 0))
    began, cpu_before = time.monotonic(), time.process_time()
    readers = [Reader(began + ramp * place / streams) for place in range(streams)]
    at_once = int(order.get("at_once", streams))
    waiting = list(reversed(readers))
    other: Reader | None = None
    selector = selectors.EpollSelector()
    open_count = 0
    while (waiting or open_count) and time.monotonic() - began < LIMIT_SECONDS:
        now = time.monotonic()
        while waiting and waiting[-1].due <= now and open_count < at_once:
            _send(waiting.pop(), request, port, selector)
            open_count += 1
        if "beside" in order and other is None:
            other = Reader(now)
            _send(other, next(others), port, selector)
        pause = max(0.0, waiting[-1].due - now) if waiting and open_count < at_once else 1.0
        for key, _ in selector.select(pause):
            ended = _read(key.data, selector)
            if ended and key.data is other:
                other = None
            elif ended:
                open_count -= 1
    return _told(readers, time.monotonic() - began, time.process_time() - cpu_before)


def _request(path: str, content: dict[str, Any], key: str) -> bytes:
    body = json.dumps(content, ensure_ascii=False).encode()
    authorization = f"Authorization: Bearer {key}\r\n" if key else ""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n{authorization}\r\n"
    )
    return head.encode() + body


def _send(reader: Reader, request: bytes, port: int, selector: selectors.BaseSelector) -> None:
    reader.sent_at = time.monotonic()
    reader.connection = socket.create_connection(("127.0.0.1", port))
    reader.connection.sendall(request)
    reader.connection.settimeout(0)
    selector.register(reader.connection, selectors.EVENT_READ, reader)


def _read(reader: Reader, selector: selectors.BaseSelector) -> bool:
    """Whether the reader has ended."""
    assert reader.connection is not None
    try:
        data = reader.connection.recv(RECEIVE_BYTES)
    except BlockingIOError:
        return False
    except OSError:
        data = b""
    now = time.monotonic()
    if data:
        reader.take(data, now)
        return False
    selector.unregister(reader.connection)
    reader.connection.close()
    reader.ended_at = now - reader.sent_at
    return True


def _told(readers: list[Reader], seconds: float, cpu: float) -> dict[str, Any]:
    return {
        "seconds": seconds,
        "own_cpu_share": cpu / seconds,
        "whole": sum(reader.whole for reader in readers),
        "answered": sum(reader.status == 200 for reader in readers),
        "streams": len(readers),
        "first": [reader.first for reader in readers if reader.first is not None],
        "total": [reader.ended_at for reader in readers if reader.ended_at is not None],
        "gaps": [gap for reader in readers for gap in reader.gaps],
    }


if __name__ == "__main__":
    json.dump(run(json.load(sys.stdin)), sys.stdout)
