"""Measures one row at one server: the load runs in a separate process, and only the servers' CPU and memory count."""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, fields
from typing import Any, Protocol

from tests.bench import processes
from tests.bench.rows import OPENAI, Row
from tests.support.service import ROOT
from tests.support.simulator import SimulatorProcess

BUSY_SHARE = 0.85
SLOWEST_SHARE = 0.9


class Server(Protocol):
    name: str
    port: int

    def pids(self) -> list[int]: ...


class Direct:
    """The upstream itself: what a reader would see without a service between."""

    name = "direct"

    def __init__(self, simulator: SimulatorProcess) -> None:
        self.port = simulator.port
        self._pid = simulator.pid

    def pids(self) -> list[int]:
        return [self._pid]


@dataclass(frozen=True)
class Figures:
    """Of one round. Seconds, but for cpu_us_per_token and memory_kb_per_stream."""

    cpu_us_per_token: float
    first_p50: float
    first_p99: float
    gap_p99: float
    gap_longest: float
    total_p50: float
    requests_per_second: float
    memory_kb_per_stream: float
    failed: int
    valid: bool
    overloaded: bool


def measure(row: Row, server: Server, simulator: SimulatorProcess, key: str = "") -> Figures:
    """key: what the callers have."""
    simulator.reset()
    serving = server.pids()
    idle_bytes = processes.memory_bytes(serving)
    cpu_before = processes.cpu_seconds(serving)
    upstream_before = processes.cpu_seconds([simulator.pid])
    # a file: a pipe that nobody reads would fill, and hold the load
    with tempfile.TemporaryFile() as order, tempfile.TemporaryFile() as output:
        order.write(json.dumps(_order(row, server, key)).encode())
        order.seek(0)
        load = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.load"], cwd=ROOT, stdin=order, stdout=output
        )
        most_bytes = _most_memory(row, load, serving)
        load.wait()
        output.seek(0)
        told = json.load(output)
    spent = processes.cpu_seconds(serving) - cpu_before
    upstream_share = (processes.cpu_seconds([simulator.pid]) - upstream_before) / told["seconds"]
    tokens = simulator.stats()["tokens_written"] or 1
    total = sorted(told["total"])
    return Figures(
        cpu_us_per_token=spent / tokens * 1e6,
        first_p50=quantile(told["first"], 0.5),
        first_p99=quantile(told["first"], 0.99),
        gap_p99=quantile(told["gaps"], 0.99),
        gap_longest=max(told["gaps"], default=0.0),
        total_p50=quantile(total, 0.5),
        requests_per_second=len(total) / told["seconds"],
        memory_kb_per_stream=max(0, most_bytes - idle_bytes) / row.streams / 1024,
        failed=row.streams - int(told["whole"]) if server.name != "direct" else 0,
        valid=max(told["own_cpu_share"], upstream_share) < BUSY_SHARE,
        overloaded=row.fastest_seconds() / SLOWEST_SHARE < quantile(total, 0.5)
        if row.pace
        else False,
    )


def measure_alone(row: Row, simulator: SimulatorProcess) -> Figures:
    """LangChain without a service: only its CPU can be measured."""
    order = {"question": row.question, "streams": row.streams, "at_once": row.at_once}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.bench.chain_alone"],
        cwd=ROOT,
        env=os.environ | {"OPENAI_BASE_URL": simulator.base_url, "OPENAI_API_KEY": "none"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as alone:
        assert alone.stdin is not None
        assert alone.stdout is not None
        print(json.dumps(order), file=alone.stdin, flush=True)
        assert alone.stdout.readline() == "ready\n"
        simulator.reset()
        before, began = processes.cpu_seconds([alone.pid]), time.monotonic()
        print("begin", file=alone.stdin, flush=True)
        assert alone.stdout.readline() == "done\n"
        seconds = time.monotonic() - began
        spent = processes.cpu_seconds([alone.pid]) - before
        print("end", file=alone.stdin, flush=True)
    tokens = simulator.stats()["tokens_written"] or 1
    unseen = dict.fromkeys((field.name for field in fields(Figures)), 0)
    return Figures(
        **unseen
        | {
            "cpu_us_per_token": spent / tokens * 1e6,
            "requests_per_second": row.streams / seconds,
            "valid": True,
            "overloaded": False,
        }
    )


def quantile(values: list[float], share: float) -> float:
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _most_memory(row: Row, load: "subprocess.Popen[bytes]", serving: list[int]) -> int:
    """While all streams are open; looking costs, so once a second."""
    most = 0
    if row.at_once:
        return most
    while load.poll() is None and row.fastest_seconds() > 5:
        most = max(most, processes.memory_bytes(serving))
        time.sleep(1)
    return most


def _order(row: Row, server: Server, key: str) -> dict[str, Any]:
    order: dict[str, Any] = {
        "port": server.port,
        "path": row.path,
        "streams": row.streams,
        "ramp_seconds": row.ramp_seconds,
        "body": row.body,
        "key": key,
    }
    if row.at_once:
        order["at_once"] = row.at_once
    if row.beside:
        order["beside"] = row.beside
    if server.name == "direct":
        order["path"] = OPENAI
        order["body"] = row.upstream_body
    return order
