"""Breaker and admission under any sequence of events, beside a model that is simple enough to be right.

Turns are real: a slot, then the guard; a crash is what closes their generator. Time passes only as a rule of its own.
"""

import math
from contextlib import closing
from dataclasses import dataclass, replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from service.chat.events import TICK, Chunk, Done, Restart
from service.errors import (
    ChatError,
    CircuitOpen,
    ContentFiltered,
    Overloaded,
    UpstreamError,
    UpstreamUnreachable,
)
from service.resilience.admission import Admission
from service.resilience.blame import Origin
from service.resilience.breaker import Alone, Breaker, Breakers
from service.resilience.guard import Route
from tests.unit.resilience.breaker_model import (
    ELSEWHERE_SECONDS,
    FAILURES,
    OPEN_SECONDS,
    PROBE_SECONDS,
    Model,
    Permit,
)
from tests.unit.resilience.fakes import PROMPT, REPORTED, FakeCall, World

SLOTS = 4
STEPS = {
    "tick": TICK,
    "text": Chunk("x"),
    "end": Chunk("x", finish_reason="stop", usage=REPORTED),
    "fail": UpstreamError(),
    "unreached": UpstreamUnreachable(),
    "filter": ContentFiltered(),
}
FAILURE_STEPS = {"fail": "failure", "unreached": "systemic"}
# another worker's probe closed it, or it is open there for so many seconds
NEWS = st.sampled_from(["closed", 0.5, OPEN_SECONDS])


@dataclass(frozen=True)
class Asked:
    """What a turn asks, and who asks it. number: a turn may make several calls."""

    number: int
    question: int
    address: str
    user: str

    @property
    def call(self):
        return FakeCall(question=self.question)

    @property
    def prompt(self):
        return replace(
            PROMPT, turn_id=f"turn-{self.number}", address=self.address, user_id=self.user
        )


ASKED = st.builds(
    Asked,
    number=st.integers(0, 5),
    question=st.integers(0, 3),
    address=st.sampled_from(["lan", "wan"]),
    user=st.sampled_from(["alice", "bob"]),
)
SOMEBODY = Asked(100, 100, "lan", "carol")


class Puppet:
    """A model's stream that says what it is ordered to, and ticks unless it is."""

    def __init__(self):
        self.orders = []
        self.sent = True

    def __next__(self):
        order = self.orders.pop(0) if self.orders else TICK
        if isinstance(order, Exception):
            raise order
        if order is None:
            raise StopIteration
        return order

    def close(self):
        pass


class Others(Alone):
    """Other workers. meanwhile: runs once, while a lease is waited for."""

    def __init__(self):
        self.told = []
        self.grants = True
        self.meanwhile = None

    def opened(self, _model, scope):
        self.told.append(("opened", scope))

    def closed(self, _model):
        self.told.append("closed")

    def free_probe(self, _model):
        self.told.append("freed")

    def lease_probe(self, _model):
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return self.grants


@dataclass
class Turn:
    """A running turn, and what it should hold."""

    events: object
    permit: Permit
    puppet: Puppet
    spoken: bool = False
    restarted: bool = False


class BreakerAndAdmission(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.world = World()
        self.clock = self.world.clock
        self.others = Others()
        self.breaker = Breaker(
            "main",
            FAILURES,
            OPEN_SECONDS,
            PROBE_SECONDS,
            self.clock,
            self.world.heard,
            self.others,
        )
        self.puppets = []
        guard = self.world.guard({"main": []}, attempts=1)
        upstream = replace(guard.routes[0].upstream, open=self._opened)
        self.guard = replace(guard, routes=(Route(upstream, Breakers(lambda _: self.breaker)),))
        self.admission = Admission(SLOTS, wait_seconds=0)
        self.model = Model()
        self.turns = []

    def _opened(self, _call, _id):
        self.puppets.append(Puppet())
        return self.puppets[-1]

    def _turn(self, asked):
        turn = self.world.turn(math.inf, prompt=asked.prompt)
        with self.admission.admit(), closing(self.guard.answer(asked.call, turn)) as events:
            yield from events

    def _origin(self, asked):
        return Origin.of(asked.call, self.world.turn(prompt=asked.prompt))

    def _hear(self, news, scope=()):
        if news == "closed":
            self.breaker.adopt_closed()
        else:
            self.breaker.adopt_open(news, scope)

    def _hear_as_a_rival_asks(self, news, asked):
        with pytest.raises(CircuitOpen):
            self.breaker.admit(self._origin(asked))
        self._hear(news)

    def _expected(self, origin, meanwhile=None):
        return self.model.admit(origin, self.clock.now, self.others.grants, meanwhile)

    @rule(asked=ASKED, steps=st.lists(st.sampled_from(sorted(STEPS)), max_size=2))
    def ask(self, asked, steps):
        """A turn that says so much at once."""
        before = len(self.turns)
        self.begin(asked)
        for step in steps:
            if len(self.turns) > before:
                self.go_on(before, step)

    @rule(asked=ASKED)
    def fail_in_a_row(self, asked):
        """What opens it, for one caller or for everybody."""
        for number in range(FAILURES):
            self.ask(replace(asked, number=10 + number, question=10 + number), ["fail"])

    @rule(asked=ASKED, news=NEWS)
    def ask_while_there_is_news(self, asked, news):
        self.others.meanwhile = lambda: self._hear_as_a_rival_asks(news, asked)
        self.begin(asked, news)
        self.others.meanwhile = None

    def begin(self, asked, meanwhile=None):
        events = self._turn(asked)
        full = len(self.turns) == SLOTS
        expected = None if full else self._expected(self._origin(asked), meanwhile)
        if full:
            with pytest.raises(Overloaded):
                next(events)
        elif isinstance(expected, Permit):
            next(events)
            self.turns.append(Turn(events, expected, self.puppets[-1]))
        else:
            with pytest.raises(CircuitOpen) as rejected:
                next(events)
            assert rejected.value.retry_after_seconds == expected

    @precondition(lambda self: self.turns)
    @rule(which=st.integers(0, SLOTS - 1), step=st.sampled_from(sorted(STEPS)))
    def go_on(self, which, step):
        turn = self.turns[which % len(self.turns)]
        turn.puppet.orders = [STEPS[step], None] if step == "end" else [STEPS[step]]
        goes_on = self._model_step(turn, step)
        assert self._real_step(turn) == goes_on
        turn.puppet = self.puppets[-1] if step in FAILURE_STEPS else turn.puppet
        if not goes_on:
            self.turns.remove(turn)

    def _real_step(self, turn):
        """Whether the turn goes on."""
        try:
            for event in turn.events:
                if isinstance(event, Done):
                    return next(turn.events, None) is not None
                if not turn.puppet.orders and not isinstance(event, Restart):
                    return True
        except ChatError:
            return False
        raise AssertionError("a turn ended without an end")

    def _model_step(self, turn, step):
        now = self.clock.now
        if step == "text":
            turn.spoken = True
            if turn.permit.probe:
                self.model.settle(turn.permit, "success", now)
        elif step == "end":
            self.model.settle(turn.permit, "success", now)
        elif step == "filter":
            self.model.settle(turn.permit, "neutral", now)
        elif step in FAILURE_STEPS:
            self.model.settle(turn.permit, FAILURE_STEPS[step], now)
            return self._model_restart(turn)
        return step in ("tick", "text")

    def _model_restart(self, turn):
        if not turn.spoken or turn.restarted:
            return False
        turn.restarted = True
        turn.permit = self._expected(turn.permit.origin)
        return isinstance(turn.permit, Permit)

    @precondition(lambda self: self.turns)
    @rule(which=st.integers(0, SLOTS - 1))
    def crash(self, which):
        turn = self.turns.pop(which % len(self.turns))
        self.model.settle(turn.permit, "neutral", self.clock.now)
        turn.events.close()

    @rule(seconds=st.sampled_from([0.4, 1, 5, OPEN_SECONDS, PROBE_SECONDS]))
    def time_passes(self, seconds):
        self.clock.sleep(seconds)

    @rule(news=NEWS, about=ASKED, elements=st.integers(0, 2))
    def elsewhere(self, news, about, elements):
        scope = self._origin(about).caller[:elements]
        self.model.hear(news, self.clock.now, scope)
        self._hear(news, scope)

    @rule(asked=ASKED)
    def ask_while_another_worker_probes(self, asked):
        self.others.grants = False
        self.begin(asked)
        self.others.grants = True
        self.begin(asked)

    @invariant()
    def states_agree(self):
        assert self.breaker.state == self.model.state
        assert self.others.told == self.model.told

    @invariant()
    def one_probe_at_most_that_is_not_overdue(self):
        probes = [
            turn.permit
            for turn in self.turns
            if turn.permit.probe and not turn.permit.settled and turn.permit.era == self.model.era
        ]
        timely = [one for one in probes if self.clock.now < one.at + PROBE_SECONDS]
        assert len(timely) <= 1
        assert all(probe is self.model.probe for probe in timely)

    def teardown(self):
        """Whatever happened: with all turns gone every slot is free, and a probe closes the breaker."""
        while self.turns:
            self.crash(0)
        self.clock.sleep(OPEN_SECONDS + ELSEWHERE_SECONDS)
        if self.model.state != "closed":
            held = (*self.model.scope, *self._origin(SOMEBODY).caller[len(self.model.scope) :])
            permit = self.breaker.admit(replace(self._origin(SOMEBODY), caller=held))
            assert permit.probe
            permit.settle("success")
        assert self.breaker.state == "closed"
        self.model.become("closed")
        for _ in range(SLOTS):
            self.begin(SOMEBODY)
        with pytest.raises(Overloaded):
            next(self._turn(SOMEBODY))


BreakerAndAdmission.TestCase.settings = settings(
    max_examples=settings.default.max_examples, stateful_step_count=50, deadline=None
)
TestBreakerAndAdmission = BreakerAndAdmission.TestCase
