"""Retries, fallback, restart and breaker, as the caller and the upstream see them."""

import concurrent.futures
import threading
import time

import pytest

from tests.support.model_server import ModelServer, answers, refuses
from tests.support.simulator import SimulatorProcess, directive


@pytest.fixture(scope="module")
def other():
    """The fallback's upstream."""
    with SimulatorProcess() as simulator:
        yield simulator


@pytest.fixture
def fallback(other, serve):
    """A service with a fallback model; the simulators answer the same directives."""
    other.reset()
    return serve(FALLBACK_MODEL="spare", FALLBACK_BASE_URL=other.base_url)


def names(events):
    return [event.name for event in events if event.name != "token"]


@pytest.mark.parametrize(
    "fault", ["fault=status status=503", "fault=status status=429", "fault=reset-before"]
)
def test_a_failure_before_the_first_content_is_made_good_by_a_retry(serve, simulator, fault):
    service = serve()
    status, _, answer = service.chat(f"[sim {fault} times=2 tokens=3]")
    assert status == 200, answer
    assert simulator.stats()["requests"] == 3
    assert service.metric("chat_llm_retries_total") == 2


def test_three_attempts_never_become_nine(serve, simulator):
    service = serve()
    status, _, answer = service.chat(directive(fault="status", status=500))
    assert (status, answer["error"]["code"]) == (502, "upstream_error")
    assert simulator.stats()["requests"] == 3


def test_a_short_retry_after_is_waited_for(serve, simulator):
    service = serve()
    began = time.monotonic()
    status, _, _ = service.chat("[sim fault=status status=429 retry_after=2 times=1 tokens=1]")
    assert status == 200
    assert time.monotonic() - began >= 2
    assert simulator.stats()["requests"] == 2


def test_a_long_retry_after_is_passed_on_at_once(serve, simulator):
    service = serve()
    status, headers, _ = service.chat(directive(fault="status", status=429, retry_after=60))
    assert (status, headers["retry-after"]) == (429, "60")
    assert simulator.stats()["requests"] == 1


def test_a_server_that_forbids_it_is_not_asked_again(serve):
    with ModelServer(refuses(503, {}, **{"x-should-retry": "false"}), answers()) as server:
        status, _, answer = serve(OPENAI_BASE_URL=server.base_url).chat()
        assert (status, answer["error"]["code"]) == (502, "upstream_error")
        assert len(server.bodies) == 1


def test_a_server_that_says_in_milliseconds_when_to_come_back_is_asked_then(serve):
    with ModelServer(refuses(429, {}, **{"retry-after-ms": "800"}), answers()) as server:
        service = serve(OPENAI_BASE_URL=server.base_url)
        began = time.monotonic()
        assert service.chat()[0] == 200
        assert time.monotonic() - began >= 0.8
        assert len(server.bodies) == 2


def test_the_fallback_answers_silently_when_the_primary_stays_silent(other, serve, simulator):
    service = serve(
        FALLBACK_MODEL="spare", FALLBACK_BASE_URL=other.base_url, FIRST_TOKEN_TIMEOUT_SECONDS=1
    )
    other.reset()
    simulator.set_default("fault=silent")
    with service.stream("hello") as stream:
        events = stream.events()
    assert names(events) == ["start", "done", "message"]
    assert events[-2].json()["model"] == "spare"
    assert (simulator.stats()["requests"], other.stats()["requests"]) == (1, 1)


@pytest.mark.parametrize("fault", ["cut", "malformed", "reset-after", "no-finish"])
def test_a_cut_answer_begins_anew_and_is_whole(fallback, other, simulator, fault):
    simulator.set_default(f"fault={fault} after=4 text=one%20two%20three%20four%20five%20six")
    other.set_default("text=seven%20eight%20nine")
    with fallback.stream("hello") as stream:
        events = stream.events()
    assert names(events) == ["start", "restart", "done", "message"]
    assert events[-2].json()["model"] == "spare"
    after = events[[event.name for event in events].index("restart") + 1 : -2]
    assert "".join(event.json()["text"] for event in after) == "seven eight nine"
    status, _, answer = fallback.chat("hello again")
    assert (status, answer["answer"]) == (200, "seven eight nine")


def test_without_a_fallback_the_same_model_is_asked_anew_once(serve, simulator):
    service = serve()
    with service.stream("[sim fault=malformed after=2 times=1 text=one%20two%20three]") as stream:
        assert stream.text() == "one two three"
    assert simulator.stats()["requests"] == 2
    with service.stream("[sim fault=malformed after=2 text=one%20two%20three]") as stream:
        events = stream.events()
    assert events[-2].name == "error"
    assert events[-2].json()["code"] == "upstream_error"
    assert simulator.stats()["requests"] == 4


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("content-filter", 422, "content_filtered"),
        ("content-filter-finish", 422, "content_filtered"),
        ("status status=400", 400, "upstream_invalid_request"),
    ],
)
def test_a_refusal_of_the_request_itself_is_never_routed_around(
    fallback, other, simulator, fault, status, code
):
    found, _, answer = fallback.chat(f"[sim fault={fault} after=0 tokens=1]")
    assert (found, answer["error"]["code"]) == (status, code)
    assert (simulator.stats()["requests"], other.stats()["requests"]) == (1, 0)


def test_a_context_overflow_goes_to_the_fallback_which_may_hold_more(fallback, other, simulator):
    status, _, answer = fallback.chat("[sim model=sim fault=context-length] [sim text=Hello]")
    assert (status, answer["answer"], answer["model"]) == (200, "Hello", "spare")
    assert (simulator.stats()["requests"], other.stats()["requests"]) == (1, 1)
    assert fallback.metric("chat_breaker_state", model="sim") == 0


def test_the_primarys_failure_is_told_when_the_fallback_refuses_the_request(
    fallback, other, simulator
):
    simulator.set_default("fault=status status=500")
    other.set_default("fault=status status=400")
    status, _, answer = fallback.chat()
    assert (status, answer["error"]["code"]) == (502, "upstream_error")
    assert other.stats()["requests"] == 1


def failing(question, status=500):
    return directive(fault="status", status=status) + f" question {question}"


class Asking(threading.Thread):
    """One after the other, as fast as they are answered, until it is stopped."""

    def __init__(self, ask):
        super().__init__(daemon=True)
        self._ask = ask
        self._ended = threading.Event()
        self.answers = []

    def run(self):
        while not self._ended.is_set():
            self.answers.append(self._ask(len(self.answers)))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self.join(30)


POISON_SECONDS = 6


@pytest.mark.parametrize(
    "poison",
    [
        pytest.param(lambda _: (failing(0), {}), id="the same question"),
        pytest.param(
            lambda number: (failing(number), {"X-User-ID": "mallory-01"}), id="other questions"
        ),
        pytest.param(
            lambda number: (
                failing(number),
                {"X-User-ID": f"mallory-{number:02}", "X-Forwarded-For": "192.0.2.66"},
            ),
            id="other questions and user ids of one address",
        ),
    ],
)
def test_no_single_caller_can_take_a_model_from_the_others(serve, simulator, poison):
    """For many open periods, with several probes."""
    service = serve(BREAKER_OPEN_SECONDS=1, RETRY_ATTEMPTS=1, WEB_CONCURRENCY=2)

    def attack(number):
        question, headers = poison(number)
        return service.post("/chat", {"question": question}, headers)[0]

    until = time.monotonic() + POISON_SECONDS
    served = []
    with Asking(attack) as attacker, Asking(attack):
        while time.monotonic() < until:
            headers = {"X-User-ID": "honest-bob"}
            served.append(service.post("/chat", {"question": "hello"}, headers)[0])
            time.sleep(0.1)  # his own pace
    assert set(served) == {200}
    assert len(served) > 10
    assert attacker.answers.count(502) >= 5
    assert set(attacker.answers) <= {502, 503}


def test_the_breaker_opens_rejects_and_closes_again(serve, simulator):
    service = serve(BREAKER_FAILURES=5, BREAKER_OPEN_SECONDS=2, RETRY_ATTEMPTS=1)
    # neutral outcomes in between change nothing
    for number, status in enumerate((500, 500, 400, 500, 500, 401)):
        service.chat(failing(number, status))
    # nor does the same question once more
    service.chat(failing(0))
    assert service.metric("chat_breaker_state", model="sim") == 0
    status, _, answer = service.chat(failing(7))
    assert (status, answer["error"]["code"]) == (502, "upstream_error")
    before = simulator.stats()["requests"]
    status, headers, answer = service.chat()
    assert (status, answer["error"]["code"]) == (503, "circuit_open")
    assert int(headers["retry-after"]) in (1, 2)
    assert simulator.stats()["requests"] == before
    assert service.metric("chat_breaker_state", model="sim") == 2
    time.sleep(2)  # the open period itself
    with concurrent.futures.ThreadPoolExecutor(30) as pool:
        answers = list(pool.map(lambda _: service.chat(directive(first=1)), range(30)))
    assert sorted({status for status, _, _ in answers}) == [200, 503]
    assert simulator.stats()["requests"] == before + 1
    assert service.chat()[0] == 200
    assert service.metric("chat_breaker_state", model="sim") == 0


def test_callers_who_leave_never_open_the_breaker(serve, simulator):
    service = serve(BREAKER_FAILURES=3)
    streams = [
        service.stream(directive(fault="stall", after=1, seconds=60)).open() for _ in range(50)
    ]
    for stream in streams:
        next(iter(stream))
        stream.close()
    simulator.wait(aborted=50, timeout=20)
    assert service.chat()[0] == 200
    assert service.metric("chat_breaker_state", model="sim") == 0
