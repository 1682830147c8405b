"""A log driver that blocks stops neither workers nor the master."""

import os
import signal

from tests.support.simulator import directive


def test_what_nobody_reads_is_lost_and_counted_and_everything_else_goes_on(serve):
    service = serve(WEB_CONCURRENCY=1)
    with service.unread_log():
        assert [service.chat(directive(tokens=2))[0] for _ in range(40)] == [200] * 40
        assert service.metric("chat_log_lines_dropped_total") > 0
        # the master writes a line about each worker that ends or begins
        for ends in (1, 2):
            os.kill(service.workers()[0], signal.SIGKILL)
            service.until("chat_worker_exits_total", ends, reason="killed")
            service.wait_ready()
        assert service.chat(directive(tokens=2))[0] == 200
        service.signal(signal.SIGTERM)
        assert service.wait() == 0


def test_lines_are_whole_again_once_somebody_reads(serve):
    service = serve()
    with service.unread_log():
        for _ in range(20):
            assert service.chat(directive(tokens=2))[0] == 200
    ids = [f"read-again-{number}" for number in range(20)]
    for request_id in ids:
        service.post("/chat", {"question": directive(tokens=2)}, {"X-Request-ID": request_id})
        service.turn(request_id)
    assert service.metric("chat_log_lines_dropped_total") > 0
    # each line that begins as JSON is JSON to its end
    assert service.events()
