"""What fails in a chain: whose fault it is, what is repeated, and that nobody else pays."""

import concurrent.futures
import threading
import time

import pytest

from tests.integration.chains.conftest import ANSWERED, ASKED, ask, calls, says
from tests.support.model_server import DONE, fin, refuses, stream, text
from tests.support.upstream import cut, gone

DOWN = refuses(500, {"error": {"message": "no"}})
CUT = stream(text("it"), text(" was"), cut, end=False)
# how many attempts a model gets
ATTEMPTS = 3

STEPS = {
    "key_error": (500, "internal", "failed"),
    "broken_json": (500, "internal", "failed"),
    "wrong_type": (500, "internal", "failed"),
    "missing_file": (500, "internal", "failed"),
    "system_exit": (500, "internal", "failed"),
    "cancelled": (500, "internal", "failed"),
    "dependency": (502, "dependency_failed", "dependency_failed"),
    "raised_dependency": (502, "dependency_failed", "dependency_failed"),
    "step_timeout": (504, "step_timeout", "timed_out"),
    "gevent_timeout": (504, "step_timeout", "timed_out"),
    "nothing": (502, "answer_empty", "failed"),
}


@pytest.mark.parametrize("chain", STEPS)
def test_a_step_that_fails_is_its_own_fault(service, server, route, chain):
    status, code, ending = STEPS[chain]
    answer = ask(service, route, chain)
    assert (answer.status, answer.code) == (status, code)
    line = service.turn(answer.request_id)
    assert (line["ending"], line["attempts"], server.bodies) == (ending, [], [])
    assert not any("secret-text" in line for line in service.lines)


@pytest.mark.parametrize("chain", ["key_error", "broken_json", "wrong_type", "system_exit"])
def test_a_bug_in_a_step_has_its_trace_in_the_log(service, chain):
    answer = ask(service, "/chat", chain)
    bug = service.event("bug", answer.request_id)
    places = [frame for link in bug["trace"] for frame in link["frames"]]
    assert any("chain.py" in place or "prompts" in place for place in places)


def test_a_dependency_that_a_retriever_needs(service, server, route):
    answer = ask(service, route, "rag", "down")
    assert (answer.status, answer.code, server.bodies) == (502, "dependency_failed", [])


def test_a_tool_that_ends_the_process_ends_its_turn(service, server, route):
    server.says(calls("exiting", {"a": 1}))
    answer = ask(service, route, "exiting")
    assert answer.code == "internal"
    server.says()
    assert ask(service, route, "plain").text == "Hello"


@pytest.mark.parametrize("chain", ["plain", "rag", "rewrite_lambda", "agent"])
def test_a_model_that_fails_is_asked_again_and_no_step_with_it(service, server, route, chain):
    replies = {"agent": [calls("add", {"a": 1, "b": 2})], "rewrite_lambda": [says("better")]}
    server.says(*replies.get(chain, []), DOWN, says("at last"))
    answer = ask(service, route, chain)
    assert (answer.code, answer.text) == (None, "at last")
    assert len(server.bodies) == len(replies.get(chain, [])) + 2


def test_an_agent_whose_second_call_fails_has_run_its_tool_once(service, server, route):
    server.says(calls("add", {"a": 1, "b": 2}), DOWN)
    answer = ask(service, route, "agent")
    assert answer.code == "upstream_error"
    assert len(server.bodies) == 1 + ATTEMPTS
    if route == "/chat/stream":
        # the tool's start was sent: the status line is gone
        assert (answer.status, answer.tools) == (200, ["add started", "add finished"])
    else:
        assert answer.status == 502
    assert service.turn(answer.request_id)["ending"] == "upstream_failed"


@pytest.mark.parametrize(
    "chain", ["plain", "parsed", "rag", "rewrite", "branch", "routing", "model"]
)
def test_an_answer_that_is_cut_begins_again(service, server, route, chain):
    first = [says("better")] if chain == "rewrite" else []
    server.says(*first, CUT, says("it is| whole"))
    answer = ask(service, route, chain)
    assert (answer.code, answer.text) == (None, "it is whole")
    if route == "/chat/stream":
        assert answer.names.count("restart") == 1


def test_what_earlier_calls_have_shown_stays(service, server, route):
    first = [
        *calls("add", {"a": 1, "b": 2})[:1],
        *stream(text("Let me see. "))[1:-1],
        *calls("add", {"a": 1, "b": 2})[1:],
    ]
    server.says(first, CUT, says("it is| 3"))
    answer = ask(service, route, "agent")
    assert (answer.code, answer.text) == (None, "Let me see. it is 3")
    assert len(server.bodies) == 3
    # the answer's bill has its own calls, and the turn's has the one that was cut as well
    assert answer.usage == (17, 7, "reported")
    assert answer.end["cost_usd"] == pytest.approx(17 * ASKED + 7 * ANSWERED, abs=1e-12)
    line = service.turn(answer.request_id)
    costs = [attempt["cost_usd"] for attempt in line["attempts"]]
    assert [attempt["result"] for attempt in line["attempts"]] == ["ok", "upstream_error", "ok"]
    assert line["cost_usd"] == pytest.approx(sum(costs), abs=1e-12)
    assert line["cost_usd"] > answer.end["cost_usd"]
    if route == "/chat/stream":
        assert answer.names.count("restart") == 1
        assert answer.tools == ["add started", "add finished"]


def test_a_call_that_is_not_shown_is_asked_again_in_silence(service, server, route):
    server.says(CUT, says("better"), says("final"))
    answer = ask(service, route, "rewrite")
    assert (answer.text, "restart" in answer.names) == ("final", False)


def test_a_step_that_streams_the_model_itself_cannot_take_text_back(service, server, route):
    server.says(CUT, says("whole"))
    answer = ask(service, route, "streams_itself")
    assert answer.code == "upstream_error"
    assert len(server.bodies) == 1


def test_a_history_keeps_whole_answers_alone(service, server):
    server.says(CUT, says("it is| whole"), says("second"))
    first = ask(service, "/chat/stream", "history", "one", session="session-of-cuts")
    ask(service, "/chat/stream", "history", "two", session="session-of-cuts")
    assert first.text == "it is whole"
    sent = [message["content"] for message in server.bodies[-1]["messages"]]
    assert sent == ["one", "it is whole", "two"]


@pytest.mark.parametrize("chain", ["history", "remembering"])
def test_a_chain_with_a_memory_wants_a_session(service, server, route, chain):
    answer = ask(service, route, chain)
    assert (answer.status, answer.code, server.bodies) == (400, "invalid_request", [])
    assert answer.details[0]["field"] == "X-Session-ID"


def test_a_graph_that_remembers_is_not_told_twice(service, server):
    server.says(says("one"), says("two"))
    history = [{"role": "user", "content": "old"}, {"role": "assistant", "content": "old"}]
    for question in ("first", "second"):
        ask(service, "/chat", "remembering", question, session="session-0001", history=history)
    sent = [message["content"] for message in server.bodies[-1]["messages"]]
    assert sent == ["first", "one", "second"]


def test_a_turn_that_was_left_in_a_tool_does_not_poison_its_session(service, server):
    server.says(calls("slow_add", {"a": 1, "b": 2}))
    with service.stream("one", chain="remembering", headers={"X-Session-ID": "left-session"}):
        wait_until(lambda: server.bodies)
        time.sleep(0.3)
    service.until("chat_turns_in_flight", 0)
    server.says(says("fine"))
    answer = ask(service, "/chat", "remembering", "two", session="left-session")
    assert (answer.status, answer.text) == (200, "fine")
    roles = [message["role"] for message in server.bodies[-1]["messages"]]
    assert roles == ["user", "assistant", "tool", "user"]


def test_who_leaves_during_a_tool_pays_for_no_further_call(service, server):
    server.says(calls("slow_add", {"a": 1, "b": 2}), says("never"))
    with service.stream("hi", chain="agent") as streamed:
        assert next(iter(streamed)).name == "start"
        wait_until(lambda: server.bodies)
    service.until("chat_turns_in_flight", 0, timeout=1.5)
    time.sleep(2.5)
    assert len(server.bodies) == 1


def test_who_leaves_during_a_search_pays_for_no_call_and_leaves_no_trace(service, server):
    seen = len(service.lines)
    with service.stream("hi", chain="sleeping") as streamed:
        assert next(iter(streamed)).name == "start"
    service.until("chat_turns_in_flight", 0, timeout=1.5)
    time.sleep(2.5)
    assert server.bodies == []
    assert all(line.startswith("{") for line in service.lines[seen:])


def test_who_leaves_in_the_middle_is_billed_for_what_was_sent(service, server):
    server.says(stream(text("It is "), lambda connection: gone(connection, timeout=5), end=False))
    with service.stream("hi", chain="long_rag") as streamed:
        assert any(event.name == "token" for event in streamed)
        request_id = streamed.headers["x-request-id"]
    line = service.turn(request_id)
    assert line["ending"] == "disconnected"
    (attempt,) = line["attempts"]
    # eight words a hundred times, and not the two letters of the question
    assert 700 < attempt["input_tokens"] < 1000
    assert attempt["output_tokens"] >= 1


def test_who_leaves_during_the_second_call_ends_it_at_once(service, server):
    held = threading.Event()
    closed = []

    def hold(connection):
        held.set()
        closed.append(gone(connection, timeout=5))

    server.says(
        calls("add", {"a": 1, "b": 2}), stream(text("a"), hold, text("b"), fin("stop"), DONE)
    )
    with service.stream("hi", chain="agent"):
        assert held.wait(5)
        left_at = time.monotonic()
    service.until("chat_turns_in_flight", 0, timeout=1.5)
    wait_until(lambda: closed)
    assert closed == [True]
    assert time.monotonic() - left_at < 2


def test_an_agent_that_goes_round_for_ever_ends_at_the_bound(service, server, route):
    server.says(calls("add", {"a": 1, "b": 2}))
    answer = ask(service, route, "agent")
    assert answer.code == "chain_limit_reached"
    assert len(server.bodies) == 20
    assert service.turn(answer.request_id)["ending"] == "failed"


def test_a_crowd_at_an_agent_is_answered_and_billed_to_the_token(service, server):
    before = service.metric("chat_cost_usd_total", model="gpt-4o-mini")
    server.answers_by(
        lambda body: (
            says("it is 3", 8, 3)
            if body["messages"][-1]["role"] == "tool"
            else calls("async_add", {"a": 1, "b": 2})
        )
    )
    with concurrent.futures.ThreadPoolExecutor(50) as crowd:
        answers = list(crowd.map(lambda _: ask(service, "/chat/stream", "async_agent"), range(50)))
    assert [answer.text for answer in answers] == ["it is 3"] * 50
    assert all(answer.usage == (18, 8, "reported") for answer in answers)
    assert all(answer.tools.count("async_add started") == 1 for answer in answers)
    spent = service.metric("chat_cost_usd_total", model="gpt-4o-mini") - before
    assert spent == pytest.approx(50 * (18 * 0.15e-6 + 8 * 0.6e-6))


def wait_until(true, seconds=5):
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.01)
