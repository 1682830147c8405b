"""What a model server does: rows 6 to 10 and 15 of the table."""

import json
import time
from datetime import datetime
from typing import Any

from tests.attack.case import Case, Trial
from tests.attack.stage import ATTACK
from tests.support.floods import FLOODS, HEAD, endless
from tests.support.model_server import DONE, answers, fin, stream, text
from tests.support.sse import Stream
from tests.support.upstream import chunk

MEGABYTE = 1_000_000
UNREAD, UNREADER = 100, "unread-streams"
# FIRST_TOKEN_TIMEOUT_SECONDS and a turn's time bound these two alone, where the openai package reads them
BEYOND_STOCK = frozenset({"interim answers", "one frame by bytes"})


def text_flood(trial: Trial) -> None:
    stage = trial.stage
    stage.replies["flood"] = [HEAD, endless(chunk(text("x" * 1000) * 20))]
    before = stage.memory_bytes()
    status, body = stage.ask("flood")
    answer = body.get("answer", "")
    trial.see(f"/chat: {status}, {len(answer) / MEGABYTE:.2f} MB")
    trial.expect(len(answer) < MEGABYTE, f"an answer of {len(answer)} characters")
    streams = [unread(stage.service.port) for _ in range(UNREAD)]
    time.sleep(2)
    for stream_ in streams:
        stream_.close()
    left_at = time.time()
    # the log's times: whoever asks for a metric meanwhile waits behind a hundred floods of this process
    ended = [datetime.fromisoformat(turn["time"]).timestamp() for turn in turns_of(trial, UNREADER)]
    freed, grown = max(0.0, *(at - left_at for at in ended)), stage.memory_bytes() - before
    trial.see(
        f"slots free {freed:.2f} s after {UNREAD} unread streams have left; {grown / MEGABYTE:.0f} MB more memory"
    )
    trial.within("seconds until slots are free", freed, 1.0)
    trial.expect(grown < 300 * MEGABYTE, f"{grown} bytes more memory")


def turns_of(trial: Trial, user: str) -> list[dict[str, Any]]:
    until = time.monotonic() + 60
    while True:
        found = [turn for turn in trial.stage.service.turns(0) if turn["user_id"] == user]
        if len(found) >= UNREAD or time.monotonic() > until:
            trial.expect(len(found) == UNREAD, f"{len(found)} of {UNREAD} turns have ended")
            return found
        time.sleep(0.1)


def unread(port: int) -> Stream:
    asked, user = {"question": ATTACK + "flood"}, {"X-User-ID": UNREADER}
    return Stream("127.0.0.1", port, asked, user, receive_bytes=4096)


def floods(trial: Trial, *, without: frozenset[str] = frozenset()) -> None:
    stage, before = trial.stage, trial.stage.memory_bytes()
    names = [name for name in FLOODS if name not in without]
    longest = 0.0
    for number, name in enumerate(names):
        stage.replies[f"f{number}"] = FLOODS[name]
        began = time.monotonic()
        status, _ = stage.ask(f"f{number}")
        longest = max(longest, time.monotonic() - began)
        trial.expect(status in (400, 502), f"{name}: {status}")
    grown = stage.memory_bytes() - before
    trial.see(
        f"{len(names)} kinds of flood: {longest:.1f} s the longest, {grown / MEGABYTE:.0f} MB more memory"
    )
    trial.expect(grown < 150 * MEGABYTE, f"{grown} bytes more memory")


def stock_floods(trial: Trial) -> None:
    """And those two whose end is a deadline: while they go on, nobody else is held up."""
    floods(trial, without=BEYOND_STOCK)
    stage = trial.stage
    for name in sorted(BEYOND_STOCK):
        stage.replies["slow"] = FLOODS[name]
        with Stream("127.0.0.1", stage.service.port, {"question": ATTACK + "slow"}, timeout=60):
            time.sleep(trial.seconds(3, 20))
            trial.see(f"{name}: goes on")


COUNTS: list[object] = [
    float("nan"), float("inf"), -500_000_000, 1e12, 10**400, [1], {"a": 1}, "many", "7", True, None, 1.5, "9" * 400,
]  # fmt: skip


def usage_of_any_kind(trial: Trial) -> None:
    stage = trial.stage
    for number, count in enumerate(COUNTS):
        told = (
            b"data: "
            + json.dumps(
                {"choices": [], "usage": {"prompt_tokens": count, "completion_tokens": count}}
            ).encode()
        )
        stage.replies[f"u{number}"] = stream(text("Hello"), fin("stop"), told + b"\n\n", DONE)
        status, body = stage.ask(f"u{number}")
        trial.expect(status == 200, f"usage of {count!r:.20}: {status}")
        tokens = body["usage"]["input_tokens"], body["usage"]["output_tokens"]
        whole = all(type(one) is int and 0 <= one <= 10**8 for one in tokens)
        trial.expect(whole, f"usage of {count!r:.20}: {tokens}")
    odd = {
        name: value
        for name, value in stage.service.metrics().items()
        if abs(value) > 1e11 and "created" not in name and not name.startswith("process_")
    }
    trial.see(f"{len(COUNTS)} kinds of count; metrics finite: {not odd}")
    trial.expect(not odd and finite(stage.service.metrics()), f"metrics: {odd}")


def finite(metrics: dict[str, float]) -> bool:
    return all(value == value for name, value in metrics.items())  # noqa: PLR0124 - NaN is not


def deep(opening: bytes, closing: bytes, depth: int) -> bytes:
    return opening * depth + b"1" + closing * depth


REASONS: dict[str, bytes] = {
    "list": b'["stop"]', "object": b'{"type": "stop"}', "number": b"7", "NaN": b"NaN", "text": b'"<script>"',
    "long text": b'"' + b"x" * 100_000 + b'"', "1,000 levels": deep(b"[", b"]", 1000),
    "100,000 levels": deep(b"[", b"]", 100_000), "true": b"true", "half an emoji": b'"\\ud83d"',
}  # fmt: skip
VOCABULARY = {None, "stop", "length", "tool_calls", "refusal", "content_filter"}


def reasons_of_any_kind(trial: Trial) -> None:
    stage = trial.stage
    endings = set()
    for name, reason in REASONS.items():
        last = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":' + reason + b"}]}\n\n"
        stage.replies["reason"] = stream(text("Hello"), last, DONE)
        with Stream("127.0.0.1", stage.service.port, {"question": ATTACK + "reason"}) as one:
            events = one.events()
        ends = [event for event in events if event.name in ("done", "error")]
        trial.expect(len(ends) == 1 and one.whole, f"{name}: {len(ends)} endings")
        endings |= {event.json().get("finish_reason") for event in ends}
    trial.see(f"{len(REASONS)} kinds of reason: {sorted(map(str, endings))}")
    trial.expect(endings <= VOCABULARY, f"reasons: {endings}")


def nesting(trial: Trial) -> None:
    stage = trial.stage
    bugs = len([event for event in stage.service.events() if event["event"] == "bug"])
    for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
        stage.replies["deep"] = stream(b"data: " + deep(opening, closing, 2000) + b"\n\n")
        status, body = stage.ask("deep")
        trial.expect(body["error"]["code"] == "upstream_error", f"{opening!r}: {body}")
    now = len([event for event in stage.service.events() if event["event"] == "bug"])
    trial.see(f"{status} upstream_error, {now - bugs} bugs reported")
    trial.expect(now == bugs, "it is reported as a bug of ours")


TWICE = b"".join(piece for piece in answers("Hello") if isinstance(piece, bytes))
REST: dict[str, bytes] = {
    "an answer": TWICE, "a refusal": b"HTTP/1.1 500 Oh no\r\n\r\n", "no HTTP": b"garbage", "a frame": text("x"),
}  # fmt: skip


def second_responses(trial: Trial) -> None:
    stage = trial.stage
    for name, rest in REST.items():
        stage.replies["twice"] = [TWICE + rest]
        stage.replies["once"] = answers("Bye")
        for _ in range(4):
            found = stage.ask("twice")[1].get("answer"), stage.ask("once")[1].get("answer")
            trial.expect(found == ("Hello", "Bye"), f"{name}: {found}")
    trial.see(f"{len(REST)} kinds of rest: none in an answer, none in the next one")


CASES = (
    Case("6", "a model server floods text", "2.6 GB answer, 7 GB memory, slots taken for minutes", text_flood),
    Case("7", "its floods of headers, comments and frames", "1.2 GB more memory, stalls of 3 s", floods),
    Case("8", "its usage: NaN, 1e12, lists", "the cost metric is NaN until restart", usage_of_any_kind),
    Case("9", "its finish_reason: lists, numbers, 1,000 levels", "reaches client and log", reasons_of_any_kind),
    Case("10", "its JSON, nested 2,000 deep", "reported as our bug", nesting),
    Case("15", "two responses in one read", "merged into one answer", second_responses),
)  # fmt: skip
STOCK_CASES = (
    Case("7s", "the same floods, LLM_CLIENT=stock", "1.2 GB more memory, stalls of 3 s", stock_floods),
)  # fmt: skip
