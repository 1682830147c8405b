"""An upstream that fails altogether must not see a multiple of what callers ask."""

import concurrent.futures
import time

WORKERS = 2
REQUESTS_PER_SECOND = 50
SECONDS = 10


def fire(service, requests):
    """At an even pace, whatever becomes of them; their status codes."""
    with concurrent.futures.ThreadPoolExecutor(100) as pool:
        began = time.monotonic()
        answers = []
        for number in range(requests):
            time.sleep(max(0, began + number / REQUESTS_PER_SECOND - time.monotonic()))
            answers.append(pool.submit(lambda: service.chat()[0]))
        return [answer.result() for answer in answers]


def test_retries_add_a_fifth_at_most_when_everything_fails(serve, simulator):
    service = serve(WEB_CONCURRENCY=WORKERS, BREAKER_FAILURES=10_000_000)
    simulator.set_default("fault=status status=503")
    requests = REQUESTS_PER_SECOND * SECONDS
    assert set(fire(service, requests)) == {502}
    seen = simulator.stats()["requests"]
    assert requests + 10 < seen <= 1.2 * requests + 10 * WORKERS
    assert service.metric("chat_llm_retries_total") == seen - requests
    assert service.metric("chat_retries_denied_total", reason="budget") > 0
