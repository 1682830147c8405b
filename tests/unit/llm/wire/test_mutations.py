"""Responses as servers write them, with a few bytes wrong, cut anywhere: each is an answer or a failure of the server.

FUZZ_CASES: how many are tried; FUZZ_SEED: other ones.
"""

import gzip
import os
import random
import resource
import time

from service.chat.events import TICK
from service.errors import ChatError, Internal, UpstreamError
from service.llm.wire.answer_stream import AnswerStream
from service.llm.wire.response import Response
from service.llm.wire.transport import Arrived
from tests.support.model_server import (
    DONE,
    choice,
    fin,
    frame,
    refuses,
    stream,
    text,
    thinks,
    usage,
)

CASES = int(os.environ.get("FUZZ_CASES", "3000"))
SEED = int(os.environ.get("FUZZ_SEED", "17"))
VOCABULARY = {None, "stop", "length", "tool_calls", "refusal", "content_filter"}
MOST_STEPS = 10_000
MOST_CPU_SECONDS = 0.2
MOST_BYTES = 64 * 1024 * 1024
CALLS = [{"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"a": 1}'}}]
BODY = (
    text("한글 😀")
    + thinks("hm")
    + choice({"tool_calls": CALLS})
    + fin("stop")
    + usage(prompt_tokens=7, completion_tokens=2)
    + DONE
)
GZIPPED = gzip.compress(BODY)


def joined(pieces):
    return b"".join(piece for piece in pieces if isinstance(piece, bytes))


def head(*lines):
    return "\r\n".join(["HTTP/1.1 200 OK", *lines, "", ""]).encode()


SEEDS = [
    joined(stream(BODY)),
    joined(stream(text("a"), frame({"error": {"code": 429, "message": "slow down"}}), DONE)),
    joined(stream(*(BODY[place : place + 7] for place in range(0, len(BODY), 7)))),
    joined(stream(BODY.replace(b"\n", b"\r\n"))),
    joined(
        refuses(429, {"error": {"code": "rate_limit_exceeded", "message": "no"}}, Retry_After="3")
    ),
    joined(refuses(400, {"error": {"param": "temperature", "code": "unsupported_value"}})),
    joined(refuses(200, {"choices": [{"message": {"content": "whole"}, "finish_reason": "stop"}]})),
    head(f"Content-Length: {len(BODY)}") + BODY,
    head() + BODY,
    head("Content-Encoding: gzip", f"Content-Length: {len(GZIPPED)}") + GZIPPED,
    b"HTTP/1.1 100 Continue\r\n\r\n" + joined(stream(BODY)),
    joined(stream(BODY)) + joined(stream(BODY)),
]
VALUES = [
    b"NaN",
    b"1e999",
    b"-1",
    b"10" * 200,
    b"null",
    b"true",
    b"[]",
    b"{}",
    b'""',
    b'"\\ud83d"',
    b'"\\u0000"',
    b"[" * 1100,
    b'{"a":' * 1100,
    b"-500000000",
    b"1000000000000",
    b'"stop"',
    b'"content_filter"',
    b'["stop"]',
]
BYTES = [
    b"",
    b"\n",
    b"\r",
    b"\r\n",
    b"\n\n",
    b"\0",
    b"\xff",
    b"\xf0\x9f",
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b"\\",
    b",",
    b" ",
    b"data: ",
    b"event: error\n",
    b"[DONE]",
    b"0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"ffffffff\r\n",
    b": ",
]


def mutated(random_):
    data = bytearray(random_.choice(SEEDS))
    for _ in range(random_.choice((0, 1, 1, 2, 3, 8))):
        MUTATIONS[random_.randrange(len(MUTATIONS))](data, random_)
    return bytes(data)


def replace(data, random_):
    at = random_.randrange(len(data) + 1)
    data[at : at + random_.randrange(3)] = random_.choice(BYTES)


def flip(data, random_):
    if data:
        data[random_.randrange(len(data))] ^= 1 << random_.randrange(8)


def drop(data, random_):
    at = random_.randrange(len(data) + 1)
    del data[at : at + random_.randrange(40)]


def double(data, random_):
    at = random_.randrange(len(data) + 1)
    data[at:at] = data[at : at + random_.randrange(200)] * random_.choice((1, 1, 2, 50))


def splice(data, random_):
    other = random_.choice(SEEDS)
    data[random_.randrange(len(data) + 1) :] = other[random_.randrange(len(other)) :]


def value(data, random_):
    """Another value for some field."""
    places = [
        place
        for place in range(len(data))
        if data[place : place + 2] == b": " or data[place : place + 2] == b'":'
    ]
    if places:
        at = random_.choice(places) + 2
        end = min(
            (found for mark in b",}\n" if (found := data.find(bytes([mark]), at)) >= 0), default=at
        )
        data[at:end] = random_.choice(VALUES)


def cut(data, random_):
    del data[random_.randrange(len(data) + 1) :]


MUTATIONS = (replace, flip, drop, double, splice, value, cut)


class Replay:
    """A transport that brings these bytes, in these pieces, and then the end of the connection."""

    sent = True

    def __init__(self, pieces):
        self._pieces = iter(pieces)
        self._response = Response()
        self.reusable = None

    def receive(self, *, spoke):  # noqa: ARG002
        data = next(self._pieces, b"")
        body = self._response.take(data)
        if not data and not self._response.whole:
            raise UpstreamError(cause="connection closed")
        return Arrived(body, self._response.status, self._response.fields, self._response.whole)

    def close(self, *, overrun):
        if self.reusable is None:
            self.reusable = self._response.reusable and not overrun


class Question:
    """Asked once; what is refused is not asked differently."""

    def after(self, _failure):
        return None

    def answered(self):
        pass


def pieces_of(data, random_):
    if random_.random() < 0.2:
        return [data[place : place + 1] for place in range(len(data))]
    edges = sorted(random_.randrange(len(data) + 1) for _ in range(random_.randrange(6)))
    parts = [data[one:other] for one, other in zip([0, *edges], [*edges, len(data)], strict=True)]
    return [part for part in parts if part]


def heard(data, pieces, *, strip):
    """Text and how it ended; raises whatever is no ChatError."""
    transport = Replay(pieces)
    answer = AnswerStream(Question(), lambda _: transport, lambda *_: None, strip_think_tags=strip)
    said, endings, steps = "", [], 0
    try:
        for step in answer:
            steps += 1
            assert steps < MOST_STEPS + 2 * len(data)
            if step is TICK:
                continue
            said += step.text
            assert step.finish_reason in VOCABULARY
            if step.usage is not None:
                assert 0 <= step.usage.input_tokens <= 2 * 10**8
                assert 0 <= step.usage.output_tokens <= 2 * 10**8
        endings.append("end")
    except Internal:
        raise
    except ChatError as failure:
        endings.append(failure.code)
    finally:
        answer.close()
    assert len(endings) == 1
    return said, endings[0]


def test_a_response_with_a_few_bytes_wrong_is_an_answer_or_a_failure():
    whole = joined(stream(BODY))
    right = heard(whole, [whole], strip="false")
    assert right == ("한글 😀", "end")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(CASES):
        random_ = random.Random(SEED * 1_000_003 + number)
        data = mutated(random_)
        began = time.process_time()
        try:
            heard(
                data, pieces_of(data, random_), strip="true" if random_.random() < 0.3 else "false"
            )
        except BaseException:
            print(f"case {number} of seed {SEED}: {data!r:.2000}")
            raise
        assert time.process_time() - began < MOST_CPU_SECONDS, (number, data[:500])
        assert heard(whole, [whole], strip="false") == right, number
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MOST_BYTES
