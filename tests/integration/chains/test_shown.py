"""What is shown, and billed, of a chain's many model calls: side by side, for itself, cut in the middle, and left."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.chains.conftest import SETTINGS, ask, calls, says
from tests.support.model_server import DONE, ModelServer, choice, fin, stream, text, usage
from tests.support.service import Service
from tests.support.upstream import chunk, cut, gone

CHAINS = Path(__file__).with_name("shown.py").read_text()
CUT = stream(text("it"), text(" was"), cut, end=False)
CALL = calls("add", {"a": 1, "b": 2})
SELECTED = says('{"tools": ["add"]}')
COUNTS = usage(prompt_tokens=7, completion_tokens=2)


def streamed_to_openai(service, chain):
    """The words and the last chunk."""
    body = {"model": chain, "messages": [{"role": "user", "content": "hi"}], "stream": True}
    _, _, told = service.request(
        "POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"}
    )
    frames = [json.loads(line[6:]) for line in told.decode().splitlines() if line[:7] == "data: {"]
    chunks = [one["choices"][0] for one in frames if "choices" in one]
    return "".join(one["delta"].get("content") or "" for one in chunks), frames[-1]


@pytest.fixture(scope="module")
def service(_server: ModelServer) -> Iterator[Service]:
    with Service(_server.base_url, chain=CHAINS, **SETTINGS) as running:
        yield running


@pytest.mark.parametrize("chain", ["side_by_side", "sent"])
def test_calls_side_by_side_do_not_tear_each_others_text(service, server, route, chain):
    both_speak = threading.Barrier(2)

    def meet(_connection):
        both_speak.wait(10)

    words = [text("one "), meet, text("two "), meet, text("three. ")]
    server.says(stream(*words, fin("stop"), COUNTS, DONE))
    answer = ask(service, route, chain)
    assert (answer.code, answer.text) == (None, "one two three. one two three. ")
    assert answer.usage == (14, 4, "reported")


@pytest.mark.parametrize(
    ("chain", "replies", "words"),
    [
        ("structured", [says('{"name": "Seoul", "people": 9}')], "9 people"),
        ("selecting", [SELECTED, CALL, SELECTED, says("it is 3")], "it is 3"),
        ("emulating", [CALL, says("3"), says("it is 3")], "it is 3"),
    ],
)
def test_what_a_chain_asks_for_itself_is_not_shown(service, server, route, chain, replies, words):
    server.says(*replies)
    answer = ask(service, route, chain)
    assert (answer.code, answer.text) == (None, words)
    attempts = service.turn(answer.request_id)["attempts"]
    assert [attempt["result"] for attempt in attempts] == ["ok"] * len(replies)


def test_a_message_that_a_function_returns_is_said_once(service, server, route):
    server.says(says("Hello| you"))
    assert ask(service, route, "returned").text == "Hello you"


@pytest.mark.parametrize("chain", ["sourced", "sourced_state", "sourced_result"])
def test_what_a_node_adds_to_its_models_text_follows_it(service, server, route, chain):
    server.says(says("a| word"))
    answer = ask(service, route, chain)
    assert (answer.code, answer.text) == (None, "a word\n\nSource: a book")
    assert "restart" not in answer.names
    assert streamed_to_openai(service, chain)[0] == answer.text


def test_what_is_added_to_json_follows_it_too(service, server, route):
    server.says(says("42"))
    assert ask(service, route, "sourced_result").text == "42\n\nSource: a book"


def test_what_nodes_side_by_side_add_is_no_reason_to_say_a_text_again(service, server, route):
    server.says(says("first"), says("second"))
    source = "\n\nSource: a book"
    said = ask(service, route, "sourced_side_by_side").text
    assert said.count(source) == 2
    assert said.replace(source, "") in ("firstsecond", "secondfirst")


def test_what_a_task_returns_is_not_the_answer_of_its_function(service, server, route):
    server.says(says("a| word"))
    answer = ask(service, route, "checked")
    assert (answer.code, answer.text) == (None, "a word")
    assert "restart" not in answer.names


def test_a_message_around_the_models_text_replaces_it(service, server, route):
    server.says(says("a| word"))
    assert ask(service, route, "quoted").text == "Answer: a word"


def test_the_result_of_a_function_replaces_what_its_models_said(service, server, route):
    server.says(says("a| word"))
    answer = ask(service, route, "compared_result")
    assert (answer.text, answer.usage) == ("a word or a word", (14, 4, "reported"))


@pytest.mark.parametrize(
    ("chain", "words"), [("two_joined", "onetwo"), ("two_merged", "one and two")]
)
def test_what_a_node_makes_of_several_calls_is_said_once(service, server, route, chain, words):
    server.says(says("one"), says("two"))
    answer = ask(service, route, chain)
    assert (answer.code, answer.text, answer.usage) == (None, words, (14, 4, "reported"))
    assert chain == "two_merged" or "restart" not in answer.names


def test_a_message_of_a_call_that_is_tagged_nostream_is_not_shown(service, server, route):
    server.says(says("a draft"), says("the| end"), says("a draft"), says("the| end"))
    answer = ask(service, route, "drafted")
    assert (answer.code, answer.text, answer.usage) == (None, "the end", (14, 4, "reported"))
    assert streamed_to_openai(service, "drafted")[0] == answer.text


def test_such_a_message_is_the_answer_where_nothing_else_is_said(service, server, route):
    server.says(says("a| word"))
    answer = ask(service, route, "unseen")
    assert (answer.code, answer.text) == (None, "a word")


def test_it_is_the_answer_where_the_graph_ends_in_it(service, server, route):
    server.says(says("it is| 3"))
    answer = ask(service, route, "looked_up")
    assert (answer.code, answer.text) == (None, "Looking it up. it is 3")


def test_tool_calls_that_a_graph_ends_in_are_the_callers(service, server, route):
    head, *call = CALL
    server.says([head, chunk(text("Let me see.")), *call])
    answer = ask(service, route, "leaves_calls")
    made = [{"id": "c1", "name": "add", "args": {"a": 1, "b": 2}}]
    assert (answer.text, answer.data) == ("Let me see.", {"tool_calls": made})
    assert answer.end["finish_reason"] == "tool_calls"
    assert (
        streamed_to_openai(service, "leaves_calls")[1]["choices"][0]["finish_reason"]
        == "tool_calls"
    )


@pytest.mark.parametrize("chain", ["counts_steps", "note_then_call"])
def test_they_are_what_the_state_ends_in(service, server, route, chain):
    server.says(CALL)
    answer = ask(service, route, chain)
    assert answer.text == ("a note" if chain == "note_then_call" else "")
    assert [call["name"] for call in answer.data["tool_calls"]] == ["add"]
    assert answer.end["finish_reason"] == "tool_calls"


@pytest.mark.parametrize(
    ("chain", "words"),
    [("keeps_raw", "9 people"), ("gives_up", "sorry"), ("call_then_note", "a note")],
)
def test_calls_beside_an_answer_are_not_the_callers(service, server, route, chain, words):
    server.says(calls("City", {"name": "Seoul", "people": 9}) if chain == "keeps_raw" else CALL)
    answer = ask(service, route, chain)
    assert (answer.text, answer.data, answer.end["finish_reason"]) == (words, {}, "stop")


@pytest.mark.parametrize("chain", ["leaves_calls", "streamed_calls"])
def test_arguments_that_are_cut_stay_as_they_came(service, server, route, chain):
    function = {"name": "add", "arguments": '{"a": 1, "b'}
    delta = {"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": function}]}
    server.says(stream(choice(delta), fin("length"), COUNTS, DONE))
    answer = ask(service, route, chain)
    assert answer.data["tool_calls"] == [{"id": "c1", "name": "add", "args": '{"a": 1, "b'}]
    assert answer.end["finish_reason"] == "length"


def test_arguments_that_are_nested_too_deeply_are_text(service, server, route):
    (call,) = ask(service, route, "deep_calls").data["tool_calls"]
    assert call["args"].startswith('{"a":{"a":')


def test_the_call_of_a_bound_function_is_handed_out_too(service, server, route):
    function = {"name": "add", "arguments": '{"a": 1}'}
    server.says(stream(choice({"function_call": function}), fin("function_call"), COUNTS, DONE))
    answer = ask(service, route, "function_call")
    assert answer.data["tool_calls"] == [{"id": None, "name": "add", "args": {"a": 1}}]


def test_what_an_agent_reports_to_its_supervisor_is_the_answer(service, server, route):
    server.says(CALL, says("it is| 3"))
    answer = ask(service, route, "supervised")
    assert (answer.code, answer.text, answer.usage) == (None, "it is 3", (17, 7, "reported"))


# cut twice: the guard has begun again once, and the chain itself goes on
GOES_ON = {
    "spared": [CUT, CUT],
    "spared_by_own": [CUT, CUT],
    "own_spared": [CUT],
    "spared_agent": [CUT, CUT],
    "retried_agent": [CUT, CUT],
    "retried_node": [CUT, CUT],
}


@pytest.mark.parametrize("chain", GOES_ON)
def test_what_a_failed_call_has_shown_is_taken_back_where_the_chain_goes_on(
    service, server, route, chain
):
    server.says(*GOES_ON[chain], says("it is| whole"))
    answer = ask(service, route, chain)
    assert (answer.code, answer.text) == (None, "it is whole")
    assert answer.usage == (7, 2, "reported")
    attempts = service.turn(answer.request_id)["attempts"]
    failed = [attempt for attempt in attempts if attempt["result"] == "upstream_error"]
    assert len(failed) == len(GOES_ON[chain])
    assert all(attempt["output_tokens"] > 0 for attempt in failed)


def test_a_node_that_catches_the_failure_answers_itself(service, server, route):
    server.says(CUT, CUT)
    assert ask(service, route, "careful").text == "sorry"


@pytest.mark.parametrize("chain", ["spared", "own_spared", "retried_node"])
def test_an_openai_client_who_cannot_take_text_back_gets_the_failure(service, server, chain):
    server.says(CUT, says("it is| whole"))
    words, last = streamed_to_openai(service, chain)
    assert words == "it was"
    assert last["error"]["code"] == "upstream_error"
    assert len(server.bodies) == 1


DRAFT = [says("a |draft"), says("the| end")]
REPLACED = {
    "asks_twice": (DRAFT, "the end"),
    "shouts": ([says("a| word")], "A WORD"),
    "censors": ([says("a bad| word")], "a *** word"),
    "rejects": (DRAFT, "the end"),
    "refuses": ([says("bad| words")], "I will not say that."),
    "signs": ([says("a| word")], "a word (signed)"),
    "redacts": ([says("ask bob@example|.com")], "ask [REDACTED_EMAIL]"),
}


@pytest.mark.parametrize("chain", REPLACED)
def test_what_an_agents_middleware_replaces_is_not_the_answer(service, server, route, chain):
    replies, words = REPLACED[chain]
    server.says(*replies)
    answer = ask(service, route, chain)
    assert (answer.code, answer.text) == (None, words)
    assert answer.usage == (7 * len(replies), 2 * len(replies), "reported")
    assert chain != "redacts" or "restart" not in answer.names


@pytest.mark.parametrize("chain", REPLACED)
def test_text_that_may_be_replaced_waits_for_a_client_who_cannot_take_it_back(
    service, server, chain
):
    replies, words = REPLACED[chain]
    server.says(*replies)
    told, last = streamed_to_openai(service, chain)
    assert (told, last["choices"][0]["finish_reason"]) == (words, "stop")


def test_text_that_waits_keeps_what_was_said_before_a_tool(service, server):
    head, *call = CALL
    server.says([head, chunk(text("Let me see. ")), *call], says("It is 3."))
    told, last = streamed_to_openai(service, "signs")
    assert told == "Let me see. It is 3. (signed)"
    assert last["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("chain", ["typed", "typed_by_tool"])
def test_an_answer_that_is_an_object_is_only_that(service, server, route, chain):
    city = {"name": "Seoul", "people": 9}
    is_tool = chain == "typed_by_tool"
    head, *call = CALL
    server.says(
        [head, chunk(text("Let me see. ")), *call],
        calls("City", city) if is_tool else says(json.dumps(city)),
    )
    answer = ask(service, route, chain)
    assert (answer.code, json.loads(answer.text)) == (None, city)


@pytest.mark.parametrize("chain", ["calls_limited", "tools_limited"])
def test_an_agents_own_limit_is_no_bug(service, server, route, chain):
    server.says(CALL)
    answer = ask(service, route, chain)
    assert answer.code == "chain_limit_reached"
    assert service.turn(answer.request_id)["ending"] == "failed"


def test_an_unguarded_agent_that_goes_round_for_ever_ends_at_the_bound(service, server, route):
    server.says(CALL)
    assert ask(service, route, "own_agent").code == "chain_limit_reached"
    assert len(server.bodies) == 20


def test_a_tool_that_asks_a_human_has_not_failed(service, server):
    server.says(calls("book", {"a": 1, "b": 2}))
    answer = ask(service, "/chat/stream", "booking", session="asks-a-human")
    assert (answer.tools, answer.data) == (
        ["book started", "book finished"],
        {"interrupt": {"really": 3}},
    )


def test_scores_of_a_vector_store_are_numbers(service, server, route):
    (source,) = ask(service, route, "scored").data["sources"]
    assert isinstance(source["score"], float)


@pytest.mark.parametrize(
    ("chain", "replies", "counts"),
    [("piped", [says("Hello")], [9]), ("agent", [CALL, says("it is 3")], [15, 9])],
)
def test_a_handler_of_everything_sees_every_call(service, server, route, chain, replies, counts):
    seen = len(service.lines)
    server.says(*replies)
    service.turn(ask(service, route, chain).request_id)
    told = [line for line in service.lines[seen:] if line.startswith('{"counted"')]
    assert [json.loads(line)["counted"] for line in told] == counts


@pytest.mark.parametrize(
    ("chain", "before", "running"),
    [("side_by_side", [], 2), ("agent", [CALL], 1), ("own_agent", [CALL], 1)],
)
def test_calls_that_run_when_the_caller_leaves_are_on_the_bill(
    service, server, chain, before, running
):
    model = "gpt-4o" if chain == "own_agent" else "gpt-4o-mini"
    spent = service.metric("chat_cost_usd_total", model=model)
    begun, closed = threading.Semaphore(0), threading.Semaphore(0)

    def hold(connection):
        begun.release()
        if gone(connection, timeout=10):
            closed.release()

    def asked(body):
        is_first = before and body["messages"][-1]["role"] != "tool"
        return before[0] if is_first else stream(text("a "), text("b "), hold, end=False)

    server.answers_by(asked)
    with service.stream("hi", chain=chain) as streamed:
        request_id = streamed.headers["x-request-id"]
        assert all(begun.acquire(timeout=10) for _ in range(running))
    line = service.turn(request_id)
    assert line["ending"] == "disconnected"
    left = line["attempts"][len(before) :]
    assert [attempt["result"] for attempt in left] == ["cancelled"] * running
    assert all(attempt["output_tokens"] > 0 for attempt in left)
    service.until("chat_turns_in_flight", 0)
    assert service.metric("chat_cost_usd_total", model=model) - spent == pytest.approx(
        line["cost_usd"], abs=1e-12
    )
    assert all(closed.acquire(timeout=10) for _ in range(running))
