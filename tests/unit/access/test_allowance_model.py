"""Any sequence of questions, answers, waits and changed limits is decided as the plain reference decides it."""

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from service.access.allowance import (
    UNIT,
    Amount,
    Limits,
    Refusal,
    State,
    admit,
    amount_of,
    at,
    clamp,
    request_meter,
    settle,
    token_meter,
    top_up,
)
from service.access.periods import Calendar
from tests.unit.access.allowance_model import MINUTE_US, Reference

SEOUL = Calendar("Asia/Seoul")
START_US = 1_793_631_600_000_000  # the last minutes of a month in Seoul
LIMITS = st.builds(
    Limits,
    requests_per_minute=st.none() | st.integers(1, 7),
    tokens_per_minute=st.none() | st.integers(1, 1000),
    open_answers=st.none() | st.integers(0, 3),
    budget_day=st.none() | st.integers(0, 1000),
    budget_month=st.none() | st.integers(0, 3000),
)
COST = st.integers(0, 300)
TOKENS = st.integers(0, 500)


class Allowance(RuleBasedStateMachine):
    turns = Bundle("turns")

    @initialize(limits=LIMITS)
    def begin(self, limits):
        self.limits, self.state, self.reference = limits, State(), Reference(limits)
        self.now, self.count, self.admitted = START_US, 0, []

    @property
    def moment(self):
        return SEOUL.moment(self.now)

    @rule(microseconds=st.integers(0, 3 * MINUTE_US) | st.just(6 * 3600 * 1_000_000))
    def wait(self, microseconds):
        self.now += microseconds

    @rule(microseconds=st.integers(1, MINUTE_US))
    def a_clock_that_is_behind_gains_nothing(self, microseconds):
        behind = SEOUL.moment(self.now - microseconds)
        state = at(self.state, self.limits, self.moment)
        assert at(state, self.limits, behind) == state

    @rule(target=turns, input_tokens=TOKENS, output_tokens=TOKENS, cost=COST)
    def ask(self, input_tokens, output_tokens, cost):
        amount = amount_of(input_tokens, output_tokens, cost, [self.limits])
        if isinstance(amount, Refusal):
            assert input_tokens > self.limits.tokens_per_minute
            assert amount.wait_us is None
            return multiple()
        expected = self.reference.refused(self.now, self.moment.day, amount)
        answer = admit(self.state, self.limits, self.moment, amount)
        if isinstance(answer, Refusal):
            assert answer.limit in expected
            self.check_wait(answer, amount)
            return multiple()
        assert not expected
        self.state = answer
        self.count += 1
        self.admitted.append(self.now)
        self.reference.begin(self.count, self.now, amount)
        return self.count

    def check_wait(self, refusal, amount):
        """Just before it is over the answer is the same, and after it this limit is in the way no more."""
        early = SEOUL.moment(self.now + refusal.wait_us - 1)
        assert isinstance(admit(self.state, self.limits, early, amount), Refusal)
        if refusal.limit.endswith("per_minute"):
            late = SEOUL.moment(self.now + refusal.wait_us)
            again = admit(self.state, self.limits, late, amount)
            assert isinstance(again, State) or again.limit != refusal.limit
        if refusal.spent:
            period = len("2026-11" if refusal.limit == "budget_month" else "2026-11-01")
            late = SEOUL.moment(self.now + refusal.wait_us)
            assert late.day[:period] > self.moment.day[:period]

    @rule(turn=turns, tokens=TOKENS, cost=COST)
    def call_a_model_again(self, turn, tokens, cost):
        if turn not in self.reference.held:
            return
        more = Amount(tokens, cost)
        expected = set(self.reference.over_budget(self.moment.day, cost))
        answer = top_up(self.state, self.limits, self.moment, more)
        if isinstance(answer, Refusal):
            assert answer.limit in expected
        else:
            assert not expected
            self.state = answer
            self.reference.top_up(turn, self.now, more)

    @rule(turn=consumes(turns), tokens=TOKENS, share=st.integers(0, 100))
    def answer(self, turn, tokens, share):
        held = self.reference.held[turn]
        spent = Amount(tokens, held.cost * share // 100)
        day = self.moment.day
        self.state = settle(self.state, self.limits, self.moment, held, spent, day)
        self.reference.end(turn, self.now, day, spent)

    @rule(cost=COST)
    def an_answer_arrives_late(self, cost):
        """Its lease was swept: it is counted all the same, unless its month is over."""
        spent = Amount(100, cost)
        self.state = settle(self.state, self.limits, self.moment, None, spent, "2026-09-30")
        self.state = settle(self.state, self.limits, self.moment, None, spent, self.moment.day)
        self.reference.paid.append((self.moment.day, cost))

    @rule(limits=LIMITS)
    def change_limits(self, limits):
        now = at(self.state, self.limits, self.moment)
        self.state = clamp(now, limits)
        self.reference.change(self.now, limits)
        self.limits = limits
        self.admitted.clear()

    @rule(name=st.sampled_from(["requests_per_minute", "tokens_per_minute"]))
    def lift_a_limit(self, name):
        self.change_limits(replace(self.limits, **{name: None}))

    @invariant()
    def nothing_is_lost(self):
        state = at(self.state, self.limits, self.moment)
        assert state.open_answers == len(self.reference.held)
        assert state.reserved == sum(held.cost for held in self.reference.held.values())
        assert state.spent_day == self.reference.spent(self.moment.day)
        assert state.spent_month == self.reference.spent(self.moment.month)

    @invariant()
    def no_more_than_the_rate_and_one_burst_are_admitted(self):
        limit = self.limits.requests_per_minute
        for first, began in enumerate(self.admitted if limit else []):
            in_between = len(self.admitted) - first
            assert in_between <= limit + limit * (self.now - began) / MINUTE_US

    @invariant()
    def the_caller_sees_what_is_left(self):
        state = at(self.state, self.limits, self.moment)
        for used, limit, meter in (
            (state.requests, self.limits.requests_per_minute, request_meter(state, self.limits)),
            (state.tokens, self.limits.tokens_per_minute, token_meter(state, self.limits)),
        ):
            assert (meter is None) == (limit is None)
            if meter:
                assert meter.limit == limit
                assert meter.remaining == max(0, limit * UNIT - used) // UNIT
                full = at(state, self.limits, SEOUL.moment(self.now + meter.full_after_us))
                left = full.requests if limit == self.limits.requests_per_minute else full.tokens
                assert used == 0 or left < used


TestAllowance = Allowance.TestCase
TestAllowance.settings = settings(max_examples=300, stateful_step_count=40)
