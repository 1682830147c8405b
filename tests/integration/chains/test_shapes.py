"""Chains that teams bring: what comes out, what it cost, and how the turn ended."""

import pytest

from tests.integration.chains.conftest import ANSWERED, ASKED, ask, calls, says

CITY = '{"name": "Seoul",| "people": 9}'
AS_JSON = '{"name":"Seoul","people":9}'
TWO_CALLS = [says("better", 7, 2), says("final| answer", 8, 3)]
TOOL = [calls("add", {"a": 1, "b": 2}), says("it is| 3")]

# chain: the model server's replies, the answer, usage
SHAPES = {
    "plain": ([says("Hello| you")], "Hello you", (7, 2)),
    "input": ([says("Hello| you")], "Hello you", (7, 2)),
    "parsed": ([says("Hello| you")], "Hello you", (7, 2)),
    "model": ([says("Hello| you")], "Hello you", (7, 2)),
    "rag": ([says("Hello| you")], "Hello you", (7, 2)),
    "rag_assign": ([says("Hello| you")], "Hello you", (7, 2)),
    "slow_rag": ([says("Hello| you")], "Hello you", (7, 2)),
    "late_step": ([says("Hello| you")], "Hello you!", (7, 2)),
    "streams_itself": ([says("Hello| you")], "HELLO YOU", (7, 2)),
    "retried": ([says("Hello| you")], "Hello you", (7, 2)),
    "fallbacks": ([says("Hello| you")], "Hello you", (7, 2)),
    "watched": ([says("Hello| you")], "Hello you", (7, 2)),
    "branch": ([says("Hello| you")], "Hello you", (7, 2)),
    "routing": ([says("Hello| you")], "Hello you", (7, 2)),
    "routing_lambda": ([says("Hello| you")], "Hello you", (7, 2)),
    "rewrite": (TWO_CALLS, "final answer", (15, 5)),
    "rewrite_lambda": (TWO_CALLS, "final answer", (15, 5)),
    "rewrite_graph": (TWO_CALLS, "final answer", (15, 5)),
    "parallel": ([says("A"), says("B"), says("C|D")], "CD", (21, 6)),
    "agent": (TOOL, "it is 3", (17, 7)),
    "agent_in_sequence": (TOOL, "it is 3", (17, 7)),
    "nested_graph": (TOOL, "it is 3", (17, 7)),
    "async_agent": ([calls("async_add", {"a": 1, "b": 2}), says("it is| 3")], "it is 3", (17, 7)),
    "asks_inside": (
        [calls("expert", {"question": "q"}), says("expert says"), says("so: |yes")],
        "so: yes",
        (24, 9),
    ),
    "structured": ([says(CITY)], AS_JSON, (7, 2)),
    "structured_tool": (
        [calls("City", {"name": "Seoul", "people": 9})], AS_JSON, (10, 5),
    ),
    "structured_agent": ([says(CITY)], AS_JSON, (7, 2)),
    "structured_tool_agent": ([calls("City", {"name": "Seoul", "people": 9})], AS_JSON, (10, 5)),
    "json": ([says(CITY)], AS_JSON, (7, 2)),
    "canned_graph": ([], "a canned answer", (0, 0)),
    "built_once": ([], "built 1 time(s)", (0, 0)),
    "text_lambda": ([], "you said hi", (0, 0)),
}  # fmt: skip


@pytest.mark.parametrize("chain", SHAPES)
def test_a_chain_is_answered_and_billed_for_each_of_its_calls(service, server, route, chain):
    replies, text, (asked, answered) = SHAPES[chain]
    server.says(*replies)
    answer = ask(service, route, chain)
    assert (answer.status, answer.code, answer.text) == (200, None, text)
    assert len(server.bodies) == len(replies)
    assert answer.usage == (asked, answered, "reported")
    cost = asked * ASKED + answered * ANSWERED
    assert answer.end["cost_usd"] == pytest.approx(cost, abs=1e-12)
    assert (answer.end["model"], answer.end["finish_reason"]) == ("gpt-4o-mini", "stop")
    line = service.turn(answer.request_id)
    assert (line["ending"], line["input_tokens"], line["output_tokens"]) == (
        "completed",
        asked,
        answered,
    )
    assert line["cost_usd"] == pytest.approx(cost, abs=1e-12)


def test_the_question_goes_where_a_chain_wants_it(service, server):
    for chain in ("rag", "rag_assign"):
        server.says()
        ask(service, "/chat", chain, "the moon")
        assert server.bodies[0]["messages"][-1]["content"] == "about the moon\nthe moon"


def test_a_rewritten_question_is_what_is_asked(service, server, route):
    server.says(*TWO_CALLS)
    ask(service, route, "rewrite")
    assert server.bodies[1]["messages"][-1]["content"] == "better"


def test_the_rest_of_a_conversation_reaches_a_graph(service, server):
    server.says(*TOOL)
    history = [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
    ]
    service.post(
        "/chat", {"question": "three", "chain": "agent", "history": history, "system": "be brief"}
    )
    sent = [(m["role"], m["content"]) for m in server.bodies[0]["messages"]]
    assert sent == [
        ("system", "be kind"),
        ("system", "be brief"),
        ("user", "one"),
        ("assistant", "two"),
        ("user", "three"),
    ]


@pytest.mark.parametrize("chain", ["agent", "bound_tools", "structured_tool"])
def test_the_requests_options_reach_every_call(service, server, chain):
    server.says(calls("add", {"a": 1, "b": 2}), says("it is 3"))
    service.post(
        "/chat",
        {
            "question": "hi", "chain": chain, "model": "gpt-4.1-mini",
            "temperature": 0.7, "max_tokens": 77,
        },
    )  # fmt: skip
    for body in server.bodies:
        limit = body.get("max_tokens") or body.get("max_completion_tokens")
        assert (body["model"], body["temperature"], limit) == ("gpt-4.1-mini", 0.7, 77)


@pytest.mark.parametrize("chain", ["routing", "routing_lambda"])
def test_a_model_that_the_chain_binds_is_named_and_priced(service, server, route, chain):
    answer = ask(service, route, chain, "hard")
    assert [body["model"] for body in server.bodies] == ["gpt-4o"]
    assert answer.end["model"] == "gpt-4o"
    assert answer.end["cost_usd"] == pytest.approx(7 * 2.5e-6 + 2 * 10e-6)


@pytest.mark.parametrize("chain", ["own_model", "own_guarded"])
def test_a_model_of_the_chains_own_is_billed_as_itself(service, server, route, chain):
    answer = ask(service, route, chain)
    assert (answer.text, answer.end["model"]) == ("Hello", "gpt-4o")
    assert answer.usage == (7, 2, "reported")
    assert answer.end["cost_usd"] == pytest.approx(7 * 2.5e-6 + 2 * 10e-6)
    attempts = service.turn(answer.request_id)["attempts"]
    assert [attempt["model"] for attempt in attempts] == ["gpt-4o"]


def test_models_without_a_guard_are_named_at_start(service):
    line = service.event("models_not_guarded")
    assert line["models"] == ["ChatOpenAI(gpt-4o)"]
    assert "guarded()" in line["effect"]


def test_embeddings_that_are_accounted_are_on_the_bill(service, server, route):
    answer = ask(service, route, "embedded", "a question of six words, perhaps")
    line = service.turn(answer.request_id)
    assert [attempt["model"] for attempt in line["attempts"]] == [
        "text-embedding-3-small",
        "gpt-4o-mini",
    ]
    assert line["attempts"][0]["input_tokens"] > 4
    assert line["attempts"][0]["cost_usd"] > 0
    assert answer.end["model"] == "gpt-4o-mini"


def test_a_slow_tool_and_a_slow_second_call_are_waited_for(service, server, route):
    answer = says("it is| 3")
    server.says(calls("slow_add", {"a": 1, "b": 2}), [answer[0], 1.0, *answer[1:]])
    told = ask(service, route, "agent")
    assert (told.code, told.text, told.usage) == (None, "it is 3", (17, 7, "reported"))


def test_tools_are_data_while_they_run_and_are_asked_once(service, server):
    server.says(*TOOL)
    answer = ask(service, "/chat/stream", "agent")
    assert answer.tools == ["add started", "add finished"]
    assert "tool_calls" not in answer.names


def test_what_a_chain_hands_out_as_calls_is_data(service, server, route):
    server.says(calls("add", {"a": 1, "b": 2}))
    answer = ask(service, route, "bound_tools")
    assert answer.data == {"tool_calls": [{"id": "c1", "name": "add", "args": {"a": 1, "b": 2}}]}
    assert (answer.text, answer.end["finish_reason"]) == ("", "tool_calls")
    assert answer.usage == (10, 5, "reported")
    line = service.turn(answer.request_id)
    cost = pytest.approx(10 * ASKED + 5 * ANSWERED, abs=1e-12)
    assert (line["ending"], line["cost_usd"], answer.end["cost_usd"]) == ("completed", cost, cost)


def test_sources_come_beside_the_answer(service, server, route):
    answer = ask(service, route, "sources")
    assert answer.data == {
        "sources": [{"page_content": "about hi", "metadata": {"source": "shelf.txt"}}]
    }
    assert answer.text == "Hello"


def test_data_that_is_no_json_or_too_long_is_dropped_and_said(service, server, route):
    answer = ask(service, route, "no_json")
    told = {
        "7": "a number as a name",
        "fine": {"n": 1},
        "long number": {"n": 2**70, "on": "2026-01-02"},
    }
    assert (answer.data, answer.text) == (told, "Hello")
    service.turn(answer.request_id)
    dropped = {line["name"] for line in service.events() if line.get("event") == "data_dropped"}
    assert dropped == {"odd", "long", "deep", "deeper", "n" * 256}


def test_a_graphs_writer_is_data(service, route):
    assert ask(service, route, "canned_graph").data == {"progress": 1}


def test_handlers_of_the_chains_own_see_each_call(service, server, route):
    ask(service, route, "watched")
    seen = [line["seen"] for line in service.events() if "seen" in line][-1]
    assert (seen[-1], seen[-2]) == ("end", "token")
    assert seen.count("start") == seen.count("end")


def test_steps_have_a_time_of_their_own(service, server):
    def spent():
        step = service.metric("chat_step_seconds_sum", chain="slow_rag", step="Shelf")
        return step, service.metric("gen_ai_client_operation_duration_seconds_sum")

    step_before, model_before = spent()
    ask(service, "/chat", "slow_rag")
    step, model = spent()
    assert step - step_before >= 3
    assert model - model_before < 3


def test_a_chain_that_is_not_there_is_refused_with_those_that_are(service):
    status, _, body = service.chat("hi", chain="poetry")
    assert status == 400
    (detail,) = body["error"]["details"]
    assert detail["field"] == "chain"
    assert "plain, input, parsed" in detail["reason"]
