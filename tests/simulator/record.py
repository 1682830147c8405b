"""What the upstream saw: counters in all and by model, and a record of each request."""

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

KEPT_REQUESTS = 5000
KEPT_BODY_BYTES = 32 * 1024 * 1024


@dataclass(slots=True)
class Tally:
    """`open` and the endings add up to `requests`; tokens in usage count when it was sent."""

    requests: int = 0
    streams: int = 0
    open: int = 0
    completed: int = 0
    refused: int = 0
    failed: int = 0
    truncated: int = 0
    cut: int = 0
    reset: int = 0
    aborted: int = 0
    tokens_written: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


@dataclass(slots=True)
class Arrival:
    """What a request said, as far as it was understood."""

    path: str
    headers: Mapping[str, str]
    raw_body: bytes | None = b""
    model: str = ""
    stream: bool = False
    fault: str = "none"


@dataclass(slots=True)
class RequestRecord:
    """One request and what became of it; closes once."""

    number: int
    arrival: Arrival
    connection: int
    tallies: tuple[Tally, ...]
    arrived_at: float = field(default_factory=time.time)
    started: float = field(default_factory=time.monotonic)
    status: int = 200
    tokens_written: int = 0
    usage: Mapping[str, object] | None = None
    ending: str = "open"
    seconds: float | None = None

    def add_tokens(self, count: int) -> None:
        self.tokens_written += count
        for tally in self.tallies:
            tally.tokens_written += count

    def close(self, ending: str) -> None:
        if self.ending != "open":
            return
        if ending != "completed":
            self.usage = None  # it never reached the client
        self.ending = ending
        self.seconds = time.monotonic() - self.started
        for tally in self.tallies:
            self._count_ending(tally)

    def _count_ending(self, tally: Tally) -> None:
        tally.open -= 1
        setattr(tally, self.ending, getattr(tally, self.ending) + 1)
        if self.usage is not None:
            tally.input_tokens += int(str(self.usage["prompt_tokens"]))
            tally.output_tokens += int(str(self.usage["completion_tokens"]))


class Record:
    def __init__(self) -> None:
        self._connections = 0
        self.reset()

    def reset(self) -> None:
        """Requests that still run end in the old counters, which nobody sees any more."""
        self.total = Tally()
        self.by_model: dict[str, Tally] = {}
        self.connections_accepted = 0
        self._connections_before_reset = self._connections
        self.requests: deque[RequestRecord] = deque(maxlen=KEPT_REQUESTS)
        self._met: dict[str, int] = {}
        self._body_bytes = 0
        self._with_body: deque[Arrival] = deque()

    def open(self, arrival: Arrival, connection: int) -> RequestRecord:
        tallies = (self.total, self.by_model.setdefault(arrival.model, Tally()))
        for tally in tallies:
            tally.requests += 1
            tally.streams += arrival.stream
            tally.open += 1
        record = RequestRecord(self.total.requests, arrival, connection, tallies)
        self.requests.append(record)
        self._keep_body(arrival)
        return record

    def count_connection(self) -> int:
        """The new connection's number, which no reset gives again."""
        self._connections += 1
        self.connections_accepted += 1
        return self._connections

    def leave_out_connection(self, number: int) -> None:
        if number > self._connections_before_reset:
            self.connections_accepted -= 1

    def meets_fault(self, key: str, times: int) -> bool:
        """True for the first so many calls with this key."""
        met = self._met.get(key, 0)
        self._met[key] = met + 1
        return met < times

    def _keep_body(self, arrival: Arrival) -> None:
        self._with_body.append(arrival)
        self._body_bytes += len(arrival.raw_body or b"")
        while self._body_bytes > KEPT_BODY_BYTES or len(self._with_body) > KEPT_REQUESTS:
            oldest = self._with_body.popleft()
            self._body_bytes -= len(oldest.raw_body or b"")
            oldest.raw_body = None

    def counters(self, model: str | None = None) -> dict[str, int]:
        return asdict(self.tally(model))

    def tally(self, model: str | None = None) -> Tally:
        return self.total if model is None else self.by_model.get(model, Tally())
