"""What is counted, over several workers and over their deaths."""

import contextlib
import http.client
import json
import os
import random
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from prometheus_client.mmap_dict import MmapedDict

from tests.support.service import Service
from tests.support.simulator import directive

WORKERS = 4
SLOTS = 100
# a worker's start on a busy machine
START_SECONDS = 120
STALL = directive(fault="stall", after=1, seconds=60)


@pytest.fixture(scope="module")
def four(_simulator):
    """A service with four workers, all of them up."""
    settings = {"WEB_CONCURRENCY": WORKERS, "LLM_MODELS": "gpt-4o-mini", "RETRY_ATTEMPTS": 1}
    with Service(_simulator.base_url, BREAKER_FAILURES=1_000_000, **settings) as service:
        service.until("chat_admission_slots", WORKERS * SLOTS, START_SECONDS)
        yield service


def of_worker(path: Path, name: str) -> float:
    """The sum of a metric's samples in one worker's file."""
    if not path.exists():
        return 0
    samples = MmapedDict.read_all_values_from_file(path)
    return sum(value for key, value, *_ in samples if json.loads(key)[1] == name)


def test_every_turn_is_counted_once_whichever_worker_had_it(four, simulator):
    def total(metrics: dict[str, float], name: str) -> float:
        return sum(value for key, value in metrics.items() if key.partition("{")[0] == name)

    before = four.metrics()
    with ThreadPoolExecutor(20) as callers:
        question = directive(tokens=3, first=0.05)
        answers = list(callers.map(lambda _: four.chat(question), range(100)))
    assert {status for status, _, _ in answers} == {200}
    usages = [body["usage"] for _, _, body in answers]
    tokens = sum(usage["input_tokens"] + usage["output_tokens"] for usage in usages)
    for _ in range(10):
        after = four.metrics()
        for name, expected in (
            ("chat_turns_started_total", 100),
            ("chat_turns_total", 100),
            ("chat_turn_duration_seconds_count", 100),
            ("chat_turn_time_to_first_token_seconds_count", 100),
            ("chat_llm_attempts_total", 100),
            ("gen_ai_client_operation_duration_seconds_count", 100),
            ("gen_ai_client_token_usage_sum", tokens),
            ("chat_unpriced_tokens_total", tokens),
        ):
            assert total(after, name) - total(before, name) == expected, name
        assert after["chat_turns_in_flight"] == 0
    # the four share a socket; one of them alone would prove nothing
    files = four.directory.glob("counter_*.db")
    assert sum(of_worker(path, "chat_turns_total") > 0 for path in files) >= 2


def test_figures_of_the_service_are_summed_and_no_worker_is_named(four):
    metrics = four.metrics()
    assert metrics["chat_workers"] == WORKERS
    assert metrics["chat_admission_slots"] == WORKERS * SLOTS
    assert not [sample for sample in metrics if "pid=" in sample]
    build = [value for sample, value in metrics.items() if sample.startswith("chat_build_info{")]
    assert build == [1]
    assert metrics["chat_memory_bytes"] > 50_000_000
    assert metrics["chat_cpu_seconds_total"] > 1
    assert metrics["chat_metrics_directory_bytes"] > 0


def random_request(chance: random.Random) -> tuple[str, str, dict[str, str], dict[str, object]]:
    """A request whose every name is somebody's own; none of them gets to the LLM."""
    word = f"w{chance.getrandbits(64):x}"
    ids = dict.fromkeys(("X-Request-ID", "X-User-ID", "X-Session-ID", "User-Agent"), word)
    kind = chance.randrange(4)
    if kind == 0:
        return "GET", f"/{word}", ids, {}
    if kind == 1:
        return "POST", "/chat", ids, {"question": word, "model": word}
    if kind == 2:
        return "POST", "/chat/stream", ids, {"question": word, word: word}
    return f"X{word.upper()}", "/chat", ids, {}


def test_what_callers_send_makes_no_series(four, simulator):
    assert four.chat(directive(tokens=2))[0] == 200
    chance = random.Random(7)
    connection = http.client.HTTPConnection("127.0.0.1", four.port, timeout=30)

    def send(count: int) -> set[int]:
        statuses = set()
        for _ in range(count):
            method, path, headers, body = random_request(chance)
            sent = {"Content-Type": "application/json", **headers}
            connection.request(method, path, json.dumps(body), sent)
            response = connection.getresponse()
            response.read()
            statuses.add(response.status)
        return statuses

    assert send(50) == {400, 404, 405}
    before = set(four.metrics())
    assert send(1000) == {400, 404, 405}
    connection.close()
    assert set(four.metrics()) == before
    assert simulator.stats()["requests"] == 1


def test_labels_have_values_from_closed_sets(four, simulator):
    endings = {"completed", "invalid", "rejected", "upstream_failed", "timed_out", "circuit_open"}
    endings |= {"filtered", "disconnected", "drained", "dependency_failed", "failed"}
    for question in (
        directive(tokens=2),
        directive(fault="status", status=418),
        directive(fault="content-filter"),
        directive(fault="no-finish"),
        directive(finish="my-own-reason", answer_model="my-own-model", tokens=2),
        directive(fault="in-band-error", after=1),
    ):
        for model in ("sim", "gpt-4o-mini"):
            four.chat(question, model=model)
    text = four.get("/metrics", port=four.metrics_port)[2].decode()
    assert "my-own" not in text
    for sample in four.metrics():
        labels = dict(
            pair.split("=", 1) for pair in sample.partition("{")[2][:-1].split(",") if pair
        )
        told = {name: value.strip('"') for name, value in labels.items()}
        assert told.get("ending", "failed") in endings, sample
        assert told.get("route", "/chat") in ("/chat", "/chat/stream", "/v1/chat/completions"), (
            sample
        )
        assert told.get("model", "sim") in ("sim", "gpt-4o-mini"), sample
        assert told.get("gen_ai_request_model", "sim") in ("sim", "gpt-4o-mini"), sample
        assert told.get("gen_ai_token_type", "input") in ("input", "output"), sample


def test_a_killed_worker_takes_its_figures_of_now_along_and_leaves_its_counts(serve, simulator):
    service = serve(WEB_CONCURRENCY=2)
    service.until("chat_admission_slots", 2 * SLOTS, START_SECONDS)
    assert service.chat(directive(tokens=2))[0] == 200
    with contextlib.ExitStack() as open_streams:
        held: dict[int, float] = {}
        while max(held.values(), default=0) < 5:
            stream = open_streams.enter_context(service.stream(STALL))
            next(iter(stream))
            files = {pid: f"gauge_livesum_{pid}.db" for pid in service.workers()}
            held = {
                pid: of_worker(service.directory / name, "chat_turns_in_flight")
                for pid, name in files.items()
            }
        victim = max(held, key=held.__getitem__)
        started = service.metric("chat_turns_started_total")
        assert service.metric("chat_turns_in_flight") == sum(held.values())
        os.kill(victim, signal.SIGKILL)
        service.until("chat_worker_exits_total", 1, reason="killed")
        scrapes = [service.metric("chat_turns_in_flight") for _ in range(2)]
        assert scrapes[-1] == sum(held.values()) - held[victim]
        service.until("chat_admission_slots", 2 * SLOTS, START_SECONDS)
        assert service.metric("chat_turns_started_total") == started
    assert service.metric("chat_workers") == 2
    assert service.metric("chat_worker_exits_total", reason="stopped") == 0
    assert service.chat(directive(tokens=2))[0] == 200
    assert not [line for line in service.lines if "Traceback" in line or '"trace"' in line]


def test_a_scrape_never_fails_while_workers_come_and_go(serve):
    service = serve(WEB_CONCURRENCY=2)
    service.until("chat_admission_slots", 2 * SLOTS, START_SECONDS)
    statuses, done = [], threading.Event()

    def scrape() -> None:
        while not done.is_set():
            try:
                status, _, body = service.get("/metrics", port=service.metrics_port)
                statuses.append(status if b"chat_workers" in body else 0)
            except (OSError, http.client.HTTPException) as error:
                statuses.append(repr(error))

    scrapers = [threading.Thread(target=scrape) for _ in range(2)]
    for scraper in scrapers:
        scraper.start()
    try:
        for generation in (1, 2, 3):
            for pid in service.workers():
                os.kill(pid, signal.SIGKILL)
            service.until("chat_worker_exits_total", 2 * generation, reason="killed")
            service.until("chat_admission_slots", 2 * SLOTS, START_SECONDS)
    finally:
        done.set()
        for scraper in scrapers:
            scraper.join()
    assert set(statuses) == {200}
    assert len(statuses) > 20
    assert service.chat("hi")[0] == 200
    assert "Traceback" not in "\n".join(service.lines)
