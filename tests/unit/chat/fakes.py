"""Stand-ins for a turn's neighbours. What they live through goes into one journal, in order."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from service.chat.attempt import Attempt
from service.chat.events import TICK, Done, Token, Usage
from service.chat.prompt import Defaults
from service.chat.request import Limits, parse
from service.chat.turn import Turns

DONE = Done("stop", "small", Usage(1, 2, "reported"), 0.5)


class Clock:
    """Moves only when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Account:
    """refusals: what begin() and hold() raise."""

    def __init__(self) -> None:
        self.refusals = {}
        self.attempts: list[Attempt] = []
        self.ending = self.error = None

    def begin(self, _prompt):
        if "begin" in self.refusals:
            raise self.refusals["begin"]

    @contextlib.contextmanager
    def hold(self, _call):
        if "hold" in self.refusals:
            raise self.refusals["hold"]
        yield

    def attempt(self, attempt):
        self.attempts.append(attempt)

    def end(self, ending, error):
        if self.ending is None:
            self.ending, self.error = ending, error


class Caller:
    """body: bytes, or what reading it raises. leaves_at: gone from this look on."""

    route = "/chat"
    request_id = "request-7"
    address = "192.0.2.7"
    user_id = None
    session_id = None
    key = "team-a"
    key_user = None

    def __init__(self, body=b'{"question": "why?"}') -> None:
        self.body = body
        self.looks = 0
        self.leaves_at = float("inf")
        self.account = Account()

    def open_account(self, _turn_id):
        return self.account

    def read(self) -> bytes:
        if isinstance(self.body, BaseException):
            raise self.body
        return self.body

    takes_back = True

    def parse(self, body, limits):
        return parse(body, limits)

    def begun(self, turn):
        self.turn = turn

    def gone(self) -> bool:
        self.looks += 1
        return self.looks >= self.leaves_at


class Record:
    def __init__(self, journal: list[str]) -> None:
        self.journal = journal
        self.model = None
        self.waits: list[float] = []
        self.texts_at: list[float] = []
        self.thoughts_at: list[float] = []
        self.restarts = 0
        self.attempts: list[Attempt] = []
        self.bugs = []
        self.ending = self.error = self.done = None

    def asked(self, prompt):
        self.model = prompt.model

    def waited(self, seconds):
        self.waits.append(seconds)

    def text(self, now):
        self.texts_at.append(now)

    def thinking(self, now):
        self.thoughts_at.append(now)

    def attempt(self, attempt):
        self.journal.append("attempt reported")
        self.attempts.append(attempt)

    def restarted(self):
        self.restarts += 1

    def bug(self, trace):
        self.bugs.append(trace)

    def end(self, ending, *, error=None, done=None):
        if self.ending is None:
            self.journal.append(f"ended {ending}")
            self.ending, self.error, self.done = ending, error, done


class Guard:
    """Plays a script of events, errors to raise, and numbers: seconds that pass."""

    def __init__(self, script, journal, clock) -> None:
        self.script = script
        self.journal = journal
        self.clock = clock
        self.prompt = None

    def answer(self, turn):
        self.prompt = turn.prompt
        self.turn = turn
        self.journal.append("upstream opened")
        try:
            for step in self.script:
                if isinstance(step, BaseException):
                    raise step
                if isinstance(step, float):
                    self.clock.now += step
                else:
                    yield step
        finally:
            self.journal.append("upstream closed")
            turn.report(Attempt("small", self.clock()))


@dataclass
class Stage:
    """A turn among fakes. admission: what asking for a slot raises, if anything."""

    script: list = field(default_factory=lambda: [Token("a"), TICK, Token("b"), DONE])
    caller: Caller = field(default_factory=Caller)
    admission: BaseException | None = None
    drains_at: float = float("inf")

    def __post_init__(self) -> None:
        self.journal: list[str] = []
        self.clock = Clock()
        self.record = Record(self.journal)
        self.guard = Guard(self.script, self.journal, self.clock)

    @contextlib.contextmanager
    def admit(self) -> Iterator[None]:
        if self.admission is not None:
            raise self.admission
        self.journal.append("slot taken")
        try:
            yield
        finally:
            self.journal.append("slot freed")

    def begin(self, _caller, _turn_id) -> Record:
        self.journal.append("begun")
        return self.record

    def run(self):
        turns = Turns(
            limits=Limits(("small", "large"), ("chat",), True, 100, 100, 10, 100, 100),  # noqa: FBT003
            defaults=Defaults("small", "be kind", 0.2, 100),
            admit=self.admit,
            answer=self.guard.answer,
            begin=self.begin,
            drained=lambda: self.clock() >= self.drains_at,
            clock=self.clock,
            look_seconds=0.25,
            turn_seconds=120,
            most_calls=20,
        )
        return turns.run(self.caller)


def body(**fields) -> bytes:
    return json.dumps({"question": "why?", **fields}).encode()
