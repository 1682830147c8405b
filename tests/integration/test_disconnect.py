"""A caller who leaves: the upstream call ends with them, whatever it is doing, and what it cost is on the bill."""

import os
import signal
import uuid

import pytest

from tests.simulator.tokens import answer_text
from tests.support.service import Service
from tests.support.simulator import directive
from tests.support.sse import Stream

# without the look at the caller, the deadlines would be what lets go of the upstream
DEADLINE_SECONDS = 60
# one second is promised; the rest is for a busy machine
NOTICED_SECONDS = 5
SLOTS = 50
OPEN: list[Stream] = []

SILENCES = {
    "no response": directive(fault="silent"),
    "no first token": directive(fault="role-only"),
    "comments": directive(fault="comments", gap=0.05),
    "a stall": directive(fault="stall", after=3, seconds=DEADLINE_SECONDS),
    "between tokens": directive(tokens=100, gap=1.5),
    "flowing": directive(fault="endless", gap=0.01),
    "as fast as it goes": directive(fault="endless"),
}


LEAN = pytest.mark.parametrize("patient", ["lean"], indirect=True, scope="module")
# what the two ways to read the LLM's stream do each by themselves
BOTH = pytest.mark.parametrize("patient", ["lean", "stock"], indirect=True, scope="module")


@pytest.fixture(scope="module")
def patient(request, _simulator):
    """A service that would wait for the model for a minute, and holds the status line for a moment only."""
    settings = {
        "LLM_CLIENT": request.param,
        "FIRST_TOKEN_TIMEOUT_SECONDS": DEADLINE_SECONDS,
        "IDLE_TIMEOUT_SECONDS": DEADLINE_SECONDS,
        "STREAM_HOLD_SECONDS": 0.2,
        "MAX_CONCURRENT_TURNS": SLOTS,
        "MAX_OUTPUT_TOKENS": 10_000_000,
    }
    with Service(_simulator.base_url, **settings) as service:
        yield service


def ask(service: Service, question: str, route: str = "/chat/stream") -> tuple[Stream, str]:
    """A request that was sent, its response not read; and its id."""
    request_id = uuid.uuid4().hex
    headers = {"X-Request-ID": request_id}
    payload = {"question": question}
    stream = Stream("127.0.0.1", service.port, payload, headers, path=route)
    OPEN.append(stream)
    return stream, request_id


@pytest.fixture(autouse=True)
def _no_stream_outlives_its_test():
    yield
    while OPEN:
        OPEN.pop().close()


@BOTH
@pytest.mark.parametrize("question", SILENCES.values(), ids=SILENCES)
def test_the_upstream_is_let_go_when_a_reader_leaves(patient, simulator, question):
    stream, request_id = ask(patient, question)
    stream.open()
    stream.close()
    simulator.wait(NOTICED_SECONDS, aborted=1)
    turn = patient.turn(request_id)
    assert turn["ending"] == "disconnected"
    assert [attempt["result"] for attempt in turn["attempts"]] == ["cancelled"]


@LEAN
@pytest.mark.parametrize("question", SILENCES.values(), ids=SILENCES)
def test_the_upstream_is_let_go_when_who_waits_for_the_whole_leaves(patient, simulator, question):
    stream, request_id = ask(patient, question, "/chat")
    simulator.wait(requests=1)
    stream.close()
    simulator.wait(NOTICED_SECONDS, aborted=1)
    assert patient.turn(request_id)["ending"] == "disconnected"


def test_a_reader_who_leaves_while_the_status_line_is_held_is_noticed(service, simulator):
    stream, request_id = ask(service, directive(fault="silent"))
    simulator.wait(requests=1)
    stream.close()
    simulator.wait(NOTICED_SECONDS, aborted=1)
    turn = service.turn(request_id)
    assert turn["ending"] == "disconnected"
    assert turn["duration_seconds"] < NOTICED_SECONDS


def test_a_reader_who_leaves_between_two_retries_is_noticed(serve, simulator):
    service = serve(RETRY_ATTEMPTS=10, RETRY_BUDGET=1, STREAM_HOLD_SECONDS=0)
    question = directive(fault="status", status=503, retry_after=2)
    stream, request_id = ask(service, question)
    simulator.wait(refused=1)
    stream.close()
    assert service.turn(request_id, NOTICED_SECONDS)["ending"] == "disconnected"
    assert simulator.stats()["requests"] == 1


@BOTH
def test_what_came_until_then_is_counted_and_wasted(patient, simulator):
    name, sample = "chat_tokens_wasted_total", {"reason": "disconnect"}
    wasted = patient.metric(name, **sample)
    estimated = patient.metric("chat_usage_estimated_total", model="sim")
    stream, request_id = ask(patient, directive(fault="stall", after=7, seconds=60))
    text, events = "", iter(stream)
    while text != answer_text(7):
        event = next(events)
        text += event.json()["text"] if event.name == "token" else ""
    stream.close()
    turn = patient.turn(request_id)
    # what the simulator writes are whole tokens of the encoding that counts them
    assert turn["output_tokens"] == 7
    assert turn["input_tokens"] > 20
    assert turn["tokens_source"] == "estimated"
    assert turn["answer_usage"] is None
    patient.until(name, wasted + turn["input_tokens"] + turn["output_tokens"], **sample)
    assert patient.metric("chat_usage_estimated_total", model="sim") == estimated + 1


@LEAN
def test_what_came_for_who_waits_for_the_whole_is_counted_too(patient, simulator):
    stream, request_id = ask(patient, directive(fault="endless", gap=0.02), "/chat")
    simulator.wait(tokens_written=60)
    stream.close()
    counted = patient.turn(request_id)["output_tokens"]
    simulator.wait(aborted=1)
    # the last ones may have been on their way when the connection was closed
    assert 40 <= counted <= simulator.requests()[0]["tokens_written"]


@LEAN
def test_bytes_that_wait_to_be_read_hide_no_hangup_and_are_none(patient, simulator):
    """A second request on the same connection stands before the end of the stream that is closed."""
    stream, request_id = ask(patient, directive(fault="stall", after=5, seconds=60, gap=0.2))
    events = iter(stream)
    while next(events).name != "token":
        pass
    # the first request has been read to its end: from here on nobody reads
    stream.socket.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    simulator.wait(tokens_written=5)
    assert simulator.stats()["aborted"] == 0
    stream.close()
    simulator.wait(NOTICED_SECONDS, aborted=1)
    assert patient.turn(request_id)["ending"] == "disconnected"


def hold(service: Service, count: int) -> list[Stream]:
    """So many streams at once, each in its answer."""
    streams = [ask(service, directive(fault="stall", after=1, seconds=60))[0] for _ in range(count)]
    for stream in streams:
        next(iter(stream))
    return streams


def close(streams: list[Stream]) -> None:
    for stream in streams:
        stream.close()


@BOTH
def test_streams_that_were_dropped_leave_nothing_behind(patient, simulator):
    for _ in range(2):
        streams = hold(patient, SLOTS)
        assert {stream.status for stream in streams} == {200}
        assert patient.metric("chat_turns_in_flight") == SLOTS
        status, _, body = patient.chat()
        assert (status, body["error"]["code"]) == (503, "overloaded"), "all slots are taken"
        close(streams)
        patient.until("chat_turns_in_flight", 0)
    simulator.wait(aborted=2 * SLOTS, open_max=0)


@LEAN
def test_callers_who_send_and_leave_at_once_leave_nothing_behind(patient, simulator):
    began = patient.metric("chat_turns_started_total")
    for _ in range(200):
        ask(patient, directive(fault="silent"))[0].close()
    patient.until("chat_turns_started_total", began + 200)
    patient.until("chat_turns_in_flight", 0)
    assert patient.metric("chat_turns_total") == began + 200
    streams = hold(patient, SLOTS)
    assert {stream.status for stream in streams} == {200}
    close(streams)
    patient.until("chat_turns_in_flight", 0)
    simulator.wait(open_max=0)
    assert not [event for event in patient.events() if event["level"] == "error"]


@LEAN
def test_the_llm_is_not_asked_for_callers_who_left_before_they_were_heard(patient, simulator):
    (worker,) = patient.workers()
    os.kill(worker, signal.SIGSTOP)
    try:
        left = [ask(patient, directive(tokens=2)) for _ in range(20)]
        close([stream for stream, _ in left])
    finally:
        os.kill(worker, signal.SIGCONT)
    turns = [patient.turn(request_id) for _, request_id in left]
    assert {turn["ending"] for turn in turns} == {"disconnected"}
    assert [turn["attempts"] for turn in turns] == [[]] * len(turns)
    assert simulator.stats()["requests"] == 0
