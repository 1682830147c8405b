"""Deadlines for the first content, for a pause between contents, and for the turn; and whose lateness counts."""

import json
import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import pytest

from tests.support.service import Service
from tests.support.simulator import directive
from tests.support.sse import Stream

FIRST_SECONDS = 0.8
IDLE_SECONDS = 1
TURN_SECONDS = 2.5
# what a busy machine may add
LATE_SECONDS = 6
# no answer of these tests may take so long, whatever the machine does
HANGS_SECONDS = 30
STREAMS = 4


LEAN = pytest.mark.parametrize("hasty", ["lean"], indirect=True, scope="module")
# what the two ways to read the LLM's stream do each by themselves
BOTH = pytest.mark.parametrize("hasty", ["lean", "stock"], indirect=True, scope="module")


@pytest.fixture(scope="module")
def hasty(request, _simulator):
    """A service with short deadlines, one attempt per route, and a breaker that stays closed."""
    settings = {
        "LLM_CLIENT": request.param,
        "FIRST_TOKEN_TIMEOUT_SECONDS": FIRST_SECONDS,
        "IDLE_TIMEOUT_SECONDS": IDLE_SECONDS,
        "TURN_TIMEOUT_SECONDS": TURN_SECONDS,
        "STREAM_HOLD_SECONDS": 0.3,
        "RETRY_ATTEMPTS": 1,
        "BREAKER_FAILURES": 1_000_000,
    }
    with Service(_simulator.base_url, **settings) as service:
        yield service


def ask(service: Service, route: str, question: str) -> tuple[str, str]:
    """The error's code and the request's id, by either route."""
    payload = {"question": question}
    until = time.monotonic() + HANGS_SECONDS
    sent = Stream("127.0.0.1", service.port, payload, path=route, timeout=HANGS_SECONDS)
    with closing(sent) as stream:
        events = []
        for event in stream:
            events.append(event)
            assert time.monotonic() < until, "the answer does not end"
        assert stream.whole
        if route == "/chat":
            error = json.loads(stream.body)["error"]
            assert stream.status == 504
        else:
            assert [event.data for event in events[-1:]] == ["[DONE]"]
            assert events[-2].name == "error"
            error = events[-2].json()
    return error["code"], error["request_id"]


def judge(service: Service, route: str, question: str, cause: str, seconds: float) -> None:
    """The turn is timed out for this cause after these seconds, and the upstream connection is closed."""
    code, request_id = ask(service, route, question)
    assert code == "upstream_timeout"
    turn = service.turn(request_id)
    assert (turn["ending"], turn["cause"]) == ("timed_out", cause)
    first = turn["attempts"][0]
    assert (first["result"], first["cause"]) == ("upstream_timeout", cause)
    assert seconds * 0.95 <= first["seconds"] < seconds + LATE_SECONDS


def judge_all(service: Service, questions: dict[str, str], cause: str, seconds: float) -> None:
    """Each question by both routes, all at the same time."""
    cases = [(route, text) for route in ("/chat", "/chat/stream") for text in questions.values()]
    with ThreadPoolExecutor(len(cases)) as callers:
        judged = [callers.submit(judge, service, *case, cause, seconds) for case in cases]
        for one in judged:
            one.result()


@BOTH
def test_nothing_but_content_is_content(hasty, simulator):
    faults = ["silent", "headers-only", "role-only", "comments", "slow-first", "empty-choices"]
    questions = {fault: directive(fault=fault, first=60, seconds=60, gap=0.05) for fault in faults}
    judge_all(hasty, questions, "first content", FIRST_SECONDS)
    simulator.wait(aborted=2 * len(faults), open_max=0)


@BOTH
def test_a_pause_between_contents_has_a_deadline(hasty, simulator):
    questions = {"stall": directive(fault="stall", after=3, seconds=60)}
    judge_all(hasty, questions, "idle", IDLE_SECONDS)
    simulator.wait(aborted=2, open_max=0)


@LEAN
def test_content_that_flows_on_and_on_ends_with_the_turn(hasty, simulator):
    questions = {
        "steadily": directive(fault="endless", gap=0.05),
        "fast": directive(fault="endless", gap=0.001),
    }
    judge_all(hasty, questions, "turn deadline", TURN_SECONDS)
    simulator.wait(aborted=4, open_max=0)


@LEAN
def test_pauses_within_the_deadlines_are_no_matter(hasty, simulator):
    with hasty.stream(directive(first=0.4, gap=0.5, tokens=3)) as stream:
        assert [event.name for event in stream][-2:] == ["done", "message"]


def paused(service: Service, stop_seconds: float, *, after: int, question: str) -> set[tuple]:
    """The worker stands still once so many events of each stream were read; endings and causes of the turns."""
    (worker,) = service.workers()
    with ExitStack() as closing_all:
        streams = [closing_all.enter_context(service.stream(question)) for _ in range(STREAMS)]
        events = [iter(stream) for stream in streams]
        for of_one in events:
            for _ in range(after):
                next(of_one)
        os.kill(worker, signal.SIGSTOP)
        try:
            # passing time is what this is about; the upstream goes on meanwhile
            time.sleep(stop_seconds)
        finally:
            os.kill(worker, signal.SIGCONT)
        for of_one in events:
            assert [event.data for event in of_one][-1] == "[DONE]"
    turns = [service.turn(stream.headers["x-request-id"]) for stream in streams]
    return {(turn["ending"], turn["cause"]) for turn in turns}


@BOTH
def test_what_arrived_while_we_stood_still_is_read_before_time_is_judged(hasty, simulator):
    """The pause is longer than all three deadlines."""
    question = directive(tokens=40, gap=0.04)
    stop_seconds = TURN_SECONDS + 1
    assert paused(hasty, stop_seconds, after=2, question=question) == {("completed", None)}


@BOTH
def test_a_first_content_that_came_while_we_stood_still_is_in_time(hasty, simulator):
    question = directive(tokens=5, first=0.6)
    stop_seconds = FIRST_SECONDS + 0.7
    assert paused(hasty, stop_seconds, after=1, question=question) == {("completed", None)}


@LEAN
def test_silence_still_counts_after_we_stood_still(hasty, simulator):
    question = directive(fault="stall", after=1, seconds=60)
    assert paused(hasty, 0.5, after=2, question=question) == {("timed_out", "idle")}


@pytest.mark.parametrize("client", ["lean", "stock"])
def test_connecting_has_a_deadline_of_its_own(serve, client):
    """A listener whose queue is full answers no connection request."""
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.settimeout(0)
            one.connect_ex(listener.getsockname())
        service = serve(
            OPENAI_BASE_URL=f"http://127.0.0.1:{listener.getsockname()[1]}/v1",
            LLM_CLIENT=client,
            CONNECT_TIMEOUT_SECONDS=1,
            FIRST_TOKEN_TIMEOUT_SECONDS=60,
            RETRY_ATTEMPTS=1,
        )
        status, _, body = service.chat()
        for one in waiting:
            one.close()
    assert status in (502, 504), body
    attempt = service.turns(1)[0]["attempts"][0]
    assert 0.9 <= attempt["seconds"] < 1 + LATE_SECONDS
