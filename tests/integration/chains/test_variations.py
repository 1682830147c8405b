"""The shapes of test_shapes.py, varied: agents, graphs and memories of other kinds, and what else chains hand out."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.chains.conftest import ANSWERED, ASKED, SETTINGS, ask, calls, says
from tests.support.model_server import USAGE, ModelServer, refuses
from tests.support.service import Service
from tests.support.upstream import whole

CHAINS = Path(__file__).with_name("variations.py").read_text()
CITY = '{"name": "Seoul",| "people": 9}'
AS_JSON = '{"name":"Seoul","people":9}'
ONE = [says("Hello| you")]
TOOL = [calls("add", {"a": 1, "b": 2}), says("it is| 3")]
OTHER_ASKED, OTHER_ANSWERED = 2.5e-6, 10e-6
DOWN = refuses(500, {"error": {"message": "no"}})
REFUSED = refuses(429, {"error": {"message": "no"}})


def call(tool):
    return calls(tool, {"a": 1, "b": 2})


# chain: the model server's replies, the answer, usage
SHAPES = {
    "map_reduce": ([says("w")] * 3 + [says("all| w")], "all w", (28, 8)),
    "commanded": (ONE, "Hello you", (7, 2)),
    "agent_in_node": (TOOL, "it is 3", (17, 7)),
    "functional": (ONE, "Hello you!", (7, 2)),
    "prepared": (ONE, "Hello you", (7, 2)),
    "parts_of_messages": (ONE, "Hello you", (7, 2)),
    "dict_message": ([], "a dict", (0, 0)),
    "pair_message": ([], "a pair", (0, 0)),
    "new_message": (ONE, "Hello you", (7, 2)),
    "parsed_in_node": (ONE, "Hello you", (7, 2)),
    "streamed_in_node": (ONE, "Hello you", (7, 2)),
    "async_in_node": (ONE, "Hello you", (7, 2)),
    "state_without_text": ([], '{"parts":[{"page_content":"d","metadata":{}}]}', (0, 0)),
    "agent_then_lambda": (TOOL, "it is 3", (17, 7)),
    "agent_in_lambda": (TOOL, "it is 3", (17, 7)),
    "agent_returned": (TOOL, "it is 3", (17, 7)),
    "agent_assigned": (TOOL, "it is 3", (17, 7)),
    "agent_in_branch": (TOOL, "it is 3", (17, 7)),
    "agent_with_fallbacks": (TOOL, "it is 3", (17, 7)),
    "agent_with_retry": (TOOL, "it is 3", (17, 7)),
    "agent_direct": ([call("direct")], "directly 3", (10, 5)),
    "agent_handled": ([call("handled"), says("it is| 3")], "it is 3", (17, 7)),
    "agent_artifact": ([call("artifact"), says("it is| 3")], "it is 3", (17, 7)),
    "decorated": ([says("better"), says("final")], "final", (14, 4)),
    "generating": (ONE, "so: Hello you", (7, 2)),
    "mapped": (ONE * 2, "Hello you/Hello you", (14, 4)),
    "batched": (ONE * 2, "Hello you/Hello you", (14, 4)),
    "batched_async": (ONE * 2, "Hello you/Hello you", (14, 4)),
    "streamed_async": (ONE, "Hello you", (7, 2)),
    "history_parsed": (ONE, "Hello you", (7, 2)),
    "history_field": (ONE, "Hello you", (7, 2)),
    "classic": (ONE, "mine: Hello you", (7, 2)),
    "passes_on": (ONE, '{"question":"hi","answer":"Hello you"}', (7, 2)),
    "mine": (ONE, "mine: Hello you", (7, 2)),
    "json_mode": ([says(CITY)], AS_JSON, (7, 2)),
    "summed_up": (ONE, '{"summary":"Hello you","length":2}', (7, 2)),
    "comma": ([says("a, |b, c")], '["a","b","c"]', (7, 2)),
    "swallowing": (ONE, "Hello you", (7, 2)),
    "dict": ([], '{"a":1}', (0, 0)),
    "path": ([], '{"source":"/a/book.pdf"}', (0, 0)),
    "model": ([], AS_JSON, (0, 0)),
    "zero": ([], "0", (0, 0)),
    "mixed": ([], 'ac{"b":1}', (0, 0)),
    "conversation": ([], "a", (0, 0)),
}  # fmt: skip


@pytest.fixture(scope="module")
def service(_server: ModelServer) -> Iterator[Service]:
    settings = SETTINGS | {"AZURE": f"http://{_server.address}"}
    with Service(_server.base_url, chain=CHAINS, **settings) as running:
        yield running


def session_of(chain, route):
    return f"{chain}-{route}".replace("/", "-").replace("_", "-")


@pytest.mark.parametrize("chain", SHAPES)
def test_a_variation_is_answered_and_billed_for_each_of_its_calls(service, server, route, chain):
    replies, text, (asked, answered) = SHAPES[chain]
    server.says(*replies)
    before = service.metric("chat_cost_usd_total", model="gpt-4o-mini")
    answer = ask(service, route, chain, session=session_of(chain, route))
    assert (answer.status, answer.code, answer.text) == (200, None, text)
    assert len(server.bodies) == len(replies)
    assert answer.usage == (asked, answered, "reported")
    cost = pytest.approx(asked * ASKED + answered * ANSWERED, abs=1e-12)
    assert answer.end["cost_usd"] == cost
    line = service.turn(answer.request_id)
    assert (line["ending"], line["cost_usd"]) == ("completed", cost)
    assert service.metric("chat_cost_usd_total", model="gpt-4o-mini") - before == cost


FAILING = {
    "endless": ([], 502, "chain_limit_reached", "failed"),
    "agent_buggy": ([call("buggy")], 500, "internal", "failed"),
    "agent_down": ([call("down")], 502, "dependency_failed", "dependency_failed"),
    "agent_interrupting": ([call("interrupting")], 500, "internal", "failed"),
    "agent_leaving": ([call("leaving")], 500, "internal", "failed"),
    "keyboard": ([], 500, "internal", "failed"),
    "greenlet_exit": ([], 500, "internal", "failed"),
    "exit_in_parallel": (ONE, 500, "internal", "failed"),
    "in_a_thread": ([], 500, "internal", "failed"),
    "runs_asyncio": ([], 500, "internal", "failed"),
    "late_bug": (ONE, 500, "internal", "failed"),
    "late_dependency": (ONE, 502, "dependency_failed", "dependency_failed"),
    "none": ([], 502, "answer_empty", "failed"),
    "empty": ([], 502, "answer_empty", "failed"),
    "object": ([], 500, "internal", "failed"),
    "own_agent": ([DOWN], 502, "upstream_error", "upstream_failed"),
    "azure_unguarded": ([REFUSED], 429, "upstream_rate_limited", "upstream_failed"),
}


@pytest.mark.parametrize("chain", FAILING)
def test_a_variation_that_fails_is_whoevers_fault_it_is(service, server, route, chain):
    replies, status, code, ending = FAILING[chain]
    server.says(*replies)
    answer = ask(service, route, chain)
    assert answer.code == code
    # a tool's start has been sent: the status line is gone
    assert answer.status == (200 if answer.tools else status)
    line = service.turn(answer.request_id)
    assert line["ending"] == ending
    assert line["duration_seconds"] < 5
    assert not any("secret-text" in line for line in service.lines)


@pytest.mark.parametrize(
    ("chain", "hint"), [("in_a_thread", "copy_context"), ("runs_asyncio", "on_asyncio()")]
)
def test_the_log_says_what_to_change(service, chain, hint):
    answer = ask(service, "/chat", chain)
    assert hint in service.turn(answer.request_id)["cause"]


@pytest.mark.parametrize(
    ("chain", "replies"), [("asks_a_human", []), ("approved_agent", [call("add"), says("done")])]
)
def test_what_a_human_is_asked_is_data_and_the_session_goes_on(
    service, server, route, chain, replies
):
    server.says(*replies[:1])
    session = session_of(chain, route)
    answer = ask(service, route, chain, session=session)
    assert (answer.status, answer.code, answer.text) == (200, None, "")
    assert "interrupt" in answer.data
    assert service.turn(answer.request_id)["ending"] == "completed"
    server.says(*replies[1:])
    assert ask(service, route, chain, "another", session=session).code is None


def test_a_summary_is_billed_and_not_shown(service, server, route):
    server.says(says("the summary"), says("the answer"))
    history = [{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}]
    answer = ask(service, route, "summarizing_agent", history=history)
    assert (answer.text, answer.usage) == ("the answer", (14, 4, "reported"))


@pytest.mark.parametrize("chain", ["agent_with_fallback", "own_first", "agent_with_fallbacks"])
def test_a_second_model_answers_where_the_first_one_fails(service, server, route, chain):
    first = "gpt-4o" if chain == "own_first" else "gpt-4o-mini"
    server.answers_by(lambda body: DOWN if body["model"] == first else says("Hello"))
    answer = ask(service, route, chain)
    assert answer.text == ("sorry" if chain == "agent_with_fallbacks" else "Hello")
    assert service.turn(answer.request_id)["ending"] == "completed"


def test_an_error_that_the_chain_handles_is_its_answer(service, server, route):
    server.says(DOWN)
    assert ask(service, route, "swallowing").text == "sorry"


def test_what_a_chain_leaves_in_the_middle_is_on_its_bill(service, server, route):
    server.says(says("Hello"))
    answer = ask(service, route, "leaves_early")
    (attempt,) = service.turn(answer.request_id)["attempts"]
    assert (answer.text, attempt["result"]) == ("Hello", "cancelled")
    assert answer.end["cost_usd"] == attempt["cost_usd"] > 0


@pytest.mark.parametrize(
    "chain", ["azure", "azure_unguarded", "guarded_agent", "own_agent", "own_with_callbacks"]
)
def test_other_models_are_billed_as_what_they_are(service, server, route, chain):
    server.says(*(TOOL if "agent" in chain else ONE))
    asked, answered = (17, 7) if "agent" in chain else (7, 2)
    answer = ask(service, route, chain)
    assert answer.usage == (asked, answered, "reported")
    assert answer.end["model"] == "gpt-4o"
    cost = asked * OTHER_ASKED + answered * OTHER_ANSWERED
    assert answer.end["cost_usd"] == pytest.approx(cost, abs=1e-12)
    if chain == "azure":
        assert all("/deployments/gpt-4o/" in asked.path for asked in server.requests)


@pytest.mark.parametrize(
    ("chain", "text", "model"),
    [
        ("company", "the company says", "Company"),
        ("simple", "simple words", "Simple"),
        ("collecting", "collected words", "Collecting"),
        ("splitting", "simple words", "Splitting"),
        ("text_model", "plain text", "FakeListLLM"),
    ],
)
def test_models_that_report_nothing_are_estimated(service, route, chain, text, model):
    answer = ask(service, route, chain)
    asked, answered, source = answer.usage
    assert (answer.text, answer.end["model"], source) == (text, model, "estimated")
    assert asked > 5
    assert answered > 1
    assert answer.end["cost_usd"] is None


@pytest.mark.parametrize("chain", ["raw", "raw_tool"])
def test_an_object_with_the_models_message_is_json(service, server, route, chain):
    said = {"raw": says(CITY), "raw_tool": calls("City", {"name": "Seoul", "people": 9})}
    server.says(said[chain])
    told = json.loads(ask(service, route, chain).text)
    assert told["parsed"] == {"name": "Seoul", "people": 9}
    assert (told["raw"]["role"], told["parsing_error"]) == ("ai", None)


@pytest.mark.parametrize(
    ("chain", "error"), [("raw", "ValueError"), ("raw_tool", "ValidationError")]
)
def test_an_object_that_cannot_be_parsed_has_its_error_beside_it(
    service, server, route, chain, error
):
    server.says(says("no JSON") if chain == "raw" else calls("City", {"name": "Seoul"}))
    told = json.loads(ask(service, route, chain).text)
    assert (told["parsed"], told["parsing_error"], told["raw"]["role"]) == (None, error, "ai")


def test_two_models_are_two_prices(service, server, route):
    server.says(says("Hello"))
    answer = ask(service, route, "compared")
    assert answer.text in (
        '{"a":"Hello","b":{"role":"ai","content":"Hello"}}',
        '{"b":{"role":"ai","content":"Hello"},"a":"Hello"}',
    )
    cost = 7 * (ASKED + OTHER_ASKED) + 2 * (ANSWERED + OTHER_ANSWERED)
    assert answer.end["cost_usd"] == pytest.approx(cost, abs=1e-12)


def test_an_embedded_question_is_on_the_bill(service, server, route):
    server.says(*ONE)
    answer = ask(service, route, "vector_store", "the moon")
    attempts = service.turn(answer.request_id)["attempts"]
    assert [one["model"] for one in attempts] == ["text-embedding-3-small", "gpt-4o-mini"]
    assert answer.end["cost_usd"] == pytest.approx(sum(one["cost_usd"] for one in attempts))
    assert server.bodies[0]["messages"][-1]["content"].endswith("the moon")


def test_the_instruction_is_not_handed_out_with_an_object(service, server, route):
    server.says(*ONE)
    answer = ask(service, route, "with_context", system="secret-instruction")
    assert answer.text == (
        '{"question":"hi","context":[{"page_content":"hi","metadata":{}}],"answer":"Hello you"}'
    )


def test_a_history_by_user_names_the_header_that_is_missing(service, route):
    answer = ask(service, route, "history_by_user", session="session-0001")
    assert (answer.status, [one["field"] for one in answer.details]) == (400, ["X-User-ID"])
    for chain in ("history_parsed", "history_field", "asks_a_human"):
        answer = ask(service, route, chain)
        assert (answer.status, answer.details[0]["field"]) == (400, "X-Session-ID")


def test_an_answer_from_langchains_cache_costs_nothing(service, server):
    message = {"role": "assistant", "content": "Hello"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    server.says([whole(200, json.dumps({"choices": [choice], "usage": USAGE}).encode())])
    first, again = (ask(service, route, "own_cached") for route in ("/chat", "/chat/stream"))
    assert (first.text, again.text) == ("Hello", "Hello")
    assert (first.usage, again.usage) == ((7, 2, "reported"), (0, 0, "reported"))
    assert (len(server.bodies), again.end["cost_usd"]) == (1, 0)
