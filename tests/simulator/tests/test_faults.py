"""Every fault, seen by a client on a real socket, and the ending that the record gives it."""

import json
import time

import pytest

from tests.simulator.behaviour import FAULTS
from tests.simulator.tests.wire import Client, Reply, ask, question
from tests.simulator.tokens import answer_text
from tests.support.simulator import SimulatorProcess, directive

BOTH = pytest.mark.parametrize("stream", [True, False])
KEY = "sk-proj-abcdefghijklmnopqrstuvwxyz"
USAGE = {"stream_options": {"include_usage": True}}


def ending(simulator: SimulatorProcess) -> str:
    simulator.wait(open_max=0, requests=1)
    return str(simulator.requests()[-1]["ending"])


def whole_text(reply: Reply) -> str:
    return str(reply.json()["choices"][0]["message"]["content"])


@BOTH
@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, None),
        (401, "invalid_api_key"),
        (403, "unsupported_country_region_territory"),
        (404, "model_not_found"),
        (408, None),
        (409, None),
        (429, "rate_limit_exceeded"),
        (500, None),
        (502, None),
        (503, None),
    ],
)
def test_status(simulator: SimulatorProcess, status: int, code: str, *, stream: bool) -> None:
    reply = ask(simulator, f"[sim fault=status status={status}]", stream=stream)
    assert reply.status == status
    assert set(reply.json()["error"]) == {"message", "type", "param", "code"}
    assert reply.json()["error"]["code"] == code
    assert "retry-after" not in reply.headers
    assert ending(simulator) == "refused"
    assert simulator.requests()[-1]["status"] == status


def test_status_with_retry_after(simulator: SimulatorProcess) -> None:
    assert ask(simulator, model="sim-429:retry_after=2").headers["retry-after"] == "2"


def test_status_can_be_late(simulator: SimulatorProcess) -> None:
    ask(simulator, "[sim fault=503 first=0.2]")
    assert simulator.requests()[-1]["seconds"] > 0.15


def test_401_shows_a_part_of_the_key(simulator: SimulatorProcess) -> None:
    with Client(simulator) as client:
        client.post(question("[sim fault=401]"), f"Authorization: Bearer {KEY}")
        message = client.read().json()["error"]["message"]
    assert "sk-proj-" in message
    assert KEY[-4:] in message
    assert KEY not in message
    assert KEY not in json.dumps(simulator.requests())


@BOTH
@pytest.mark.parametrize(
    ("fault", "code"),
    [("content-filter", "content_filter"), ("context-length", "context_length_exceeded")],
)
def test_refusals(simulator: SimulatorProcess, fault: str, code: str, *, stream: bool) -> None:
    reply = ask(simulator, directive(fault=fault), stream=stream)
    assert (reply.status, reply.json()["error"]["code"]) == (400, code)


@BOTH
def test_prefill_refused(simulator: SimulatorProcess, *, stream: bool) -> None:
    prefilled = question("[sim fault=prefill-refused]", stream=stream)
    prefilled["messages"].append({"role": "assistant", "content": "Once"})
    with Client(simulator) as client:
        client.post(prefilled)
        assert client.read().status == 400
    assert ask(simulator, "[sim fault=prefill-refused]", stream=stream).status == 200


@BOTH
def test_html(simulator: SimulatorProcess, *, stream: bool) -> None:
    reply = ask(simulator, model="sim-html", stream=stream)
    assert (reply.status, reply.headers["content-type"]) == (200, "text/html")
    assert b"<html>" in reply.body


@BOTH
@pytest.mark.parametrize(
    ("fault", "seen", "recorded"),
    [("reset-before", "reset", "reset"), ("close-before", "closed", "cut")],
)
def test_gone_before_headers(
    simulator: SimulatorProcess, fault: str, seen: str, recorded: str, *, stream: bool
) -> None:
    reply = ask(simulator, directive(fault=fault), stream=stream)
    assert (reply.raw, reply.ending) == (b"", seen)
    assert ending(simulator) == recorded


@BOTH
@pytest.mark.parametrize(("fault", "seen"), [("reset-after", "reset"), ("cut", "closed")])
def test_gone_in_the_middle(
    simulator: SimulatorProcess, fault: str, seen: str, *, stream: bool
) -> None:
    reply = ask(simulator, directive(fault=fault, tokens=60, after=40), stream=stream)
    assert reply.ending == seen
    assert ending(simulator) == {"closed": "cut"}.get(seen, seen)
    assert simulator.stats()["tokens_written"] == 40
    if stream:
        assert reply.text == answer_text(40)
        assert reply.finish is None
    else:
        assert 0 < len(reply.body) < int(reply.headers["content-length"])


@pytest.mark.parametrize(
    ("fault", "stream", "sent"),
    [
        ("silent", True, b""),
        ("silent", False, b""),
        ("headers-only", True, b"\r\n\r\n"),
        ("headers-only", False, b"\r\n\r\n"),
        ("role-only", True, b'"role"'),
        ("role-only", False, b"\r\n\r\n"),
        ("endless", True, b" quick"),
        ("endless", False, b""),
        ("comments", True, b": keepalive\n\n"),
        ("comments", False, b"\r\n\n\r\n"),
    ],
)
def test_never_an_end_and_the_leaving_is_noticed(
    simulator: SimulatorProcess, fault: str, sent: bytes, *, stream: bool
) -> None:
    with Client(simulator) as client:
        client.post(question(directive(fault=fault, gap=0.05), stream=stream))
        simulator.wait(open=1)
        client.read_until(sent)
        if fault in ("silent", "headers-only"):
            client.socket.settimeout(0.2)
            with pytest.raises(TimeoutError):
                client.socket.recv(1)
        left_at = time.time()
    simulator.wait(aborted=1, open_max=0)
    assert simulator.requests()[-1]["aborted_at"] - left_at < 5


def test_comments_are_all_there_is(simulator: SimulatorProcess) -> None:
    with Client(simulator) as client:
        client.post(question("[sim fault=comments gap=0.01]"))
        raw = client.read_until(b": keepalive\n\n\r\nd\r\n: keepalive")
    assert b"data:" not in raw


@BOTH
def test_slow_first(simulator: SimulatorProcess, *, stream: bool) -> None:
    with Client(simulator) as client:
        started = time.monotonic()
        client.post(question("[sim fault=slow-first seconds=0.5 tokens=2]", stream=stream))
        client.read_until(b'"content":"the')
        assert time.monotonic() - started > 0.5
        client.read_until(b"stop")


@BOTH
def test_stall_and_then_the_rest(simulator: SimulatorProcess, *, stream: bool) -> None:
    reply = ask(simulator, "[sim fault=stall after=2 tokens=4 seconds=0.4]", stream=stream)
    assert (reply.text if stream else whole_text(reply)) == answer_text(4)
    assert simulator.requests()[-1]["seconds"] > 0.35
    assert simulator.stats()["tokens_written"] == 4


def test_stall_comes_after_the_tokens_and_a_client_that_leaves_in_it_is_noticed(
    simulator: SimulatorProcess,
) -> None:
    with Client(simulator) as client:
        client.post(question("[sim fault=stall after=2]"))
        client.read_until(b" quick")
    stats = simulator.wait(aborted=1)
    assert stats["tokens_written"] == 2


def test_no_finish(simulator: SimulatorProcess) -> None:
    reply = ask(simulator, "[sim fault=no-finish after=2]", **USAGE)
    assert (reply.ending, reply.text, reply.finish) == ("whole", answer_text(2), None)
    assert "[DONE]" not in reply.events
    assert ending(simulator) == "truncated"
    assert ask(simulator, "[sim fault=no-finish tokens=6]").text == answer_text(6)
    choice = ask(simulator, "[sim fault=no-finish]", stream=False).json()["choices"][0]
    assert choice["finish_reason"] is None


def test_no_done(simulator: SimulatorProcess) -> None:
    reply = ask(simulator, "[sim fault=no-done]")
    assert (reply.ending, reply.finish) == ("whole", "stop")
    assert "[DONE]" not in reply.events


@pytest.mark.parametrize("after", [0, 2, 4])
def test_malformed_takes_the_place_of_one_frame(simulator: SimulatorProcess, after: int) -> None:
    reply = ask(simulator, f"[sim fault=malformed after={after} tokens=4]")
    events = [event for event in reply.events if event != "[DONE]"]
    broken = [event for event in events if not event.endswith("}")]
    assert [events.index(event) - 1 for event in broken] == [after] * (after < 4)
    for event in broken:
        with pytest.raises(ValueError, match="Unterminated"):
            json.loads(event)
    assert len(events) == 1 + 4 + 1


@pytest.mark.parametrize("fault", ["malformed", "in-band-error"])
def test_answers_that_fail_in_the_body(simulator: SimulatorProcess, fault: str) -> None:
    reply = ask(simulator, directive(fault=fault), stream=False)
    assert (reply.status, reply.ending) == (200, "whole")
    assert ending(simulator) == "failed"
    assert simulator.stats()["output_tokens"] == 0


def test_in_band_error(simulator: SimulatorProcess) -> None:
    reply = ask(simulator, "[sim fault=in-band-error after=2 status=429]")
    assert reply.text == answer_text(2)
    assert reply.frames[-1]["error"]["code"] == "rate_limit_exceeded"
    assert reply.finish is None
    assert ending(simulator) == "failed"


@BOTH
def test_content_filter_finish(simulator: SimulatorProcess, *, stream: bool) -> None:
    reply = ask(simulator, "[sim fault=content-filter-finish after=2]", stream=stream, **USAGE)
    if stream:
        assert (reply.text, reply.finish) == (answer_text(2), "content_filter")
        assert reply.frames[-1]["usage"]["completion_tokens"] == 2
    else:
        assert whole_text(reply) == answer_text(2)
    assert ending(simulator) == "completed"
    assert simulator.stats()["output_tokens"] == 2


@BOTH
@pytest.mark.parametrize("order", ["fault=no-usage", "usage=0"])
def test_no_usage(simulator: SimulatorProcess, order: str, *, stream: bool) -> None:
    reply = ask(simulator, f"[sim {order}]", stream=stream, **USAGE)
    frames = reply.frames if stream else [reply.json()]
    assert not any("usage" in frame for frame in frames)
    simulator.wait(completed=1)
    assert simulator.requests()[-1]["usage"] is None


def test_empty_choices(simulator: SimulatorProcess) -> None:
    reply = ask(simulator, "[sim fault=empty-choices tokens=4]")
    assert [frame["choices"] == [] for frame in reply.frames].count(True) == 2
    assert reply.text == answer_text(4)


def test_split_bytes(simulator: SimulatorProcess) -> None:
    text = "a\n\nb\u2028c 한글 😀"
    reply = ask(simulator, directive(fault="split-bytes", text=text))
    assert reply.text == text
    assert all(len(chunk) == 1 for chunk in reply.chunks[:-1])
    tokens = simulator.wait(completed=1)["tokens_written"]
    assert tokens == len([f for f in reply.frames if f["choices"][0]["delta"].get("content")])
    whole = ask(simulator, directive(fault="split-bytes", text=text), stream=False)
    assert whole_text(whole) == text


def test_crlf(simulator: SimulatorProcess) -> None:
    reply = ask(simulator, "[sim fault=crlf]")
    assert b"\n" not in reply.body.replace(b"\r\n", b"")
    assert reply.text == answer_text(20)


@BOTH
def test_bom(simulator: SimulatorProcess, *, stream: bool) -> None:
    reply = ask(simulator, "[sim fault=bom]", stream=stream)
    assert reply.body.startswith(b"\xef\xbb\xbf" + (b"data: " if stream else b"{"))


@BOTH
@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_fault_of_limited_times_heals(
    simulator: SimulatorProcess, fault: str, *, stream: bool
) -> None:
    order = directive(fault=fault, times=0, seconds=20)
    reply = ask(simulator, order, stream=stream)
    assert (reply.text if stream else whole_text(reply)) == answer_text(20)
    assert ending(simulator) == "completed"


def test_times_count_by_key_or_else_by_message(simulator: SimulatorProcess) -> None:
    def statuses(*orders: str) -> list[int]:
        return [ask(simulator, f"[sim fault=503 {order}]", stream=False).status for order in orders]

    assert statuses("times=2", "times=2", "times=2") == [503, 503, 200]
    assert statuses("times=1 key=a", "times=1 key=a tokens=3", "times=1 key=b") == [503, 200, 503]
    simulator.reset()
    assert statuses("times=1 key=a") == [503]


def test_default_breaks_and_heals_the_upstream(simulator: SimulatorProcess) -> None:
    simulator.set_default("fault=status status=503")
    assert ask(simulator, "hi").status == 503
    assert ask(simulator, "hi [sim fault=none]").status == 200
    simulator.set_default("")
    assert ask(simulator, "hi").status == 200
    with pytest.raises(ValueError, match="no such fault"):
        simulator.set_default("fault=nonsense")
