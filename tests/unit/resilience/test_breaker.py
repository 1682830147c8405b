"""Every transition of the breaker, by the outcomes of the calls it admits.

Time is the fake clock's alone: pybreaker's own open period, by the wall clock, never passes here.
"""

import pytest

from service.errors import CircuitOpen
from service.resilience.breaker import Alone, Breaker
from tests.unit.resilience.fakes import Clock, Heard

OPEN_SECONDS = 15


class Others(Alone):
    """Other workers. asked: runs while the lease of a probe is waited for."""

    def __init__(self):
        self.told = []
        self.leases = True
        self.asked = lambda: None

    def opened(self, model):
        self.told.append(("opened", model))

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
        self.breaker = Breaker("main", failures, OPEN_SECONDS, self.clock, self.heard, self.others)

    def settle(self, *outcomes):
        for outcome in outcomes:
            self.breaker.admit().settle(outcome)

    def open(self):
        self.settle("failure", "failure", "failure")
        return self

    def half_open(self):
        """Its probe."""
        self.open()
        self.clock.sleep(OPEN_SECONDS)
        return self.breaker.admit()

    def rejected(self):
        """The Retry-After of a rejection; None if there is none."""
        try:
            self.breaker.admit().settle("neutral")
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
    permit = bench.breaker.admit()
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
    again = bench.breaker.admit()
    assert again.probe
    assert bench.rejected() == 1
    probe.settle("success")  # settled already
    assert bench.state == "half-open"
    again.content()
    assert bench.states == ["closed", "open", "half-open", "closed"]


def test_one_of_many_at_the_end_of_the_open_period_is_let_in(bench):
    bench.open().clock.sleep(OPEN_SECONDS)
    assert bench.breaker.admit().probe
    assert [bench.rejected() for _ in range(29)] == [1] * 29


@pytest.mark.parametrize("outcome", ["success", "failure", "neutral"])
@pytest.mark.parametrize("later", ["open", "half-open", "closed"])
def test_an_outcome_of_an_earlier_state_changes_nothing(bench, outcome, later):
    stale = [bench.breaker.admit() for _ in range(5)]
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
    permit = bench.breaker.admit()
    for _ in range(5):
        permit.settle("failure")
    assert bench.state == "closed"


# what other workers tell


def test_an_open_breaker_elsewhere_is_open_here_for_what_is_left(bench):
    bench.breaker.adopt_open(4.2)
    assert (bench.state, bench.rejected()) == ("open", 5)
    bench.clock.sleep(4.2)
    assert bench.breaker.admit().probe


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
    assert bench.breaker.admit().probe


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
    assert bench.breaker.admit().probe


def test_nobody_else_is_let_in_while_the_lease_is_waited_for(bench):
    bench.open().clock.sleep(OPEN_SECONDS)
    found = []
    bench.others.asked = lambda: found.append(bench.rejected())
    assert bench.breaker.admit().probe
    assert found == [1]


def test_a_lease_that_fails_does_not_lock_the_breaker(bench):
    bench.open().clock.sleep(OPEN_SECONDS)

    def killed():
        raise GeneratorExit

    bench.others.asked = killed
    with pytest.raises(GeneratorExit):
        bench.breaker.admit()
    bench.others.asked = lambda: None
    assert bench.breaker.admit().probe


def test_news_that_comes_with_the_lease_wins_over_it(bench):
    bench.open().clock.sleep(OPEN_SECONDS)
    bench.others.asked = lambda: bench.breaker.adopt_open(7)
    assert (bench.rejected(), bench.state) == (7, "open")
    bench.clock.sleep(7)
    bench.others.asked = bench.breaker.adopt_closed
    assert not bench.breaker.admit().probe
    assert bench.state == "closed"
