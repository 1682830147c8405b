"""The simulator's own endpoints, under /simulator/: what it saw, and what it is to do."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping

from tests.simulator.behaviour import DirectiveError, check_default
from tests.simulator.chat import Chat
from tests.simulator.connection import Connection
from tests.simulator.http_request import Request
from tests.simulator.loop import Loop
from tests.simulator.record import Record, RequestRecord
from tests.simulator.refusals import error_body

_SHOWN_HEADERS = ("x-request-id", "user-agent", "content-type", "accept", "host")
_DEFAULT_WAIT_SECONDS = 10.0
_HASH_CHARS = 16
_CONNECTION_COUNTERS = ("connections_accepted", "connections_open")


class Control:
    def __init__(
        self,
        loop: Loop,
        record: Record,
        chat: Chat,
        connections_open: Callable[[], int],
        respond: Callable[[Connection, Request, int, object], None],
    ) -> None:
        self._loop = loop
        self._record = record
        self._chat = chat
        self._connections_open = connections_open
        self._send = respond
        self._waiters: list[Waiter] = []

    def handle(self, connection: Connection, request: Request) -> None:
        match request.method, request.path:
            case "GET", "/simulator/stats":
                self._send(connection, request, 200, self.stats())
            case "GET", "/simulator/requests":
                listed = [describe(record) for record in self._record.requests]
                self._send(connection, request, 200, {"requests": listed})
            case "POST", "/simulator/reset":
                self.reset()
                self._send(connection, request, 200, self.stats())
            case "PUT", "/simulator/default":
                self._put_default(connection, request)
            case "GET", "/simulator/wait":
                self._wait(connection, request)
            case _:
                self._send(connection, request, 404, _bad("no such endpoint"))

    def stats(self, model: str | None = None) -> dict[str, object]:
        counters: dict[str, object] = dict(self._record.counters(model))
        if model is None:
            for name in _CONNECTION_COUNTERS:
                counters[name] = self.counter(name)
            counters["by_model"] = {m: self._record.counters(m) for m in self._record.by_model}
        return counters

    def counter(self, name: str, model: str | None = None) -> int:
        """One of the stats without the cost of the others: a waiter asks in every round."""
        match name:
            case "connections_accepted":
                return self._record.connections_accepted
            case "connections_open":
                return self._connections_open()
        return int(getattr(self._record.tally(model), name))

    def reset(self) -> None:
        self._record.reset()
        self._chat.default_directive = ""

    def check_waiters(self) -> None:
        """Answers those whose counters have been reached; to be called after every round."""
        if self._waiters:
            for waiter in [w for w in self._waiters if w.is_reached()]:
                self.answer_waiter(waiter, reached=True)

    def answer_waiter(self, waiter: "Waiter", *, reached: bool) -> None:
        self._waiters.remove(waiter)
        body = {"reached": reached, "stats": self.stats(waiter.model)}
        self._send(waiter.connection, waiter.request, 200, body)

    def forget_waiter(self, waiter: "Waiter") -> None:
        self._waiters.remove(waiter)

    def _put_default(self, connection: Connection, request: Request) -> None:
        text = request.body.decode(errors="replace").strip()
        try:
            check_default(text)
        except DirectiveError as error:
            self._send(connection, request, 400, _bad(str(error)))
            return
        self._chat.default_directive = text
        self._send(connection, request, 200, {"default": text})

    def _wait(self, connection: Connection, request: Request) -> None:
        query = dict(request.query)
        model = query.pop("model", None)
        try:
            seconds = float(query.pop("timeout", _DEFAULT_WAIT_SECONDS))
            wanted = {name: int(value) for name, value in query.items()}
        except ValueError:
            self._send(connection, request, 400, _bad("counters and timeout are numbers"))
            return
        known = self.stats(model)
        unknown = [n for n in wanted if not isinstance(known.get(n.removesuffix("_max")), int)]
        if unknown:
            self._send(connection, request, 400, _bad(f"no such counter: {', '.join(unknown)}"))
            return
        waiter = Waiter(self, connection, request, model, wanted)
        connection.exchange = waiter
        self._waiters.append(waiter)
        self._loop.call_at(time.monotonic() + max(0.0, seconds), waiter)


class Waiter:
    """A request that is answered when counters reach what it asks for, or at its timeout."""

    def __init__(
        self,
        control: Control,
        connection: Connection,
        request: Request,
        model: str | None,
        wanted: Mapping[str, int],
    ) -> None:
        self.timer = 0
        self.connection = connection
        self.request = request
        self.model = model
        self._control = control
        self._wanted = wanted

    def is_reached(self) -> bool:
        return all(self._is_reached(name, number) for name, number in self._wanted.items())

    def _is_reached(self, name: str, number: int) -> bool:
        counter = self._control.counter(name.removesuffix("_max"), self.model)
        return counter <= number if name.endswith("_max") else counter >= number

    def on_time(self, _now: float) -> None:
        if self.connection.exchange is self:
            self._control.answer_waiter(self, reached=False)

    def on_writable(self) -> None:
        """Nothing is sent while waiting."""

    def abandon(self) -> None:
        self._control.forget_waiter(self)


def describe(record: RequestRecord) -> dict[str, object]:
    """A request as /simulator/requests shows it; of a key only a hash, to compare with."""
    arrival = record.arrival
    ended_at = None if record.seconds is None else record.arrived_at + record.seconds
    return {
        "n": record.number,
        "model": arrival.model,
        "path": arrival.path,
        "stream": arrival.stream,
        "fault": arrival.fault,
        "body": _body(arrival.raw_body),
        "headers": {n: v for n, v in arrival.headers.items() if n in _SHOWN_HEADERS},
        "authorization_sha256": _hashed(arrival.headers.get("authorization")),
        "connection": record.connection,
        "status": record.status,
        "arrived_at": record.arrived_at,
        "tokens_written": record.tokens_written,
        "usage": record.usage if record.ending != "open" else None,
        "ending": record.ending,
        "aborted_at": ended_at if record.ending == "aborted" else None,
        "seconds": record.seconds,
    }


def _body(raw: bytes | None) -> object:
    try:
        return json.loads(raw) if raw is not None else None
    except ValueError:
        return None


def _hashed(authorization: str | None) -> str | None:
    if authorization is None:
        return None
    return hashlib.sha256(authorization.encode("latin-1")).hexdigest()[:_HASH_CHARS]


def _bad(message: str) -> dict[str, object]:
    return error_body(message, error_type="invalid_request_error")
