"""A key is given wherever a caller could put one: no part of it longer than its prefix is anywhere afterwards."""

import json
import os
import signal
import socket
import sqlite3
import time
from contextlib import closing, suppress

import pytest

from service.access import registry
from service.access.database import Database, database_url
from service.access.keys import Key
from service.access.migrate import migrate
from service.access.secret import PREFIX, digest, is_well_formed
from tests.support.access_store import FILE
from tests.support.nginx import Nginx
from tests.support.service import SHIPPED_CHAIN, Service
from tests.support.simulator import directive

# any four of its characters are found nowhere by chance: a capital, a digit and a small letter that is no hex digit
KEY = "csk_R7uR5xM2vC5kX7nS8gW6sD7gN2hN5hP2pL9uF2qA3gLb5qQ64"
WRONG = KEY[:-1] + "5"
PART = len(PREFIX) + 1
SECRET = KEY[len(PREFIX) :]
PARTS = {SECRET[at : at + PART] for at in range(len(SECRET) - PART + 1)}
JSON = {"Content-Type": "application/json"}
BEARER = JSON | {"Authorization": f"Bearer {KEY}"}
# fmt: off
HEADERS = [
    "X-Request-ID", "X-User-ID", "X-Session-ID", "User-Agent", "Referer", "Cookie", "Origin", "X-Forwarded-For",
    "X-Real-IP", "Forwarded", "Traceparent", "Tracestate", "Baggage", "Accept", "Accept-Language", "Accept-Encoding",
    "If-None-Match", "Range", "Idempotency-Key", "X-Api-Key", "Api-Key", "X-Hold-Answer", "X-Chat-Events",
    "Last-Event-ID", "Proxy-Authorization", "OpenAI-Organization", "OpenAI-Project", "Host", "Content-Type", "Expect",
    "Upgrade",
]
# fmt: on
AUTHORIZATIONS = [
    KEY,
    f"bearer {KEY}",
    f"Basic {KEY}",
    f"Token {KEY}",
    f"Bearer {KEY} {KEY}",
    f"Bearer {KEY},",
    f"Bearer {WRONG}",
    f"Bearer {KEY[:-8]}",
    f"Bearer x{KEY}",
]  # fmt: skip
ADDRESSES = [
    *(f"{path}?key={KEY}" for path in ("/chat", "/chat/stream", "/usage", "/health", "/nowhere")),
    *(f"{path}/{KEY}" for path in ("", "/chat", "/v1/models", "/static", "/openapi.json")),
    f"/{KEY.replace('_', '%5F')}",
    f"/v1/chat/completions?api_key={KEY}&{KEY}",
    f"//{KEY}/..;/{KEY}",
    f"/{'x' * 300}/{KEY}",
    f"/{KEY * 400}",
]
CHAT = [
    {"question": KEY},
    {"question": "hi", "model": KEY},
    {"question": "hi", "chain": KEY},
    {"question": "hi", KEY: KEY},
    {"question": {KEY: KEY}},
    {"question": "hi", "system": KEY, "history": [{"role": KEY, "content": KEY}]},
    *({"question": f"{KEY} {directive(fault='status', status=each)}"} for each in (400, 401, 500)),
    {"question": f"{KEY} {directive(fault='malformed')}"},
    # what a chain raises may quote all that it was asked
    {"question": f"{KEY} raise"},
]
COMPLETIONS = [
    {field: KEY}
    for field in (
        "model",
        "user",
        "metadata",
        "service_tier",
        "tools",
        "n",
        KEY,
        "safety_identifier",
    )
]
HEADS = [
    f"POST /chat HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n {KEY}\r\n\r\n",
    f"POST /chat HTTP/1.1\r\nHost: x\r\n{KEY}\r\n\r\n",
    f"{KEY} /chat HTTP/1.1\r\nHost: x\r\n\r\n",
    f"POST /chat {KEY}\r\nHost: x\r\n\r\n",
    f"POST /chat HTTP/1.1\r\nHost: x\r\nContent-Length: {KEY}\r\n\r\n",
    f"POST /chat HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: {KEY}\r\n\r\n",
    f"POST /chat HTTP/1.1\r\nHost: x\r\nX-A: {KEY * 400}\r\n\r\n",
]
RAISING = (
    SHIPPED_CHAIN.read_text()
    + """
from langchain_core.runnables import RunnableLambda


def checked(asked):
    if asked["question"].endswith("raise"):
        raise RuntimeError(f"cannot do {asked}")
    return asked


CHAINS = {"chat": lambda model: RunnableLambda(checked) | PROMPT | model}
"""
)


def found(text):
    return sorted(part for part in PARTS if part in text)


def everything(answer):
    status, headers, body = answer
    return f"{status} {headers} {body.decode(errors='replace')}"


class Kept:
    """What is left of requests: in the logs, the metrics, the files of both processes, and at the model's side."""

    def __init__(self, service, nginx, simulator, store):
        self.service, self.nginx, self._simulator, self._store = service, nginx, simulator, store
        self.doors = (service.port, nginx.port)

    def ask(self, method, path, body=None, headers=None):
        """Through both doors."""
        content = body if body is None or isinstance(body, str) else json.dumps(body)
        return [
            self.service.request(method, path, content, headers or BEARER, port)
            for port in self.doors
        ]

    def places(self):
        """Names of the places where a part of the key is."""
        read = {
            "the service's log": "\n".join(self.service.lines),
            "nginx's log": json.dumps(self.nginx.lines) + "\n".join(self.nginx.errors),
            "the metrics": str(self.service.get("/metrics", port=self.service.metrics_port)),
            "what the model's side was sent": json.dumps(
                [each["headers"] for each in self._simulator.requests()]
            ),
        }
        for folder in (self.service.directory, self.nginx.directory, self._store):
            for path in folder.rglob("*"):
                # it may be gone the next moment
                with suppress(FileNotFoundError, IsADirectoryError):
                    read[str(path)] = path.read_bytes().decode("latin-1")
        return {place: parts for place, text in read.items() if (parts := found(text))}

    def settle(self):
        """Waits until the logs and the ledger have what was asked."""
        self.service.until("chat_turns_in_flight", 0)
        self.service.until("chat_ledger_waiting", 0)
        last = self.service.request("GET", "/nowhere", port=self.nginx.port)[1]["x-request-id"]
        self.nginx.line(last)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    address = f"sqlite:///{folder}/{FILE}"
    migrate(database_url(address))
    database = Database(database_url(address))
    with database.writing(background=True) as connection:
        assert registry.create(connection, Key("team-a"), digest(KEY), 0)
    database.forget()
    return folder


@pytest.fixture(scope="module")
def kept(store, _simulator):
    settings = {"LOG_LEVEL": "DEBUG", "RETRY_ATTEMPTS": 1, "BREAKER_FAILURES": 1_000_000}
    address = f"sqlite:///{store / FILE}"
    with (
        Service(
            _simulator.base_url, chain=RAISING, DATABASE_URL=address, DATA_DIR=store, **settings
        ) as service,
        Nginx(f"127.0.0.1:{service.port}", CLIENT_REQUESTS_PER_SECOND=10_000) as nginx,
    ):
        yield Kept(service, nginx, _simulator, store)


def test_the_key_works_and_the_search_finds_it_where_it_is(kept):
    answer = kept.service.request(
        "POST", "/chat", json.dumps({"question": directive(text=KEY)}), BEARER
    )
    assert is_well_formed(KEY)
    assert answer[0] == 200
    assert found(everything(answer))
    kept.settle()
    assert kept.places() == {}


ASKED = {
    "authorization": [
        ("POST", "/chat", CHAT[1], JSON | {"Authorization": given}) for given in AUTHORIZATIONS
    ],
    "header": [("POST", "/chat", {"question": "hi"}, BEARER | {name: KEY}) for name in HEADERS],
    "address": [
        (method, path, CHAT[0], BEARER)
        for path in ADDRESSES
        for method in ("GET", "POST", "OPTIONS")
    ],
    "body": [("POST", path, body, BEARER) for path in ("/chat", "/chat/stream") for body in CHAT],
    "completion": [
        (
            "POST",
            "/v1/chat/completions",
            {"messages": [{"role": "user", "content": KEY}], **more},
            BEARER,
        )
        for more in COMPLETIONS
    ],
}


@pytest.mark.parametrize("where", ASKED)
def test_no_answer_log_metric_file_or_model_sees_it(kept, where):
    answers = [answer for asked in ASKED[where] for answer in kept.ask(*asked)]
    assert [found(everything(answer)) for answer in answers] == [[]] * len(answers)
    kept.settle()
    assert kept.places() == {}


def test_a_head_that_is_none_does_not_tell_it(kept):
    for port in kept.doors:
        for head in HEADS:
            with socket.create_connection(("127.0.0.1", port), timeout=30) as caller:
                caller.sendall(head.encode())
                caller.shutdown(socket.SHUT_WR)
                assert found(caller.makefile("rb").read().decode("latin-1")) == []
    kept.settle()
    assert kept.places() == {}


def test_rows_that_wait_on_the_disk_do_not_tell_it(kept, store):
    with closing(sqlite3.connect(store / FILE, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        answers = kept.ask("POST", "/chat", {"question": "hi"}, BEARER | {"X-User-ID": KEY})
        assert [status for status, _, _ in answers] == [200, 200]
        kept.service.until("chat_ledger_waiting", 2)
        until = time.monotonic() + 15
        while not list(store.glob("*.rows")):
            assert time.monotonic() < until
            time.sleep(0.05)
        assert kept.places() == {}
        holder.execute("ROLLBACK")
    kept.settle()


def test_a_worker_that_crashes_does_not_tell_it(kept):
    stream = kept.service.stream(directive(tokens=4000, gap=0.1), headers=BEARER).open()
    os.kill(kept.service.workers()[0], signal.SIGSEGV)
    kept.service.until("chat_worker_exits_total", 1, timeout=30)
    stream.close()
    kept.service.wait_ready()
    assert kept.places() == {}
