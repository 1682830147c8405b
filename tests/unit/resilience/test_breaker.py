"""Every transition of the breaker, by the outcomes of the calls it admits.

Time is the fake clock's alone: pybreaker's own open period, by the wall clock, never passes here.
"""

import pytest

from service.errors import CircuitOpen
from service.resilience.breaker import Alone, Breaker
from tests.unit.resilience.fakes import PROBE_SECONDS, Clock, Heard, origin

OPEN_SECONDS = 15


class Others(Alone):
    """Other workers. asked: runs while the lease of a probe is waited for."""

    def __init__(self):
        self.told = []
        self.scopes = []
        self.leases = True
        self.asked = lambda: None

    def opened(self, model, scope):
        self.told.append(("opened", model))
        self.scopes.append(scope)

    def closed(self, model):
        self.told.append(("closed", model))

    def lease_probe(self, _model):
        self.asked()
        return self.leases

    def free_probe(self, model):
        self.told.append(("freed", model))


class Bench:
    """A breaker of three failures with its surroundings."""

    def __init__(self, failures=3):
        self.clock = Clock()
        self.heard = Heard()
        self.others = Others()
        self.breaker = Breaker(
            "main", failures, OPEN_SECONDS, PROBE_SECONDS, self.clock, self.heard, self.others
        )

    def settle(self, *outcomes, by=()):
        for outcome in outcomes:
            self.breaker.admit(origin(*by)).settle(outcome)

    def open(self):
        self.settle("failure", "failure", "failure")
        return self

    def half_open(self):
        """Its probe."""
        self.open()
        self.clock.sleep(OPEN_SECONDS)
        return self.breaker.admit(origin())

    def rejected(self, *caller):
        """The Retry-After of a rejection; None if there is none."""
        try:
            self.breaker.admit(origin(*caller)).settle("neutral")
        except CircuitOpen as rejection:
            return rejection.retry_after_seconds
        return None

    @property
    def state(self):
        return self.breaker.state

    @property
    def states(self):
        return [state for _, state in self.heard.states]


@pytest.fixture
def bench():
    return Bench()


def test_it_is_closed_at_first_and_says_so(bench):
    assert (bench.state, bench.states) == ("closed", ["closed"])


def test_consecutive_failures_open_it(bench):
    bench.settle("failure", "failure")
    assert bench.state == "closed"
    bench.settle("failure")
    assert (bench.state, bench.rejected()) == ("open", OPEN_SECONDS)
    assert bench.others.told == [("opened", "main")]


def test_a_success_in_between_starts_the_count_anew(bench):
    bench.settle("failure", "failure", "success", "failure", "failure")
    assert bench.state == "closed"
    assert bench.others.told == []
    bench.settle("failure")
    assert bench.state == "open"


def test_neutral_outcomes_are_as_if_they_were_not_there(bench):
    bench.settle("failure", "failure", "neutral", "neutral", "failure")
    assert bench.state == "open"


def test_neutral_outcomes_alone_never_open_it(bench):
    bench.settle(*["neutral"] * 50)
    assert bench.state == "closed"


def test_a_rejection_says_when_to_come_back(bench):
    bench.open()
    found = []
    for _ in range(3):
        found.append(bench.rejected())
        bench.clock.sleep(7.4)
    assert found == [15, 8, 1]
    assert bench.rejected() is None


def test_the_first_content_of_a_probe_closes_it(bench):
    probe = bench.half_open()
    assert bench.state == "half-open"
    probe.content()
    assert bench.state == "closed"
    assert bench.others.told == [("opened", "main"), ("closed", "main")]
    probe.settle("failure")  # cut later on: an outcome of an earlier state
    assert bench.state == "closed"
    bench.settle("failure", "failure")
    assert bench.state == "closed"


def test_the_first_content_of_another_call_says_nothing(bench):
    bench.settle("failure", "failure")
    permit = bench.breaker.admit(origin())
    permit.content()
    permit.settle("failure")
    assert bench.state == "open"


def test_a_whole_answer_without_text_closes_it_too(bench):
    bench.half_open().settle("success")
    assert bench.state == "closed"


def test_a_failed_probe_opens_it_for_another_period(bench):
    bench.half_open().settle("failure")
    assert (bench.state, bench.rejected()) == ("open", OPEN_SECONDS)
    assert bench.others.told == [("opened", "main")] * 2
    assert bench.states == ["closed", "open", "half-open", "open"]


def test_a_neutral_probe_frees_its_place_for_the_next(bench):
    probe = bench.half_open()
    assert bench.rejected() == 1
    probe.settle("neutral")
    assert bench.others.told[1:] == [("freed", "main")]
    again = bench.breaker.admit(origin())
    assert again.probe
    assert bench.rejected() == 1
    probe.settle("success")  # settled already
    assert bench.state == "half-open"
    again.content()
    assert bench.states == ["closed", "open", "half-open", "closed"]


def test_one_of_many_at_the_end_of_the_open_period_is_let_in(bench):
    bench.open().clock.sleep(OPEN_SECONDS)
    assert bench.breaker.admit(origin()).probe
    assert [bench.rejected() for _ in range(29)] == [1] * 29


@pytest.mark.parametrize("outcome", ["success", "failure", "neutral"])
@pytest.mark.parametrize("later", ["open", "half-open", "closed"])
def test_an_outcome_of_an_earlier_state_changes_nothing(bench, outcome, later):
    stale = [bench.breaker.admit(origin()) for _ in range(5)]
    if later == "open":
        bench.open()
    else:
        probe = bench.half_open()
        if later == "closed":
            probe.content()
    for permit in stale:
        permit.settle(outcome)
    assert bench.state == later
    if later == "half-open":
        assert bench.rejected() == 1
        probe.content()
    if later != "open":
        bench.settle("failure", "failure")
        assert bench.state == "closed"


def test_the_first_outcome_of_a_permit_counts(bench):
    permit = bench.breaker.admit(origin())
    for _ in range(5):
        permit.settle("failure")
    assert bench.state == "closed"


# which failures count, and against whom

ALICE, BOB = ("lan", "alice"), ("lan", "bob")
ELSEWHERE = ("wan", "alice")


def fail(bench, outcome="failure", **about):
    bench.breaker.admit(origin(**about)).settle(outcome)


@pytest.mark.parametrize("outcome", ["failure", "systemic"])
def test_the_attempts_of_one_turn_count_once(bench, outcome):
    for question in range(50):
        fail(bench, outcome, turn="the same", question=question)
    bench.settle("failure")
    assert bench.state == "closed"
    bench.settle("failure")
    assert bench.state == "open"


def test_the_same_question_counts_once_in_however_many_turns(bench):
    for _ in range(50):
        fail(bench, question=7)
    bench.settle("failure")
    assert bench.state == "closed"
    bench.settle("failure")
    assert bench.state == "open"


def test_what_cannot_be_due_to_the_question_counts_in_each_turn(bench):
    for _ in range(3):
        fail(bench, "systemic", question=7)
    assert bench.state == "open"
    assert bench.rejected() == OPEN_SECONDS


def test_after_a_success_a_turn_and_a_question_count_again(bench):
    fail(bench, turn="one", question=7)
    fail(bench, turn="two", question=8)
    bench.settle("success")
    for turn, question in (("one", 7), ("two", 8), ("three", 9)):
        assert bench.state == "closed"
        fail(bench, turn=turn, question=question)
    assert bench.state == "open"


def test_one_callers_failures_alone_open_it_for_that_caller_alone(bench):
    bench.settle(*["failure"] * 3, by=ALICE)
    assert (bench.state, bench.states[-1]) == ("open", "open for one")
    assert bench.rejected(*ALICE) == OPEN_SECONDS
    assert (bench.rejected(*BOB), bench.rejected(*ELSEWHERE)) == (None, None)
    assert bench.others.scopes == [ALICE]


def test_callers_of_one_address_open_it_for_that_address(bench):
    """One who makes up user ids, or a backend that serves many users and asks for all of them."""
    bench.settle("failure", by=ALICE)
    bench.settle("failure", "failure", by=BOB)
    assert bench.states[-1] == "open for one"
    assert bench.rejected("lan", "carol") == OPEN_SECONDS
    assert bench.rejected(*ELSEWHERE) is None


def test_failures_of_several_addresses_open_it_for_everybody(bench):
    bench.settle("failure", "failure", by=ALICE)
    bench.settle("failure", by=ELSEWHERE)
    assert bench.states[-1] == "open"
    assert bench.rejected("dmz", "carol") == OPEN_SECONDS


def test_a_failure_that_is_not_due_to_the_question_is_not_its_callers_alone(bench):
    bench.settle("failure", "systemic", "failure", by=ALICE)
    assert bench.rejected("dmz", "carol") == OPEN_SECONDS


def test_what_others_get_while_it_is_open_for_one_neither_closes_nor_prolongs_it(bench):
    bench.settle(*["failure"] * 3, by=ALICE)
    bench.clock.sleep(10)
    bench.settle("success", "failure", "failure", "neutral", "success", "failure", by=BOB)
    assert bench.rejected(*ALICE) == 5
    bench.clock.sleep(5)
    assert bench.breaker.admit(origin(*ALICE)).probe


def test_others_who_fail_open_it_for_everybody(bench):
    bench.settle(*["failure"] * 3, by=ALICE)
    bench.clock.sleep(10)
    bench.settle(*["failure"] * 3, by=BOB)
    assert bench.states[-1] == "open"
    assert bench.rejected("dmz", "carol") == OPEN_SECONDS
    assert bench.others.scopes == [ALICE, ()]


def test_others_are_admitted_while_it_probes_with_the_one(bench):
    bench.settle(*["failure"] * 3, by=ALICE)
    bench.clock.sleep(OPEN_SECONDS)
    probe = bench.breaker.admit(origin(*ALICE))
    assert bench.state == "half-open"
    assert not bench.breaker.admit(origin(*BOB)).probe
    assert bench.rejected(*ALICE) == 1
    probe.settle("failure")
    assert (bench.rejected(*ALICE), bench.rejected(*BOB)) == (OPEN_SECONDS, None)


def test_one_caller_without_end_never_takes_it_from_another(bench):
    """Each question is another one, and each second answer that the other gets is a failure for another reason."""
    for round_ in range(600):
        for _ in range(5):
            if bench.rejected(*ALICE) is None:
                bench.settle("failure", by=ALICE)
        assert bench.rejected(*BOB) is None
        bench.settle(*["failure", "success"][round_ % 2 :], by=BOB)
        bench.clock.sleep(0.1)


def test_a_caller_whose_probe_failed_lets_others_go_first(bench):
    """Or one with poisoned input, who asks more often than all others, would keep it open."""
    bench.open().clock.sleep(OPEN_SECONDS)
    bench.breaker.admit(origin(*ALICE)).settle("failure")
    bench.clock.sleep(OPEN_SECONDS)
    assert bench.rejected(*ALICE) == 1
    probe = bench.breaker.admit(origin(*BOB))
    assert probe.probe
    probe.content()
    assert bench.state == "closed"


def test_a_caller_whose_probe_failed_may_probe_again_where_nobody_else_asks(bench):
    bench.open().clock.sleep(OPEN_SECONDS)
    bench.breaker.admit(origin(*ALICE)).settle("failure")
    bench.clock.sleep(OPEN_SECONDS + 0.5)
    assert bench.rejected(*ALICE) == 1
    bench.clock.sleep(0.5)
    assert bench.breaker.admit(origin(*ALICE)).probe


def test_a_caller_whose_probe_never_reached_the_model_need_not_wait(bench):
    bench.open().clock.sleep(OPEN_SECONDS)
    bench.breaker.admit(origin(*ALICE)).settle("systemic")
    bench.clock.sleep(OPEN_SECONDS)
    assert bench.breaker.admit(origin(*ALICE)).probe


# probes that take long


def test_a_probe_that_takes_long_does_not_keep_the_next_one_out(bench):
    slow = bench.half_open()
    bench.clock.sleep(PROBE_SECONDS - 1)
    assert bench.rejected() == 1
    bench.clock.sleep(1)
    again = bench.breaker.admit(origin())
    assert again.probe
    assert bench.rejected() == 1
    slow.settle("failure")
    assert bench.state == "half-open"
    again.settle("failure")
    assert bench.state == "open"


def test_a_probe_that_takes_long_closes_it_all_the_same(bench):
    slow = bench.half_open()
    bench.clock.sleep(PROBE_SECONDS)
    again = bench.breaker.admit(origin())
    slow.content()
    assert bench.state == "closed"
    again.settle("failure")
    assert bench.state == "closed"


def test_a_caller_who_leaves_a_probe_that_took_long_frees_no_place_of_the_next(bench):
    slow = bench.half_open()
    bench.clock.sleep(PROBE_SECONDS)
    again = bench.breaker.admit(origin())
    slow.settle("neutral")
    assert ("freed", "main") not in bench.others.told
    assert bench.rejected() == 1
    again.content()
    assert bench.state == "closed"


# what other workers tell


def test_an_open_breaker_elsewhere_is_open_here_for_what_is_left(bench):
    bench.breaker.adopt_open(4.2)
    assert (bench.state, bench.rejected()) == ("open", 5)
    bench.clock.sleep(4.2)
    assert bench.breaker.admit(origin()).probe


def test_what_is_heard_is_not_told_again(bench):
    bench.breaker.adopt_open(4)
    bench.breaker.adopt_closed()
    bench.half_open()
    bench.breaker.adopt_closed()
    assert bench.others.told == [("opened", "main")]


def test_hearing_twice_that_it_is_open_does_not_prolong_it(bench):
    bench.open().clock.sleep(10)
    bench.breaker.adopt_open(14)
    assert bench.rejected() == 5
    assert bench.states == ["closed", "open"]


def test_a_failed_probe_elsewhere_opens_it_anew(bench):
    bench.open().clock.sleep(OPEN_SECONDS)
    bench.breaker.adopt_open(15)
    assert bench.rejected() == 15


def test_news_during_a_probe_makes_its_outcome_one_of_an_earlier_state(bench):
    probe = bench.half_open()
    bench.breaker.adopt_open(15)
    probe.content()
    assert (bench.state, bench.rejected()) == ("open", 15)
    bench.clock.sleep(15)
    assert bench.breaker.admit(origin()).probe


def test_a_successful_probe_elsewhere_closes_it(bench):
    bench.open()
    bench.breaker.adopt_closed()
    bench.settle("failure", "failure")
    assert bench.state == "closed"


def test_a_probe_elsewhere_is_waited_for_a_second_at_a_time(bench):
    bench.open().clock.sleep(OPEN_SECONDS)
    bench.others.leases = False
    assert bench.rejected() == 1
    bench.others.asked = pytest.fail  # no question per request
    assert bench.rejected() == 1
    bench.others.asked = lambda: None
    bench.others.leases = True
    bench.clock.sleep(1)
    assert bench.breaker.admit(origin()).probe


def test_nobody_else_is_let_in_while_the_lease_is_waited_for(bench):
    bench.open().clock.sleep(OPEN_SECONDS)
    found = []
    bench.others.asked = lambda: found.append(bench.rejected())
    assert bench.breaker.admit(origin()).probe
    assert found == [1]


def test_a_lease_that_fails_does_not_lock_the_breaker(bench):
    bench.open().clock.sleep(OPEN_SECONDS)

    def killed():
        raise GeneratorExit

    bench.others.asked = killed
    with pytest.raises(GeneratorExit):
        bench.breaker.admit(origin())
    bench.others.asked = lambda: None
    assert bench.breaker.admit(origin()).probe


def test_news_that_comes_with_the_lease_wins_over_it(bench):
    bench.open().clock.sleep(OPEN_SECONDS)
    bench.others.asked = lambda: bench.breaker.adopt_open(7)
    assert (bench.rejected(), bench.state) == (7, "open")
    bench.clock.sleep(7)
    bench.others.asked = bench.breaker.adopt_closed
    assert not bench.breaker.admit(origin()).probe
    assert bench.state == "closed"


def test_no_period_elsewhere_is_longer_than_the_own_one(bench):
    bench.breaker.adopt_open(86400)
    assert bench.rejected() == OPEN_SECONDS


def test_open_for_one_elsewhere_is_open_for_one_here(bench):
    bench.breaker.adopt_open(10, ALICE)
    assert (bench.rejected(*ALICE), bench.rejected(*BOB)) == (10, None)


def test_open_for_everybody_elsewhere_wins_over_open_for_one_here(bench):
    bench.settle(*["failure"] * 3, by=ALICE)
    bench.breaker.adopt_open(10)
    assert (bench.rejected(*ALICE), bench.rejected(*BOB)) == (10, 10)
    bench.breaker.adopt_open(12, ALICE)
    assert bench.rejected(*BOB) == 10
