"""Thinking in the shapes that servers give it: a sign of life, and no part of the answer."""

import pytest

from tests.integration.dialects.conftest import streamed, whole
from tests.support.model_server import DONE, choice, fin, stream, text, thinks
from tests.support.service import Service

FIRST_SECONDS = 1.0


@pytest.fixture(scope="module", params=["lean", "stock"])
def impatient(request, _server):
    """It waits for a first content for a second."""
    with Service(
        _server.base_url,
        LLM_CLIENT=request.param,
        FIRST_TOKEN_TIMEOUT_SECONDS=FIRST_SECONDS,
        IDLE_TIMEOUT_SECONDS=FIRST_SECONDS,
        THINKING_TIMEOUT_SECONDS=4,
        BREAKER_FAILURES=1_000_000,
        STREAM_HOLD_SECONDS=0.5,
        STRIP_THINK_TAGS="true",
    ) as running:
        yield running


def repeated(piece, seconds, gap=0.1):
    return [piece, gap] * int(seconds / gap)


THOUGHTS = {
    "reasoning_content": thinks("x"),
    "reasoning": thinks("x", "reasoning"),
    "mistral": choice({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "x"}]}]}),
    "openrouter": choice({"content": "", "reasoning_details": [{"type": "reasoning.text", "text": "x"}]}),
    "with a finish reason": choice({"reasoning_content": "x"}, "stop"),
    "between tags": text("<think>x</think>"),
}  # fmt: skip


@pytest.mark.parametrize("thought", THOUGHTS.values(), ids=THOUGHTS)
def test_a_model_that_thinks_is_alive(impatient, server, thought):
    server.says(stream(*repeated(thought, 2.5), text("Hello"), fin("stop"), DONE))
    told = streamed(impatient)
    assert told.answer == ("Hello", "stop", None)
    assert (told.attempts, told.restarts) == (["ok"], 0)
    assert told.thoughts >= 1
    server.says(stream(*repeated(thought, 2.5), text("Hello"), fin("stop"), DONE))
    assert whole(impatient).answer == ("Hello", "stop", None)


def test_a_model_may_think_in_the_middle(impatient, server, ask):
    server.says(stream(text("4"), *repeated(thinks("x"), 2.5), text("2"), fin("stop"), DONE))
    told = ask(impatient)
    assert (told.answer, told.attempts) == (("42", "stop", None), ["ok"])


def test_thinking_has_an_end(impatient, server, ask):
    server.says(stream(*repeated(thinks("x"), 30), text("Hello"), fin("stop"), DONE))
    assert ask(impatient).code == "upstream_timeout"


def test_comments_are_no_content_but_no_failure(service, server, ask):
    """With default settings: whoever queues has a minute."""
    server.says(
        stream(*repeated(b": OPENROUTER PROCESSING\n\n", 4, 0.5), text("Hello"), fin("stop"), DONE)
    )
    assert ask(service).answer == ("Hello", "stop", None)


def test_content_in_parts(service, server, ask):
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "Hello"},
    ]
    server.says(
        stream(choice({"content": parts[:1]}), choice({"content": parts}), fin("stop"), DONE)
    )
    assert ask(service).answer == ("Hello", "stop", None)


TAGGED = ["<th", "ink>h", "m</thi", "nk>\n\nHel", "lo"]


def test_tags_are_told_as_they_are_unless_they_are_to_be_stripped(service, impatient, server, ask):
    server.says(stream(*map(text, TAGGED), fin("stop"), DONE))
    assert ask(service).text == "".join(TAGGED)
    assert ask(impatient).text == "Hello"
