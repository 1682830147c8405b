"""Chains as graduates of a course write them: what comes out, what it cost, and what the model was asked."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.chains.conftest import ANSWERED, ASKED, BOTH, SETTINGS, ask, calls, says
from tests.support.model_server import DONE, ModelServer, choice, fin, stream, text, usage
from tests.support.service import Service

BESIDE = Path(__file__).parent
CHAINS = "\n".join(
    [
        (BESIDE / "compositions.py").read_text(),
        (BESIDE / "graphs.py").read_text(),
        "CHAINS = COMPOSITIONS | GRAPHS",
    ]
)
ONE = [says("Hello| you")]
CITY = '{"name": "Seoul",| "people": 9}'
AS_JSON = '{"name":"Seoul","people":9}'


def tool_of(name, arguments=None):
    return [calls(name, arguments or {"a": 1, "b": 2}), says("it is| 3")]


def in_pieces(name, pieces):
    """The arguments of a call in many chunks, its id in the first one alone."""
    head = {"index": 0, "id": "c1", "type": "function", "function": {"name": name, "arguments": ""}}
    rest = [{"index": 0, "function": {"arguments": piece}} for piece in pieces]
    deltas = [choice({"tool_calls": [one]}) for one in (head, *rest)]
    counts = usage(prompt_tokens=10, completion_tokens=5)
    return stream(*deltas, fin("tool_calls"), counts, DONE)


def both_at_once():
    made = [
        {"index": place, "id": f"c{place}", "type": "function",
         "function": {"name": name, "arguments": '{"a": 1, "b": 2}'}}
        for place, name in enumerate(("add", "adder"))
    ]  # fmt: skip
    counts = usage(prompt_tokens=10, completion_tokens=5)
    return stream(choice({"tool_calls": made}), fin("tool_calls"), counts, DONE)


FUNCTION = stream(
    choice({"function_call": {"name": "City", "arguments": '{"name": "Seoul",'}}),
    choice({"function_call": {"arguments": ' "people": 9}'}}),
    fin("function_call"),
    usage(prompt_tokens=7, completion_tokens=2),
    DONE,
)
PEOPLE = [calls("people", {"name": "Seoul"})]


SHAPES = {
    "retrieval_chain": (ONE, "Hello you"),
    "conversational": (ONE, "Hello you"),
    "pydantic_parser": ([says(CITY)], AS_JSON),
    "json_pydantic": ([says(CITY)], AS_JSON),
    "simple_json": ([says(CITY)], AS_JSON),
    "markdown_list": ([says("- a\n|- b\n")], '["a","b"]'),
    "xml": ([says("<a><b>1</b>|</a>")], '{"a":[{"b":"1"}]}'),
    "hand_agent": (tool_of("add"), "it is 3"),
    "agent_function": (tool_of("add"), "it is 3"),
    "chosen": (ONE, "Hello you"),
    "retried_step": (ONE, "Hello you"),
    "retried_last": (ONE, "Hello you"),
    "assign_fallback": (ONE, "Hello you"),
    "react_agent": (tool_of("add"), "it is 3"),
    "middlewares": (tool_of("add"), "it is 3"),
    "call_limit": (tool_of("add"), "it is 3"),
    "tool_limit": (tool_of("add"), "it is 3"),
    "tool_retry": (tool_of("flaky"), "it is 3"),
    "pii": (ONE, "Hello you"),
    "todo": (ONE, "Hello you"),
    "supervisor": ([calls("ask_expert", {"question": "q"}), *tool_of("add"), says("so: 3")], "so: 3"),
    "reflection": ([says("one"), says("bad"), says("two"), says("fin|al")], "final"),
    "router_graph": ([says('{"where": "fact"}'), says("a fact")], "a fact"),
    "inner_graph": (ONE, "Hello you"),
    "fan_in": ([says("a"), says("a"), says("b")], "b"),
    "forgetting": (ONE, "Hello you"),
    "parallel_tasks": ([says("a"), says("a")], "a&a"),
    "stored": (ONE, "kept: Hello you"),
    "multimodal": (ONE, "Hello you"),
    "few_shot": (ONE, "Hello you"),
    "with_handler": (ONE, "Hello you 1"),
    "sentences": ([says("One. Tw|o. Three")], "[One][Two][Three]"),
    "upper": (ONE, "HELLO YOU"),
    "vote": ([says("a")] * 3, "a"),
    "completed": ([says("a")] * 2, "a/a"),
    "guardrail": ([says("yes"), says("fine")], "fine"),
    "plan_and_execute": ([says("a,b"), says("x"), says("y"), says("all")], "all"),
    "worker_graph": (ONE, "Hello you"),
    "noisy_agent": (tool_of("noisy"), "it is 3"),
    "state_agent": (tool_of("looks_at_state"), "it is 3"),
    "command_agent": (tool_of("runs"), "it is 3"),
    "base_tool_agent": (tool_of("adder"), "it is 3"),
    "two_tools": ([both_at_once(), says("it is| 3")], "it is 3"),
    "typed_dict": ([says(CITY)], AS_JSON),
    "schema_dict": ([says(CITY)], AS_JSON),
    "structured_field": ([says(CITY)], "Seoul"),
    "tools_parser": ([in_pieces("City", ['{"na', 'me": "Seo', 'ul", "peo', 'ple": 9}'])], AS_JSON),
    "called_tool": (PEOPLE, "9 in Seoul"),
    "called_tools": (PEOPLE, "9 in Seoul"),
    "functions": ([FUNCTION], AS_JSON),
    "function_loop": ([FUNCTION, *ONE], "Hello you"),
    "selected": (ONE, "Hello you"),
    "own_system": (ONE, "Hello you"),
    "agent_before_model": ([*tool_of("add"), *ONE], "Hello you"),
    "stop": (ONE, "Hello you"),
    "trimmed": (ONE, "Hello you"),
    "placeholder": (ONE, "Hello you"),
    "string_prompt": (ONE, "Hello you"),
    "partial_date": (ONE, "Hello you"),
    "picked": (ONE, "Hello you"),
    "pick_class": (ONE, "Hello you"),
    "sequence_class": (ONE, "Hello you"),
    "router": (ONE, "Hello you"),
    "configurable": (ONE, "Hello you"),
    "alternatives": (ONE, "Hello you"),
    "named": (ONE, "Hello you"),
    "copied": (ONE, "Hello you"),
    "recursing": (ONE, "Hello you"),
    "reads_usage": (ONE, "Hello you 9"),
    "reads_reason": (ONE, "Hello you stop"),
    "off_loop_step": (ONE, "Hello you"),
    "system_message": (ONE, "Hello you"),
    "tapped": (ONE, "Hello you"),
    "listened": (ONE, "Hello you"),
    "typed": (ONE, "Hello you"),
    "each": (ONE * 2, "Hello you"),
    "step_fallback": (ONE, "Hello you"),
    "parser_fallback": ([says(CITY)], AS_JSON),
}  # fmt: skip
SESSIONS = {
    "remembers_previous": (ONE, "Hello you"),
    "own_memory": (ONE, "Hello you"),
    "agent_history": (tool_of("add"), "it is 3"),
    "graph_history": (tool_of("add"), "it is 3"),
}
FAILING = {
    "raising_generator": (ONE, 500, "internal", ""),
}


@pytest.fixture(scope="module")
def service(_server: ModelServer) -> Iterator[Service]:
    with Service(_server.base_url, chain=CHAINS, **SETTINGS) as running:
        yield running


@pytest.mark.parametrize(
    ("chain", "route"),
    # each by one of the two, so that all of them take seconds
    [(chain, BOTH[place % 2]) for place, chain in enumerate(SHAPES | SESSIONS)],
)
def test_it_is_answered_and_billed_for_each_of_its_calls(service, server, route, chain):
    replies, text = (SHAPES | SESSIONS)[chain]
    server.says(*replies)
    session = f"{chain}-{route}".replace("/", "-").replace("_", "-") if chain in SESSIONS else ""
    answer = ask(service, route, chain, session=session)
    line = service.turn(answer.request_id)
    assert (answer.status, answer.code, answer.text) == (200, None, text), line.get("cause")
    assert len(server.bodies) == len(replies)
    # each of conftest's counts
    paid = [
        (10, 5) if any(b'"tool_calls"' in piece for piece in reply) else (7, 2) for reply in replies
    ]
    asked, answered = map(sum, zip(*paid, strict=True))
    assert answer.usage == (asked, answered, "reported")
    cost = pytest.approx(asked * ASKED + answered * ANSWERED, abs=1e-12)
    assert answer.end["cost_usd"] == cost
    assert (line["ending"], line["cost_usd"]) == ("completed", cost)


@pytest.mark.parametrize("chain", FAILING)
def test_it_fails_and_says_why(service, server, route, chain):
    replies, status, code, hint = FAILING[chain]
    server.says(*replies)
    answer = ask(service, route, chain)
    line = service.turn(answer.request_id)
    # a token has been sent: the status line is gone
    assert (answer.status, answer.code) == (200 if answer.text else status, code)
    assert hint in line["cause"]
    assert not any("secret-text" in line for line in service.lines)


def test_what_a_tool_raised_is_for_the_model_alone(service, server, route):
    server.says(calls("failing", {"name": "Seoul"}))
    answer = ask(service, route, "called_failing")
    assert (answer.code, answer.text) == ("answer_empty", "")


def test_json_tools(service, server, route):
    server.says(calls("City", {"name": "Seoul", "people": 9}))
    answer = ask(service, route, "json_tools")
    assert json.loads(answer.text) == [{"args": {"name": "Seoul", "people": 9}, "type": "City"}]


def test_the_call_of_a_function_is_data(service, server, route):
    server.says(FUNCTION)
    answer = ask(service, route, "functions_last")
    city = {"name": "Seoul", "people": 9}
    assert answer.data["tool_calls"] == [{"id": None, "name": "City", "args": city}]
    assert answer.usage == (7, 2, "reported")


def test_two_models(service, server, route):
    server.says(says("Hello"))
    answer = ask(service, route, "two_models")
    assert answer.text == "Hello+Hello"
    assert answer.end["cost_usd"] == pytest.approx(
        7 * (ASKED + 2.5e-6) + 2 * (ANSWERED + 10e-6), abs=1e-12
    )


HISTORY = [{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}]


def test_what_the_model_is_asked(service, server):
    def asked(chain, **more):
        server.says(says("Hello"))
        assert ask(service, "/chat", chain, **more).code is None
        return server.bodies

    assert asked("stop")[0]["stop"] == ["\n"]
    copied = asked("copied")[0]
    assert (copied["temperature"], copied["max_tokens"]) == (0, 5)
    assert [m["content"] for m in asked("trimmed", history=HISTORY)[0]["messages"]] == ["hi"]
    assert [m["content"] for m in asked("placeholder", history=HISTORY)[0]["messages"]] == [
        "one",
        "two",
        "hi",
    ]
    assert [m["content"] for m in asked("forgetting", history=HISTORY)[0]["messages"]] == ["hi"]
    assert asked("multimodal")[0]["messages"][0]["content"][1]["type"] == "image_url"
    assert asked("partial_date")[0]["messages"][0]["content"] == "2026-01-01 hi"
    assert asked("own_system")[0]["messages"][0]["content"] == "a pirate"
    assert len(asked("conversational", history=HISTORY)) == 2
    pii = asked("pii", question="write to bob@example.com")[0]
    assert "bob@example.com" not in json.dumps(pii)


def test_data_of_tools_and_middleware(service, server):
    server.says(*tool_of("noisy"))
    assert ask(service, "/chat", "noisy_agent").data == {"progress": {"percent": 50}, "written": 3}
    server.says(*tool_of("add"))
    assert ask(service, "/chat", "middlewares").data == {"before": 3}


def test_tools_that_are_called_at_once(service, server):
    server.says(both_at_once(), says("it is 3"))
    answer = ask(service, "/chat/stream", "two_tools")
    assert sorted(answer.tools) == [
        "add finished",
        "add started",
        "adder finished",
        "adder started",
    ]


@pytest.mark.parametrize("chain", ["agent_history", "graph_history"])
def test_a_history_around_an_agent_goes_on(service, server, chain):
    session = f"goes-on-{chain}".replace("_", "-")
    server.says(says("two"), says("four"))
    ask(service, "/chat", chain, "one", session=session)
    assert ask(service, "/chat/stream", chain, "three", session=session).text == "four"
    assert [m["content"] for m in server.bodies[-1]["messages"]] == ["one", "two", "three"]


def test_a_parser_that_fails_falls_back(service, server, route):
    server.says(says("no json"), says("plain"))
    answer = ask(service, route, "parser_fallback")
    assert (answer.text, answer.code) == ("plain", None)
    assert answer.usage == (14, 4, "reported")


@pytest.mark.parametrize("chain", ["retried_call", "retried_method", "retried_choice"])
def test_a_function_that_calls_a_model_is_left_to_the_guard(service, server, route, chain):
    server.says(stream(fin("content_filter"), DONE))
    answer = ask(service, route, chain)
    assert answer.code == "content_filtered"
    assert len(server.bodies) == 1


@pytest.mark.parametrize("chain", ["chosen", "recursing", "retried_parser"])
def test_the_model_of_a_chain_that_a_function_chose_speaks_as_it_goes(service, server, chain):
    seen = threading.Event()
    server.says(stream(text("Hello"), lambda _: seen.wait(10), text(" you"), fin("stop"), DONE))
    with service.stream("hi", chain=chain) as streamed:
        texts = []
        for event in streamed:
            if event.name == "token":
                texts.append(event.json()["text"])
                seen.set()
    assert texts == ["Hello", " you"]
