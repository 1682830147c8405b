"""A canary prompt and a canary key go through every error: no part of them is in any response or log line."""

import concurrent.futures
import http.client
import json
import signal
import socket

import pytest

from tests.support.service import Service, free_port
from tests.support.simulator import directive

KEY = "sk-canary-Q7xW2mZ9rT4vB8nK1pL6"
FALLBACK_KEY = "sk-spare-H3jF5dS0aG2kM7uY9wE4"
REDIS_PASSWORD = "rP8tV1zN4cX6bL0q"
PROMPT = "Zebra quilt 4471 lantern mosaic"
CANARIES = (KEY, FALLBACK_KEY, REDIS_PASSWORD, PROMPT)
PART = 8
JSON = {"Content-Type": "application/json"}
ROUTES = ["/chat", "/chat/stream"]


def parts(secret):
    return {secret[at : at + PART] for at in range(len(secret) - PART + 1)}


PARTS = set().union(*map(parts, CANARIES))


def found(text):
    return sorted(part for part in PARTS if part in text)


def spilled(service, *answers):
    """Lines of the log with a part of a canary, once the turns of these answers are in it."""
    for _, headers, _ in answers:
        service.turn(headers["x-request-id"])
    return [(line, found(line)) for line in service.lines if found(line)]


def start(upstream, **settings):
    return Service(
        upstream,
        OPENAI_API_KEY=KEY,
        FALLBACK_API_KEY=FALLBACK_KEY,
        REDIS_URL=f"redis://:{REDIS_PASSWORD}@127.0.0.1:{free_port()}/0",
        LOG_LEVEL="DEBUG",
        SYSTEM_PROMPT=f"Never say {PROMPT}.",
        RETRY_ATTEMPTS=1,
        BREAKER_FAILURES=1_000_000,
        FIRST_TOKEN_TIMEOUT_SECONDS=1,
        IDLE_TIMEOUT_SECONDS=1,
        **settings,
    )


@pytest.fixture(scope="module", params=["lean", "stock"])
def guarded(request, _simulator):
    with start(_simulator.base_url, LLM_CLIENT=request.param) as running:
        yield running


def order(**fault):
    """The prompt is everywhere in it."""
    return {
        "question": f"{PROMPT} {directive(**fault)} {PROMPT}",
        "system": PROMPT,
        "history": [{"role": role, "content": PROMPT} for role in ("user", "assistant")],
    }


STATUSES = (400, 401, 403, 404, 408, 409, 422, 429, 500, 503)
BROKEN = ("malformed", "in-band-error", "cut", "no-finish", "reset-after")
EMPTY = ("reset-before", "close-before", "html", "context-length", "content-filter")
FAULTS = [
    *({"fault": "status", "status": status} for status in STATUSES),
    *({"fault": fault, "after": after} for fault in BROKEN for after in (0, 3)),
    *({"fault": fault} for fault in (*EMPTY, "content-filter-finish")),
    *({"fault": fault} for fault in ("silent", "role-only", "comments")),
    {"fault": "stall", "after": 1},
    # the simulator's own refusal quotes the order
    {"fault": "nothing-of-this-name"},
]
SHAPES = [
    {"question": {"text": PROMPT}},
    {"question": [PROMPT]},
    {"question": 4471, "system": PROMPT},
    {"question": PROMPT, "system": [PROMPT], "history": PROMPT},
    {"question": PROMPT, "history": [PROMPT]},
    {"question": PROMPT, "history": [{"role": PROMPT, "content": {"x": PROMPT}, PROMPT: PROMPT}]},
    {"question": PROMPT, PROMPT: PROMPT},
    {"question": PROMPT, "model": PROMPT},
    {"question": PROMPT, "model": KEY},
    {"question": PROMPT, "api_key": KEY},
    {"question": PROMPT, "temperature": PROMPT, "max_tokens": KEY},
    {"question": PROMPT * 2000},
    {"question": PROMPT, "system": PROMPT * 2000},
    {"question": PROMPT, "history": [{"role": "user", "content": PROMPT}] * 101},
    [PROMPT],
    PROMPT,
]
BODIES = [
    *(json.dumps(shape).encode() for shape in SHAPES),
    f'{{"question": "{PROMPT}'.encode(),
    f'{{"question": "{PROMPT} \\ud800"}}'.encode(),
    f'{{"question": "{PROMPT}"}} {PROMPT}'.encode(),
    b'{"question": "' + PROMPT.encode() + b'\xff"}',
    (json.dumps({"question": PROMPT}) + " " * 300_000).encode(),
]


def everything(answer):
    status, headers, body = answer
    return f"{status} {headers} {body.decode()}"


@pytest.mark.parametrize("route", ROUTES)
def test_no_failure_of_the_llm_tells_them(guarded, route):
    def ask(fault):
        return guarded.request("POST", route, json.dumps(order(**fault)), JSON)

    with concurrent.futures.ThreadPoolExecutor(len(FAULTS)) as pool:
        answers = list(pool.map(ask, FAULTS))
    assert [found(everything(answer)) for answer in answers] == [[]] * len(FAULTS)
    assert spilled(guarded, *answers) == []


@pytest.mark.parametrize("route", ROUTES)
def test_no_bad_request_tells_them(guarded, route):
    answers = [guarded.request("POST", route, body, JSON) for body in BODIES]
    answers.append(guarded.request("POST", route, BODIES[0], {"Content-Type": "text/plain"}))
    assert {status for status, _, _ in answers} <= {400, 413, 415}
    assert [found(everything(answer)) for answer in answers] == [[]] * len(answers)
    assert spilled(guarded, *answers) == []


@pytest.mark.parametrize(
    "tail",
    [
        f"{PROMPT} {KEY}\r\n\r\n",
        f"{PROMPT}",
        f"GET / HTTP/1.1\r\nHost: x\r\n{PROMPT}\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: x\r\nX-A: {PROMPT}",
        f"GET /{PROMPT.replace(' ', '-')}?key={KEY} HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=["line", "rest", "header", "cut-header", "address"],
)
def test_a_body_longer_than_it_says_does_not_tell_them(guarded, tail):
    """Its rest is read as the next request, and is none."""
    head = "POST /chat HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    with socket.create_connection(("127.0.0.1", guarded.port), timeout=30) as caller:
        caller.sendall((head + tail).encode())
        caller.shutdown(socket.SHUT_WR)
        answer = caller.makefile("rb").read().decode()
    assert answer.startswith("HTTP/1.1 400 ")
    assert found(answer) == []
    # the log of this connection is complete once a later one is in it
    assert spilled(guarded, guarded.chat()) == []


def test_a_caller_who_breaks_off_does_not_tell_them(guarded):
    connection = http.client.HTTPConnection("127.0.0.1", guarded.port, timeout=30)
    connection.putrequest("POST", "/chat")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", "1000")
    connection.endheaders(json.dumps({"question": PROMPT}).encode())
    connection.close()
    stream = guarded.stream(**order(fault="stall", after=1)).open()
    stream.close()
    guarded.until("chat_turns_in_flight", 0)
    assert spilled(guarded) == []


def test_an_answer_that_echoes_the_prompt_is_told_to_its_caller_alone(guarded):
    """What shows that the search finds what is there."""
    answer = guarded.chat(**order(text=PROMPT))
    assert found(answer[2]["answer"])
    assert spilled(guarded, answer) == []


def test_metrics_tell_nothing(guarded):
    assert found(guarded.get("/metrics", port=guarded.metrics_port)[2].decode()) == []


def test_the_log_is_one_of_events_even_when_debugging(guarded):
    lines = [line for line in guarded.lines if line]
    assert lines
    assert [line for line in lines if not line.startswith("{")] == []


@pytest.mark.parametrize("client", ["lean", "stock"])
def test_an_llm_that_cannot_be_reached_tells_nothing(client):
    nobody = {
        "FALLBACK_MODEL": "spare",
        "FALLBACK_BASE_URL": "http://no-such-host.invalid/v1",
    }
    with start(f"http://127.0.0.1:{free_port()}/v1", LLM_CLIENT=client, **nobody) as service:
        for route in ROUTES:
            status, headers, body = service.request("POST", route, json.dumps(order()), JSON)
            assert (status, json.loads(body)["error"]["code"]) == (502, "upstream_error")
            assert found(everything((status, headers, body))) == []
        service.signal(signal.SIGTERM)
        assert service.wait() == 0
        models = [attempt["model"] for attempt in service.turns(2)[0]["attempts"]]
        assert models == ["sim", "spare"]
        assert spilled(service) == []


@pytest.mark.parametrize(
    "settings",
    [
        {"OPENAI_BASE_URL": f"http://user:{KEY}@ho℀st/v1"},
        {"REDIS_URL": f"redis://:{REDIS_PASSWORD}/x@host:6379"},
        {"OPENAI_API_KEY": f"{KEY}\n{FALLBACK_KEY}"},
        {"PORT": KEY, "LOG_LEVEL": KEY, "CORS_ORIGINS": f"https://user:{KEY}@host"},
    ],
    ids="-".join,
)
def test_a_start_that_is_refused_tells_nothing(settings):
    with pytest.raises(RuntimeError) as refusal, Service("http://127.0.0.1:1/v1", **settings):
        pass
    said = str(refusal.value)
    assert "The service cannot start: " in said
    assert all(name in said for name in settings)
    assert found(said) == []
