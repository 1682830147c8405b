"""Many generations of workers: no count is lost, and nothing grows."""

import os
import signal

import pytest

from tests.support.simulator import directive

GENERATIONS, WORKERS, SLOTS = 3, 4, 10


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_counts_outlive_their_workers_in_the_space_of_one(serve, how):
    service = serve(WEB_CONCURRENCY=WORKERS, MAX_CONCURRENT_TURNS=SLOTS)
    service.until("chat_admission_slots", WORKERS * SLOTS, 60)
    sizes = []
    for generation in range(1, GENERATIONS + 1):
        for _ in range(2):
            assert service.chat(directive(tokens=3))[0] == 200
        for worker in service.workers():
            os.kill(worker, how)
        service.until("chat_worker_exits_total", generation * WORKERS, 60)
        service.until("chat_admission_slots", WORKERS * SLOTS, 60)
        assert service.metric("chat_turns_total") == 2 * generation
        assert service.metric("chat_turn_duration_seconds_count") == 2 * generation
        sizes.append(service.metric("chat_metrics_directory_bytes"))
    assert sizes[-1] == sizes[0]
    assert service.metric("chat_turns_in_flight") == 0
