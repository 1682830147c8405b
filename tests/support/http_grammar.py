"""Requests from a grammar of HTTP and of what is nearly HTTP: one of a thousand kinds for each number.

made(17).bytes is what is sent: a request in question, and behind it on the same connection one that is in order. Each
has an id of its own, which its answer repeats.
"""

import json
import random
from dataclasses import dataclass

PATHS = [
    *["/chat"] * 30,
    "/chat/stream",
    "/v1/chat/completions",
    "/health",
    "/ready",
    "/",
    "/static/chat.js",
    "/openapi.json",
    "/v1/models",
    "/nope",
    "*",
    "",
    "/chat?x=1",
    "//chat",
    "/chat/",
    "/./chat",
    "/a/../chat",
    "/%63hat",
    "/chat%00",
    "http://localhost/chat",
    "/chat#a",
    "/\xed\x95\x9c",
    "/chat;a=b",
]
METHODS = ["POST"] * 40 + [
    "GET",
    "HEAD",
    "OPTIONS",
    "PUT",
    "BREW",
    "post",
    "",
    "PO ST",
    "CONNECT",
    "TRACE",
]
VERSIONS = ["HTTP/1.1"] * 40 + [
    "HTTP/1.0",
    "HTTP/2.0",
    "HTTP/3.0",
    "HTTP/1.2",
    "http/1.1",
    "HTTP/1.10",
    "",
    "HTTP/11",
]
ENDS = ["\r\n"] * 30 + ["\n", "\r", "\r\r\n"]
CODINGS = [
    *["chunked"] * 25,
    "Chunked",
    "chunked, chunked",
    "gzip, chunked",
    "chunked, gzip",
    "identity",
    " chunked",
    "\tchunked",
    "chunked\x0b",
    "xchunked",
    "chunked;a=b",
    "",
    "identity, chunked",
    '"chunked"',
]
NAMES = ["Transfer-Encoding"] * 25 + [
    "Transfer_Encoding",
    "transfer-encoding",
    "Transfer-Encoding ",
    " Transfer-Encoding",
    "Transfer\0Encoding",
]
LENGTHS = ["{n}"] * 30 + [
    "+{n}",
    "-1",
    "{n}, {n}",
    "0{n}",
    "{n} ",
    "{less}",
    "{more}",
    "0x1f",
    "1e2",
    "",
    "{n}\x00",
    "\u00b2",
    "9" * 30,
]
OTHERS = [
    "Expect: 100-continue",
    "Expect: x",
    "Connection: close",
    "Connection: keep-alive, Content-Length",
    "Upgrade: h2c",
    "Connection: Upgrade, HTTP2-Settings",
    "SCRIPT_NAME: /x",
    "X-Forwarded-For: 1.2.3.4",
    "Content-Encoding: gzip",
    "Trailer: Content-Length",
    "X-A: b\r\n c",
    "X-A: \x01",
    "X-A",
    ": a",
    "Host: x",
    "Range: bytes=1-2",
    "TE: trailers",
    "Proxy: http://evil.test",
    "X-HTTP-Method-Override: DELETE",
    "Keep-Alive: timeout=99",
    "Cookie: a=b",
    "X-A: " + "y" * 3000,
    "Content-Type: text/plain",
    "X-Request-ID: ../../x",
    "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA",
]
SIZES = ["{x}"] * 50 + [
    "{x};a=b",
    "0{x}",
    "{X}",
    "+{x}",
    "0x{x}",
    "{x} ",
    "-1",
    "ffffffffffffffff1",
    "{x}\t",
    "{x};\x00",
]


@dataclass(frozen=True)
class Fuzzed:
    """ids: of the request in question, and of the one behind it."""

    bytes: bytes
    ids: tuple[str, str]


def made(number: int, seed: int = 17) -> Fuzzed:
    choose = random.Random(seed * 1_000_003 + number)
    first, second = f"fuzzed-{seed}-{number:06}", f"behind-{seed}-{number:06}"
    body = json.dumps({"question": f"[sim tokens=1] {first}"})
    head, framed = _framing(choose, body)
    end = choose.choice(ENDS)
    lines = [
        f"{choose.choice(METHODS)} {choose.choice(PATHS)} {choose.choice(VERSIONS)}",
        *([] if choose.random() < 0.05 else ["Host: localhost"]),
        f"X-Request-ID: {first}",
        "Content-Type: application/json",
        *head,
        *choose.sample(OTHERS, choose.choice((0, 0, 0, 1, 2))),
    ]
    sent = end.join([*lines, "", ""]) + framed
    behind = f"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: {second}\r\nConnection: close\r\n\r\n"
    data = bytearray((sent + behind).encode("latin-1", "replace"))
    if choose.random() < 0.15:
        for _ in range(choose.randrange(1, 4)):
            data[choose.randrange(len(sent))] = choose.randrange(256)
    return Fuzzed(bytes(data), (first, second))


def _framing(choose: random.Random, body: str) -> tuple[list[str], str]:
    """Header lines that say how long the body is, and a body that may be otherwise."""
    kind = choose.random()
    if kind < 0.4:
        return [f"Content-Length: {_length(choose, body)}"], body
    if kind < 0.75:
        return [f"{choose.choice(NAMES)}: {choose.choice(CODINGS)}"], _chunks(choose, body)
    if kind < 0.95:
        coding = f"{choose.choice(NAMES)}: {choose.choice(CODINGS)}"
        both = [coding, f"Content-Length: {_length(choose, body)}"]
        choose.shuffle(both)
        return both, choose.choice([body, _chunks(choose, body)])
    return [
        f"Content-Length: {_length(choose, body)}",
        f"Content-Length: {_length(choose, body)}",
    ], body


def _length(choose: random.Random, body: str) -> str:
    size = len(body)
    return choose.choice(LENGTHS).format(n=size, less=size - 5, more=size + 7)


def _chunks(choose: random.Random, body: str) -> str:
    at = choose.randrange(len(body))
    parts = [body[:at], body[at:]] if at else [body]
    written = [
        choose.choice(SIZES).format(x=f"{len(part):x}", X=f"{len(part):X}")
        + choose.choice(["\r\n"] * 30 + ["\n"])
        + part
        + choose.choice(["\r\n"] * 40 + ["\n", "", "XX"])
        for part in parts
    ]
    return "".join(written) + choose.choice(
        ["0\r\n\r\n"] * 20
        + ["0\r\nX-A: b\r\n\r\n", "0\r\nContent-Length: 5\r\n\r\n", "", "0\n\n", "00\r\n\r\n"]
    )
