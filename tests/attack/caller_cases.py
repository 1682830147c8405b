"""What callers do: rows 1, 2, 4, 5, 12, 13, 14 and 16 of the table."""

import contextlib
import json
import random
import re
import socket
import time
from pathlib import Path

from tests.attack.case import Case, Trial
from tests.attack.hammer import Hammer, request
from tests.attack.stage import ATTACK, question
from tests.support.model_server import DONE, fin, stream, text

# more than a token for each character, up to every limit of a request
ODD = random.Random(17)
LONG = "".join(chr(ODD.randrange(0xAC00, 0xD7A3)) for _ in range(31_000))
EARLIER = {"role": "assistant", "content": LONG + LONG[:15_000]}
ATTACKER = "127.0.0.2"
CHEAP_MS = 5.0


def spent(trial: Trial) -> dict[str, float]:
    service = trial.stage.service
    return {
        "tokens": service.metric("gen_ai_client_token_usage_sum"),
        "wasted": service.metric("chat_tokens_wasted_total"),
        "cost": service.metric("chat_cost_usd_total"),
        "key": service.metric("chat_key_cost_usd_total", key="anonymous"),
    }


def hour_at_most(dollars: float) -> str:
    """The first minute's worth comes at once; after it the rate decides, and in the end the day's dollars."""
    hour = min(20.0, dollars + 59 * 0.2 * 0.15)
    return f"${dollars:.4f} of the first minute, ${hour:.2f} an hour, $20 a day from all addresses"


def long_prompt(name: str) -> bytes:
    body = {"question": f"{ATTACK}{name} {LONG}", "history": [EARLIER]}
    return request("POST", "/chat", json.dumps(body, ensure_ascii=False).encode())


def long_prompts(trial: Trial) -> None:
    # without a report of usage, which would be of some other question
    trial.stage.replies["long"] = stream(text("no"), fin("stop"), DONE)
    before, seconds = spent(trial), trial.seconds(6, 60)
    asked = [long_prompt(f"long {n}") for n in range(20)]
    seen = Hammer(trial.stage.nginx.port, asked, connections=20, seconds=seconds, pause=1.0).seen()
    after = spent(trial)
    dollars = after["cost"] - before["cost"]
    trial.see(f"{seen}; {hour_at_most(dollars)}")
    trial.expect(seen.statuses.get(429), "nothing was refused")
    # 200,000 tokens a minute, of which all may come at once, and the victims' own
    trial.within("dollars of this minute", dollars, 0.15 * 0.2 * 2 + 0.02)


def hanging_up(trial: Trial) -> None:
    trial.stage.replies["never"] = [60.0]
    # an address of its own, whose minute is still whole
    before = spent(trial)
    asked = [long_prompt(f"never {n}") for n in range(20)]
    seen = Hammer(
        trial.stage.nginx.port,
        asked,
        connections=20,
        seconds=trial.seconds(6, 60),
        addresses=["127.0.0.3"],
        leave_after=0.6,
        pause=0.4,
    ).seen()
    time.sleep(1.5)
    after = spent(trial)
    wasted, dollars = after["wasted"] - before["wasted"], after["cost"] - before["cost"]
    left = sum(
        1 for line in trial.stage.service.turns(0)
        if line["ending"] == "disconnected" and line["input_tokens"] > 10_000
    )  # fmt: skip
    trial.see(
        f"{sum(seen.statuses.values())} hang-ups, {left} sent and accounted: {wasted:.0f} tokens, ${dollars:.4f}"
    )
    trial.expect(wasted > 10_000, "what was sent is not accounted")
    trial.expect(wasted < 600_000, "hanging up goes round the limits")


def keep_alive_flood(trial: Trial) -> None:
    paths = ("/", "/static/chat.js", "/ready", "/openapi.json")
    seen = Hammer(
        trial.stage.nginx.port,
        [request("GET", path) for path in paths],
        connections=300,
        seconds=trial.seconds(6, 30),
        addresses=[ATTACKER, "127.0.0.3"],
    ).seen()
    trial.see(str(seen))
    trial.expect(seen.statuses.get(429), "nothing was refused")
    trial.expect(set(seen.statuses) <= {0, 200, 429}, f"answered with {set(seen.statuses)}")


MANY_FIELDS = json.dumps({"question": "hi"} | {f"f{n}": 1 for n in range(21_000)})
DEEP = '{"question":' + "[" * 1000 + "]" * 1000 + "}"
ONE_MESSAGE = {"role": "user", "content": "x"}
EXPENSIVE = {
    "28,000 unknown fields": ("/chat", MANY_FIELDS),
    "8,000 messages": ("/chat", json.dumps({"question": "hi", "history": [ONE_MESSAGE] * 7000})),
    "fields in a message": (
        "/chat",
        json.dumps(
            {"question": "hi", "history": [ONE_MESSAGE | {f"f{n}": 1 for n in range(20_000)}]}
        ),
    ),
    "wrong messages": ("/chat", json.dumps({"question": "hi", "history": [1] * 80_000})),
    "deep": ("/chat", DEEP),
    "deeper": ("/chat", '{"question":' + "[" * 100_000 + "}"),
    "many small objects": ("/chat", '{"question": [' + "{}," * 80_000 + "{}]}"),
    "messages of OpenAI's": (
        "/v1/chat/completions",
        json.dumps({"model": "chat", "messages": [ONE_MESSAGE] * 7000}),
    ),
    "fields of OpenAI's": (
        "/v1/chat/completions",
        json.dumps(
            {"model": "chat", "messages": [ONE_MESSAGE]} | {f"f{n}": 1 for n in range(20_000)}
        ),
    ),
    "fields in a message of OpenAI's": (
        "/v1/chat/completions",
        json.dumps(
            {"model": "chat", "messages": [ONE_MESSAGE | {f"f{n}": 1 for n in range(20_000)}]}
        ),
    ),
    "parts of OpenAI's": (
        "/v1/chat/completions",
        json.dumps(
            {"model": "chat", "messages": [{"role": "user", "content": [{"type": "x"}] * 14_000}]}
        ),
    ),
    "stops of OpenAI's": (
        "/v1/chat/completions",
        json.dumps({"model": "chat", "messages": [ONE_MESSAGE], "stop": ["a"] * 50_000}),
    ),
}
TIMES = 20


def expensive_bodies(trial: Trial) -> None:
    """CPU time of the workers, which a busy machine does not change; what the victims take meanwhile is left out."""
    service, found = trial.stage.service, dict[str, float]()
    service.post("/chat", {"question": ""})
    idle = cost_of(trial, "/chat", "{}")
    for name, (path, body) in EXPENSIVE.items():
        assert len(body) < 262_144, name
        found[name] = cost_of(trial, path, body)
    worst = max(found, key=found.__getitem__)
    trial.see(f"at most {found[worst]:.1f} ms ({worst}), {idle:.1f} ms for an empty body")
    for name, milliseconds in found.items():
        trial.within(f"ms for {name}", milliseconds - idle, CHEAP_MS)


def cost_of(trial: Trial, path: str, body: str) -> float:
    before = trial.stage.cpu_seconds()
    for _ in range(TIMES):
        headers = {"Content-Type": "application/json"}
        status, _, _ = trial.stage.service.request("POST", path, body, headers)
        trial.expect(400 <= status < 500, f"{body[:60]} is answered {status}")
    return (trial.stage.cpu_seconds() - before) / TIMES * 1000


def half_sent(trial: Trial) -> None:
    count = int(trial.seconds(6000, 17_000))
    half = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: b"
    addresses = [f"127.0.2.{n + 1}" for n in range(4)]
    port = trial.stage.nginx.port
    heads = Hammer(port, [half], connections=count, seconds=8, addresses=addresses, held=True)
    body = request("POST", "/chat", b"", "X-A: b").replace(b"Length: 0", b"Length: 200000")
    bodies = Hammer(
        port,
        [body + b"x" * 1000],
        connections=500,
        seconds=8,
        addresses=[f"127.0.3.{n + 1}" for n in range(25)],
        held=True,
        drip=0.7,
    )
    time.sleep(6)
    answered = trial.stage.nginx.request(
        "POST", "/chat", question("hi"), {"Content-Type": "application/json"}, "127.0.0.8"
    )
    used = nginx_bytes(trial)
    trial.see(
        f"{count} half-sent heads and 500 dripping bodies; another caller: {answered[0]}; nginx: {used / 1e6:.0f} MB"
    )
    heads.seen(), bodies.seen()
    trial.expect(answered[0] == 200, f"another caller is answered {answered[0]}")
    # of the container's 512 MB, and the kernel has its part
    trial.expect(used < 150e6, "nginx takes more memory than it may")


def nginx_bytes(trial: Trial) -> int:
    total = 0
    for pid in trial.stage.nginx.workers():
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        total += int(re.search(r"Private_Dirty: +(\d+)", rollup)[1])  # type: ignore[index]
    return total * 1024


def long_paths(trial: Trial) -> None:
    nginx, before = trial.stage.nginx, len(trial.stage.nginx.lines)
    paths = [request("GET", "/" + '"' * 3000), b"GET /a\xffb HTTP/1.1\r\nHost: localhost\r\n\r\n"]
    seen = Hammer(nginx.port, paths, connections=20, seconds=trial.seconds(3, 20)).seen()
    lines = nginx.lines[before:]
    size = sum(len(json.dumps(line)) for line in lines)
    asked = sum(seen.statuses.values())
    trial.see(f"{asked} requests, {size / 1e6:.1f} MB of log")
    trial.expect(all(len(line["path"]) <= 200 for line in lines), "a path of more than 200")
    trial.expect(size < 300 * asked + 500_000, f"{size / asked:.0f} bytes of log for each")


def other_hosts(trial: Trial) -> None:
    found = {}
    service = trial.stage.service
    names = ("evil.test", "localhost.evil.test", "127.0.0.1.evil.test", "evil.test.", "[evil.test]")
    for host in (*names, "evil.test:8080"):
        for port in (trial.stage.nginx.port, service.port, service.metrics_port):
            head = f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
            found[host, port] = raw(port, head.encode()).split(b" ", 2)[1]
    trial.see(f"{len(found)} hosts: {b' '.join(set(found.values())).decode()}")
    trial.expect(set(found.values()) == {b"421"}, f"served: {found}")


def odd_http(trial: Trial) -> None:
    nginx, service = trial.stage.nginx.port, trial.stage.service.port
    for version in ("3.0", "2.0", "1.2", "9.9"):
        head = f"GET /health HTTP/{version}\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        said = raw(nginx, head.encode())
        trial.expect(b"<html" not in said.lower(), f"HTTP/{version} is answered in HTML")
    coded = b"POST /chat HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"
    trial.expect(b" 400 " in raw(service, coded)[:20], "gzip, chunked is read")
    mounted = b"GET /health HTTP/1.1\r\nHost: x\r\nSCRIPT_NAME: /nope\r\nConnection: close\r\n\r\n"
    trial.expect(b" 200 " in raw(service, mounted)[:20], "SCRIPT_NAME is believed")
    with contextlib.ExitStack() as held:
        for _ in range(900):
            held.enter_context(socket.create_connection(("127.0.0.1", service), 30))
        began = time.monotonic()
        for _ in range(10):
            trial.stage.service.get("/health")
        trial.see(f"ten probes beside 900 silent connections: {time.monotonic() - began:.2f} s")
        trial.within("seconds for ten probes", time.monotonic() - began, 2.0)


def raw(port: int, sent: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 30) as caller:
        caller.sendall(sent)
        said = b""
        with contextlib.suppress(OSError):
            while piece := caller.recv(65536):
                said += piece
        return said


CASES = (
    Case("1", "20 prompts of 117,000 tokens a second, one address", "about $1,100 an hour", long_prompts),
    Case("2", "the same, hanging up before the first byte", "22.7 million tokens sent, 0 accounted", hanging_up),
    Case("4", "300 connections GET /, /static, /ready, /openapi.json", "victims got nothing for 6 s", keep_alive_flood),
    Case("5", "bodies that take long to refuse", "0.12 s of the loop each", expensive_bodies, served=False),
    Case("12", "half-sent heads, dripping bodies", "every other caller reset, 145 of 256 MB", half_sent),
    Case("13", "long paths of quotes, a byte 0xFF", "29 MB of log in 2 s", long_paths),
    Case("14", "Host: evil.test", "served", other_hosts),
    Case("16", "odd HTTP, SCRIPT_NAME, silent connections", "505 in HTML, believed, 15 s", odd_http),
)  # fmt: skip
