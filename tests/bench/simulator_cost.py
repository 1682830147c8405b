"""What the LLM simulator itself costs: python tests/bench/simulator_cost.py

Two loads, read by another process that throws the bytes away in the kernel: streams as fast as they
go, and many paced streams. CPU is the operating system's figure for the simulator's process alone.
"""

import json
import os
import selectors
import socket
import sys
import time
from dataclasses import dataclass
from multiprocessing import Process
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.support.simulator import SimulatorProcess, directive

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_READ_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Load:
    name: str
    streams: int
    tokens: int
    gap: float
    burst: int = 32


LOADS = (
    Load("saturated", streams=8, tokens=60_000, gap=0),
    Load("saturated, one write per chunk", streams=8, tokens=20_000, gap=0, burst=1),
    Load("paced, 50 tokens/s", streams=200, tokens=500, gap=0.02),
    Load("paced, 5 tokens/s", streams=1000, tokens=50, gap=0.2),
)


def main() -> None:
    print(
        f"{'load':32} {'streams':>7} {'chunks':>8} {'seconds':>8} {'chunks/s':>9} {'µs/chunk':>9}"
    )
    for load in LOADS:
        with SimulatorProcess() as simulator:
            _measure(simulator, load)


def _measure(simulator: SimulatorProcess, load: Load) -> None:
    reader = Process(target=drain, args=(simulator.port, load))
    cpu_before, started = cpu_seconds(simulator.pid), time.monotonic()
    reader.start()
    reader.join()
    seconds = time.monotonic() - started
    cpu = cpu_seconds(simulator.pid) - cpu_before
    chunks = simulator.stats()["tokens_written"]
    assert chunks == load.streams * load.tokens, f"{chunks} chunks were written"
    rate, cost = chunks / seconds, cpu / chunks * 1e6
    print(f"{load.name:32} {load.streams:7} {chunks:8} {seconds:8.2f} {rate:9.0f} {cost:9.2f}")


def drain(port: int, load: Load) -> None:
    selector = selectors.DefaultSelector()
    for _ in range(load.streams):
        sock = socket.create_connection(("127.0.0.1", port))
        sock.sendall(_request(load))
        selector.register(sock, selectors.EVENT_READ)
    nowhere = bytearray(_READ_BYTES)
    while selector.get_map():
        for key, _ in selector.select():
            # With MSG_TRUNC the kernel drops the bytes without copying them.
            if not key.fileobj.recv_into(nowhere, _READ_BYTES, socket.MSG_TRUNC):
                selector.unregister(key.fileobj)


def _request(load: Load) -> bytes:
    order = directive(tokens=load.tokens, gap=load.gap, burst=load.burst)
    messages = [{"role": "user", "content": order}]
    body = json.dumps({"model": "sim", "stream": True, "messages": messages}).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: simulator\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND


if __name__ == "__main__":
    main()
