"""Every habit of servers that stands in tests/support, over HTTP with either client."""

import pytest

from tests.integration.dialects.conftest import streamed, whole
from tests.support.answers import BILLS, BODIES, FAILED, HELLO, ROLE, SERVERS, delta
from tests.support.framings import FRAMINGS, WAYS
from tests.support.model_server import DONE, answers, fin, frame, refuses, stream, text
from tests.support.picky_server import PickyServer
from tests.support.refusals import CODES, STATUSES, body_of
from tests.support.refused_parameters import REFUSED, is_changed
from tests.support.service import Service

# all of them are read in the unit tests; here it is whether either client hands on what was sent
SOME_STATUSES = STATUSES[::4]
SOME_REFUSED = REFUSED[::3]
REFUSED_MODELS = [f"picky-{number}" for number in range(len(SOME_REFUSED))]


@pytest.fixture(scope="module", params=["lean", "stock"])
def quick(request, _server):
    """One attempt, so that failures take no time."""
    with Service(
        _server.base_url,
        LLM_CLIENT=request.param,
        RETRY_ATTEMPTS=1,
        RETRY_BUDGET=1,
        BREAKER_FAILURES=1_000_000,
    ) as running:
        yield running


def check(service, server, reply, wanted, *bill, asked=(whole,)):
    replies = reply if isinstance(reply[0], list) else [reply]
    for ask in asked:
        server.says(*replies)
        told = ask(service)
        if isinstance(wanted, str):
            assert told.code == wanted, told.turn.get("cause")
        else:
            assert told.answer == wanted, told.turn.get("cause")
        for part in bill:
            name = "source" if isinstance(part, str) else "output_tokens"
            assert told.usage[name] == part


def rows(table):
    return pytest.mark.parametrize("row", table, ids=[row[0] for row in table])


@rows(SERVERS)
def test_a_servers_frames(quick, server, row):
    check(quick, server, *row[1:], asked=(whole, streamed))


@rows(BODIES)
def test_a_body_that_is_no_stream(quick, server, row):
    check(quick, server, *row[1:])


@rows(BILLS)
def test_a_bill(quick, server, row):
    check(quick, server, *row[1:])


@rows(WAYS)
def test_a_way_of_http(quick, server, row):
    check(quick, server, *row[1:])


@pytest.mark.parametrize("changes", FRAMINGS.values(), ids=FRAMINGS)
def test_a_framing(quick, server, changes):
    counts = {"prompt_tokens": 7, "completion_tokens": 2}
    data = ROLE + text("Hello") + fin("stop") + frame({"choices": [], "usage": counts}) + DONE
    for old, new in changes:
        assert old in data
        data = data.replace(old, new)
    check(quick, server, stream(data), HELLO, "reported")


ENDS = {
    "stop": "eos eos_token EosToken eos_found end_turn END_TURN stop_sequence STOP_SEQUENCE STOP Stop stop_token"
            " stop_found complete COMPLETE completed finished done end eot FinishReason.STOP user_stop pause_turn",
    "length": "MAX_TOKENS max_tokens MaxTokens maxTokens MAX_OUTPUT_TOKENS max_output_tokens max_new_tokens "
              "model_length LENGTH max_length length_limit limit token_limit_reached context_length_exceeded"
              " model_context_window_exceeded FinishReason.MAX_TOKENS incomplete maximum_tokens"
              " maxPredictedTokensReached context_overflow",
    "content_filtered": "SAFETY safety OTHER_SAFETY IMAGE_SAFETY RECITATION PROHIBITED_CONTENT BLOCKLIST SPII"
                        " content-filter ContentFilter contentFilter content_moderation policy_violation sensitive risk"
                        " guardrail_intervened unsafe violation blacklist IMAGE_RECITATION censored"
                        " input_blocked",
    "upstream_error": "abort ABORT error internal_error server_error engine_error unknown_error network_error cancelled"
                      " timeout insufficient_system_resource MALFORMED_FUNCTION_CALL"
                      " function_call_filter:MALFORMED_FUNCTION_CALL"
                      " preempted server_shutdown oom rate_limit_exceeded modelUnloaded malformed_model_output"
                      " RESOURCE_EXHAUSTED insufficient_resources server_busy throttled bad_gateway",
}  # fmt: skip


@pytest.mark.parametrize(
    ("word", "ours"), [(word, ours) for ours, words in ENDS.items() for word in words.split()]
)
def test_a_word_for_the_end(quick, server, word, ours):
    if ours == FAILED:
        check(quick, server, [stream(text("Hel"), fin(word), DONE), answers()], HELLO)
        return
    wanted = ours if ours == "content_filtered" else ("Hello", ours, None)
    check(quick, server, stream(text("Hello"), fin(word), DONE), wanted)


SHAPES = {
    "with the text": ([text("Hello", "stop"), DONE], HELLO),
    "with the text, no end mark": ([text("Hello", "stop")], HELLO),
    "none": ([text("Hello"), DONE], FAILED),
    "none, and no end mark": ([text("Hello")], FAILED),
    "empty all along": ([delta({"content": "Hel"}, ""), delta({"content": "lo"}, ""), fin("stop"), DONE], HELLO),
    "in the delta": ([text("Hello"), delta({"finish_reason": "stop"}), DONE], HELLO),
    "in the frame": ([text("Hello"), frame({"choices": [], "finish_reason": "stop"}), DONE], HELLO),
    "in camel case": ([text("Hello"), frame({"choices": [{"index": 0, "delta": {}, "finishReason": "STOP"}]})], HELLO),
    "twice": ([text("Hello"), fin("stop"), fin("stop"), DONE], HELLO),
    "without a delta": ([text("Hello"), frame({"choices": [{"index": 0, "finish_reason": "stop"}]}), DONE], HELLO),
    "a null delta": ([text("Hello"), frame({"choices": [{"delta": None, "finish_reason": "stop"}]}), DONE], HELLO),
    "length and nothing else": ([ROLE, fin("length"), DONE], "answer_empty"),
    "filter and nothing else": ([ROLE, fin("content_filter"), DONE], "content_filtered"),
    "a refusal in pieces": ([delta({"content": None, "refusal": "I can't"}), delta({"refusal": " help."}), fin("stop")],
                            ("I can't help.", "refusal", None)),
}  # fmt: skip


@pytest.mark.parametrize(("pieces", "wanted"), SHAPES.values(), ids=SHAPES)
def test_where_the_end_stands(quick, server, pieces, wanted):
    check(quick, server, stream(*pieces), wanted, asked=(whole, streamed))


THOUGHTS = {
    "deepseek": {"reasoning_content": "hm"},
    "vllm": {"reasoning": "hm"},
    "both": {"reasoning": "hm", "reasoning_content": "hm"},
    "openrouter": {"reasoning": None, "reasoning_details": [{"type": "reasoning.text", "text": "hm", "index": 0}]},
    "encrypted": {"reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}]},
    "thinking": {"thinking": "hm"},
    "litellm": {"thinking_blocks": [{"type": "thinking", "thinking": "hm"}]},
    "an object": {"reasoning": {"text": "hm"}},
    "reasoning_text": {"reasoning_text": "hm", "reasoning_opaque": "x"},
    "a field that nobody knows": {"reasoning_summary": "hm"},
    "harmony": {"channel": "analysis", "reasoning": "hm"},
    "mistral": {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}], "closed": False}]},
    "gemini": {"content": "<thought>hm</thought>", "extra_content": {"google": {"thought": True}}},
}  # fmt: skip


@pytest.mark.parametrize("thought", THOUGHTS.values(), ids=THOUGHTS)
def test_thinking_is_no_part_of_the_answer(quick, server, thought):
    check(
        quick,
        server,
        stream(ROLE, delta(thought), delta(thought), text("Hello"), fin("stop")),
        HELLO,
    )


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [row[1:] for row in SOME_STATUSES],
    ids=[f"{row[3]}: {row[0]}" for row in SOME_STATUSES],
)
def test_a_refusal(quick, server, status, body, kind):
    server.says(refuses(status, body_of(body)))
    told = whole(quick)
    assert told.code == CODES[kind], told.turn.get("cause")


@pytest.fixture(scope="module", params=["lean", "stock"])
def picky(request):
    with (
        PickyServer() as server,
        Service(
            server.base_url,
            LLM_CLIENT=request.param,
            LLM_MODELS=",".join(REFUSED_MODELS),
            LLM_TEMPERATURE=0.2,
            MAX_OUTPUT_TOKENS=4096,
            BREAKER_FAILURES=1_000_000,
        ) as service,
    ):
        yield service, server


@pytest.mark.parametrize(
    ("model", "status", "body", "change"),
    [(model, *row[1:]) for model, row in zip(REFUSED_MODELS, SOME_REFUSED, strict=True)],
    ids=[f"{row[3]}: {row[0]}" for row in SOME_REFUSED],
)
def test_a_parameter_that_is_refused(picky, model, status, body, change):
    """It is asked differently within the attempt, and at once from then on."""
    service, server = picky

    def is_taken(asked):
        return is_changed({**asked, "model": "m"}, change)

    server.begin(lambda asked: None if is_taken(asked) else refuses(status, body_of(body)))
    for requests in (2, 3):
        answered, _, answer = service.chat(model=model, system="Be brief.")
        assert (answered, answer.get("answer")) == (200, "Hello"), server.bodies[-1]
        assert len(server.bodies) == requests
    assert service.metric("chat_llm_attempts_total", model=model) == 2
