"""Workers are forked from a process that has loaded what they share: what each has alone, and what none may have."""

import json
import signal
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.support.service import Service
from tests.support.simulator import SimulatorProcess, directive

WORKERS = 4
OWN_MB = 80
# what a process is, told by a chain that no model answers
CHAIN = """
import json, os, random, secrets, uuid
from langchain_core.runnables import RunnableLambda

def tell(question):
    first = {"pid": os.getpid(), "random": random.random(), "uuid": str(uuid.uuid4()), "secret": secrets.token_hex()}
    first["version"] = VERSION
    return json.dumps(first)

VERSION = "old"
CHAINS = {"tell": lambda model: RunnableLambda(tell)}
"""


@pytest.fixture(scope="module")
def telling(_simulator: SimulatorProcess) -> Iterator[Service]:
    with Service(_simulator.base_url, chain=CHAIN, fresh=True, WEB_CONCURRENCY=WORKERS) as service:
        yield service


def told_by_all(service: Service, workers: list[int]) -> dict[int, dict]:
    """What each worker tells in its first answer."""
    told: dict[int, dict] = {}
    until = time.monotonic() + 60
    while not told.keys() >= set(workers):
        assert time.monotonic() < until, f"{told.keys()} of {workers} have answered"
        status, _, answer = service.chat()
        assert status == 200, answer
        one = json.loads(answer["answer"])
        told.setdefault(one["pid"], one)
    return told


def own_mb(pid: int) -> float:
    """Memory that no other process shares."""
    found = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.startswith("Private_"):
            found[name] = int(value.split()[0])
    return sum(found.values()) / 1024


def all_ready(service: Service) -> list[int]:
    service.until("chat_workers", WORKERS, 60)
    return service.workers()


def test_workers_draw_different_numbers(telling):
    told = told_by_all(telling, all_ready(telling)).values()
    for kind in ("random", "uuid", "secret"):
        assert len({one[kind] for one in told}) == WORKERS


def test_the_master_alone_answers_on_the_metrics_port(telling):
    telling.signal(signal.SIGSTOP)
    connection = HTTPConnection("127.0.0.1", telling.metrics_port, timeout=1)
    try:
        assert telling.get("/health")[0] == 200
        connection.request("GET", "/health")
        with pytest.raises(TimeoutError):
            connection.getresponse()
    finally:
        connection.close()
        telling.signal(signal.SIGCONT)


def test_a_hangup_takes_new_code_ours_and_the_chains(simulator):
    with Service(simulator.base_url, chain=CHAIN, fresh=True, WEB_CONCURRENCY=2) as service:
        old = service.workers()
        tree = service.directory / "tree" / "service"
        (tree / "llm" / "chain.py").write_text(CHAIN.replace('"old"', '"new"'))
        pages = tree / "web" / "probes.py"
        pages.write_text(pages.read_text().replace('"ok"', '"renewed"'))
        service.signal(signal.SIGHUP)
        service.until("chat_worker_exits_total", len(old), 60)
        new = service.workers()
        assert not set(new) & set(old)
        assert {one["version"] for one in told_by_all(service, new).values()} == {"new"}
        assert json.loads(service.get("/health")[2]) == {"status": "renewed"}


def test_a_further_worker_has_little_memory_of_its_own(serve):
    service = serve(fresh=True, WEB_CONCURRENCY=WORKERS, MAX_CONCURRENT_TURNS=100)
    workers = all_ready(service)
    for _ in range(20 * WORKERS):
        assert service.chat(directive(tokens=3))[0] == 200
    most = max(own_mb(pid) for pid in workers)
    assert most < OWN_MB, f"{most:.0f} MB"


def test_nothing_was_taken_hold_of_before_it_was_patched(serve):
    service = serve(fresh=True, WEB_CONCURRENCY=2)
    assert not [line for line in service.lines if "MonkeyPatchWarning" in line]


def test_metrics_files_are_of_workers_alone(serve):
    service = serve(fresh=True, WEB_CONCURRENCY=2)
    service.until("chat_workers", 2, 60)
    assert service.chat(directive(tokens=3))[0] == 200
    owners = {int(path.stem.rpartition("_")[2]) for path in service.directory.glob("*.db")}
    assert owners
    assert service.pid not in owners
    assert service.metric("chat_turns_total", ending="completed") == 1
