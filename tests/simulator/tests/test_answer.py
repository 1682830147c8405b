"""The answers without a fault: what OpenAI's API sends."""

import json
import os
import sys
import time
from pathlib import Path

import pytest

from tests.simulator.tests.wire import Client, ask, question
from tests.simulator.tokens import answer_text
from tests.support.simulator import SimulatorProcess, directive

AWKWARD = 'a\n\nb\u2028c "quoted" \\ 한글 😀 \x00 end\n'


def test_stream_is_role_then_deltas_then_finish_then_done(simulator: SimulatorProcess) -> None:
    reply = ask(simulator, "hi [sim tokens=3]")
    assert reply.ending == "whole"
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert reply.events[-1] == "[DONE]"
    deltas = [frame["choices"][0]["delta"] for frame in reply.frames]
    assert deltas[0]["role"] == "assistant"
    assert [d["content"] for d in deltas[1:-1]] == ["the", " quick", " answer"]
    assert [f["choices"][0]["finish_reason"] for f in reply.frames] == [None] * 4 + ["stop"]
    for shared in ("id", "created", "model"):
        assert len({frame[shared] for frame in reply.frames}) == 1
    assert all(frame["object"] == "chat.completion.chunk" for frame in reply.frames)


def test_usage_comes_last_without_choices_and_only_when_asked(simulator: SimulatorProcess) -> None:
    asked = ask(simulator, "two words [sim tokens=3]", stream_options={"include_usage": True})
    *others, last = asked.frames
    assert last["choices"] == []
    assert last["usage"]["prompt_tokens"] == 4 + 4
    assert last["usage"]["completion_tokens"] == 3
    assert all(frame["usage"] is None for frame in others)
    assert not any("usage" in frame for frame in ask(simulator).frames)


def test_answer_that_is_not_streamed_says_the_same(simulator: SimulatorProcess) -> None:
    reply = ask(simulator, "two words [sim tokens=3 cached=2]", stream=False).json()
    choice = reply["choices"][0]
    assert choice["message"] == {"role": "assistant", "content": answer_text(3), "refusal": None}
    assert choice["finish_reason"] == "stop"
    assert reply["usage"]["total_tokens"] == 9 + 3
    assert reply["usage"]["prompt_tokens_details"]["cached_tokens"] == 2


@pytest.mark.parametrize("order", [{}, {"piece": 1}, {"piece": 3}])
@pytest.mark.parametrize("stream", [True, False])
def test_text_arrives_exactly(simulator: SimulatorProcess, order: dict, *, stream: bool) -> None:
    reply = ask(simulator, directive(text=AWKWARD, **order), stream=stream)
    text = reply.text if stream else reply.json()["choices"][0]["message"]["content"]
    assert text == AWKWARD


def test_size_of_tokens_can_be_ordered(simulator: SimulatorProcess) -> None:
    reply = ask(simulator, "[sim tokens=64 chars=16384]")
    assert len(reply.text) == 64 * 16384
    assert simulator.stats()["tokens_written"] == 64


def test_max_tokens_cuts_an_answer_whose_length_was_not_ordered(
    simulator: SimulatorProcess,
) -> None:
    cut = ask(simulator, max_tokens=5)
    assert (cut.text, cut.finish) == (answer_text(5), "length")
    assert ask(simulator, "[sim tokens=9]", max_tokens=5).text == answer_text(9)


def test_finish_reason_and_model_can_be_ordered(simulator: SimulatorProcess) -> None:
    reply = ask(simulator, "[sim finish=length answer_model=gpt-4o-mini-2024-07-18]")
    assert reply.finish == "length"
    assert reply.frames[0]["model"] == "gpt-4o-mini-2024-07-18"


def test_pace_is_kept(simulator: SimulatorProcess) -> None:
    with Client(simulator) as client:
        started = time.monotonic()
        client.post(question("[sim tokens=4 first=0.3 gap=0.1]"))
        for number, word in enumerate(answer_text(4).split()):
            client.read_until(word.encode() + b'"')
            assert time.monotonic() - started > 0.3 + 0.1 * number


def test_headers_can_be_late(simulator: SimulatorProcess) -> None:
    with Client(simulator) as client:
        started = time.monotonic()
        client.post(question("[sim headers=0.2 first=0.4]"))
        client.read_until(b'"role"')
        assert time.monotonic() - started > 0.2
        client.read_until(b'"content":"the"')
        assert time.monotonic() - started > 0.4


def test_a_model_can_think_aloud_before_it_answers(simulator: SimulatorProcess) -> None:
    with Client(simulator) as client:
        started = time.monotonic()
        client.post(question("[sim think=0.5 tokens=2]"))
        client.read_until(b'"reasoning_content"')
        assert time.monotonic() - started < 0.5
        client.read_until(b'"content":"the"')
        assert time.monotonic() - started > 0.5
    reply = ask(simulator, "[sim think=0.5 tokens=2]")
    thoughts = [frame for frame in reply.frames if "reasoning_content" in str(frame)]
    assert (len(thoughts), reply.text) == (5, answer_text(2))


def test_connection_is_kept_unless_the_client_closes_it(simulator: SimulatorProcess) -> None:
    with Client(simulator) as client:
        for stream in (True, False, True):
            client.post(question(stream=stream))
            assert client.read().ending == "whole"
        client.post(question(), "Connection: close")
        reply = client.read()
        assert reply.headers["connection"] == "close"
        assert client.socket.recv(1) == b""
    stats = simulator.wait(completed=4)
    assert stats["connections_accepted"] == 1


def test_pipelined_requests_are_answered_in_order(simulator: SimulatorProcess) -> None:
    with Client(simulator) as client:
        for number in range(3):
            client.post(question(directive(text=f"answer-{number}-"), stream=False))
        raw = client.read_until(b"answer-2-")
    assert raw.index(b"answer-0-") < raw.index(b"answer-1-") < raw.index(b"answer-2-")


def test_http_1_0_gets_no_chunks_and_a_close(simulator: SimulatorProcess) -> None:
    with Client(simulator) as client:
        client.post(question("[sim tokens=2]"), version="1.0")
        reply = client.read()
    assert "transfer-encoding" not in reply.headers
    assert reply.text == answer_text(2)


def test_client_that_waits_for_continue_is_served(simulator: SimulatorProcess) -> None:
    body = json.dumps(question()).encode()
    with Client(simulator) as client:
        head = ("POST /v1/chat/completions HTTP/1.1", "Expect: 100-continue")
        length = f"Content-Length: {len(body)}"
        client.socket.sendall("\r\n".join((*head, length, "", "")).encode())
        client.read_until(b"100 Continue")
        client.socket.sendall(body)
        assert client.read().finish == "stop"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"[" * 100_000,
        b'{"model": "sim"}',
        b'{"messages": []}',
        b'{"model": "sim", "messages": [1]}',
        json.dumps(question("[sim nonsense=1]")).encode(),
    ],
)
def test_bad_request_is_refused_in_the_shape_of_openai(
    simulator: SimulatorProcess, body: bytes
) -> None:
    with Client(simulator) as client:
        client.post(body)
        reply = client.read()
    assert reply.status == 400
    assert reply.json()["error"]["type"] == "invalid_request_error"


def test_other_paths(simulator: SimulatorProcess) -> None:
    with Client(simulator) as client:
        client.socket.sendall(b"GET /v1/models HTTP/1.1\r\n\r\n")
        assert client.read().json()["data"][0]["object"] == "model"
        client.socket.sendall(b"GET /v1/nothing HTTP/1.1\r\n\r\n")
        reply = client.read()
    assert (reply.status, reply.json()["error"]["message"]) == (
        404,
        "Invalid URL (GET /v1/nothing)",
    )


def test_what_is_no_http_is_closed(simulator: SimulatorProcess) -> None:
    with Client(simulator) as client:
        client.socket.sendall(b"\x16\x03\x01\r\n\r\n")
        assert client.read().status == 400
        assert client.socket.recv(1) == b""


def test_default_answer_has_as_many_o200k_tokens_as_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    import tiktoken

    cache = os.environ.get("TIKTOKEN_CACHE_DIR") or str(Path(sys.prefix) / "share" / "tiktoken")
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", cache)
    encoding = tiktoken.get_encoding("o200k_base")
    for tokens in (1, 20, 500):
        assert len(encoding.encode(answer_text(tokens))) == tokens
