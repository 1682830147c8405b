"""How an answer ends, in servers' own words: whole, failed, refused, or empty."""

import pytest

from tests.integration.dialects.conftest import whole
from tests.support.model_server import (
    DONE,
    answers,
    choice,
    fin,
    stream,
    text,
    thinks,
    usage,
)

WORDS = ["one ", "two ", "three ", "four"]
WHOLE = "".join(WORDS)
BEGINNING = choice({"role": "assistant", "content": ""}, "stop")


def paused(*pieces, seconds=0.3):
    return [item for piece in pieces for item in (piece, seconds)][:-1]


@pytest.mark.parametrize(
    "reply",
    [
        stream(*paused(*(text(word, "stop") for word in WORDS), seconds=1.5), DONE),
        stream(*paused(BEGINNING, *(text(word, "stop") for word in WORDS), seconds=1.5), DONE),
        stream(*paused(*(text(word, "STOP") for word in WORDS)), fin("STOP"), DONE),
        stream(*paused(*(text(word, "stop") for word in WORDS))),
        stream(*(text(word, "stop") for word in WORDS), DONE),
        stream(b"".join(text(word, "stop") for word in WORDS) + DONE),
        stream(*paused(text(WORDS[0], "stop"), *map(text, WORDS[1:]), fin("stop")), DONE),
    ],
)
def test_a_finish_reason_that_text_follows_was_none(service, server, ask, reply):
    server.says(reply)
    told = ask(service)
    assert told.answer == (WHOLE, "stop", None)
    assert told.attempts == ["ok"]


def test_thinking_that_carries_a_finish_reason_is_no_end(service, server, ask):
    thought = choice({"reasoning_content": "hm"}, "stop")
    server.says(stream(*paused(thought, text("Hello"), seconds=1.5), fin("stop"), DONE))
    assert ask(service).answer == ("Hello", "stop", None)


@pytest.mark.parametrize(
    "reason", ["abort", "error", "insufficient_system_resource", "network_error"]
)
def test_a_finish_reason_that_is_a_failure_is_one(service, server, ask, reason):
    server.says(stream(text("Hel"), fin(reason), DONE), answers("Hello"))
    told = ask(service)
    assert told.answer == ("Hello", "stop", None)
    assert told.attempts == ["upstream_error", "ok"]
    server.says(stream(text("Hel"), fin(reason), DONE))
    assert ask(service).code == "upstream_error"


@pytest.mark.parametrize(
    "reason", ["SAFETY", "RECITATION", "PROHIBITED_CONTENT", "BLOCKLIST", "sensitive"]
)
def test_a_finish_reason_that_is_the_policys(service, server, ask, reason):
    server.says(stream(text("Hel"), fin(reason), DONE))
    told = ask(service)
    assert (told.code, told.turn["ending"]) == ("content_filtered", "filtered")
    assert told.attempts == ["content_filtered"]


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        *((word, "stop") for word in ("eos", "end_turn", "stop_sequence", "STOP", "complete", "banana")),
        *((word, "length") for word in ("MAX_TOKENS", "max_tokens", "model_length")),
        ({"type": "stop", "matched": 2}, "stop"),
        (["length"], "length"),
        (1, "stop"),
        (True, "stop"),
    ],
)  # fmt: skip
def test_a_finish_reason_has_one_vocabulary(service, server, theirs, ours):
    server.says(stream(text("Hello"), fin(theirs), DONE))
    told = whole(service)
    assert told.answer == ("Hello", ours, None)
    assert told.turn["finish_reason"] == ours


def test_nothing_after_the_end_mark_is_delivered_and_its_connection_ends(service, server, ask):
    server.says(stream(text("Hello"), fin("stop"), DONE, text(" and more"), fin("length")))
    for _ in range(2):
        assert ask(service).answer == ("Hello", "stop", None)
    assert len({request.connection for request in server.requests}) == 2


@pytest.mark.parametrize(
    "reply",
    [
        stream(text("Hello"), fin("stop")[:-2]),
        stream(text("Hello"), fin("stop")[:-1]),
        stream(text("Hello", "stop")[:-2]),
        stream(text("Hello").replace(b"\n", b"\r\n"), fin("stop")[:-2]),
    ],
)
def test_the_last_event_needs_no_blank_line(service, server, ask, reply):
    server.says(reply)
    assert ask(service).answer == ("Hello", "stop", None)


def test_a_refusal_is_the_answer(service, server, ask):
    server.says(
        stream(choice({"content": None, "refusal": "I can't help with that."}), fin("stop"), DONE)
    )
    assert ask(service).answer == ("I can't help with that.", "refusal", None)


def test_an_empty_answer_is_asked_for_once_more(service, server, ask):
    server.says(stream(fin("stop"), DONE), answers("Hello"))
    told = ask(service)
    assert (told.answer, told.attempts) == (("Hello", "stop", None), ["answer_empty", "ok"])
    server.says(stream(fin("stop"), usage(prompt_tokens=7, completion_tokens=0), DONE))
    told = ask(service)
    assert (told.status, told.code) == (502, "answer_empty")
    assert told.attempts == ["answer_empty"] * 2


@pytest.mark.parametrize(
    "blank", [[text(" ")], [text("\n"), text("\n")], [thinks("hm"), text("\n\n")]]
)
def test_white_space_is_an_empty_answer(service, server, ask, blank):
    server.says(stream(*blank, fin("stop"), DONE), answers("Hello"))
    told = ask(service)
    assert (told.answer, told.attempts) == (("Hello", "stop", None), ["answer_empty", "ok"])
    server.says(stream(*blank, fin("stop"), DONE))
    assert ask(service).code == "answer_empty"


def test_an_answer_that_was_all_thinking_is_none(service, server, ask):
    server.says(
        stream(
            *[thinks("hm ")] * 50,
            fin("length"),
            usage(prompt_tokens=7, completion_tokens=4096),
            DONE,
        )
    )
    told = ask(service)
    assert told.code == "answer_empty"
    assert told.attempts == ["answer_empty"]
    assert "max_tokens" in told.turn["cause"]
    assert told.turn["attempts"][0]["output_tokens"] == 4096


CALL = {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}]}


@pytest.mark.parametrize(
    "pieces",
    [
        [fin("tool_calls")],
        [choice(CALL), fin("tool_calls")],
        [text("Hel"), choice(CALL), fin("tool_calls")],
    ],
)
def test_tool_calls_that_were_not_offered_are_no_answer(service, server, ask, pieces):
    server.says(stream(*pieces, DONE))
    told = ask(service)
    assert told.code == "upstream_error"
    assert "ok" not in told.attempts
