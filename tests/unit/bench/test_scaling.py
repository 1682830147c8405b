"""docs/scaling.md: its tables are the arithmetic's, and a simulated hour bears the arithmetic out."""

import pytest

from tests.bench.scaling import EXAMPLES, SLOTS, Load, Simulation
from tests.support.service import ROOT

MILLION = Load(1_000_000)


@pytest.mark.parametrize("load", EXAMPLES, ids=lambda load: f"{load.users} users")
def test_the_page_shows_the_figures_of_the_arithmetic(load):
    assert load.row() in (ROOT / "docs/scaling.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("load", EXAMPLES, ids=lambda load: f"{load.users} users")
def test_with_as_many_replicas_nobody_is_refused(load):
    outcome = Simulation(load, load.replicas).run()
    assert outcome.overloaded == 0
    assert outcome.failed == 0
    assert outcome.peak <= 1.05 * load.busiest_moment + 2
    assert outcome.busiest <= SLOTS


def test_one_replica_may_be_lost_at_a_million_users():
    assert Simulation(MILLION, MILLION.replicas - 1).run().overloaded == 0


def test_with_half_as_many_callers_are_refused():
    assert Simulation(MILLION, MILLION.replicas // 2).run().overloaded > 0


def test_open_answers_are_arrivals_times_their_length():
    simulation = Simulation(MILLION, MILLION.replicas, seconds=1200)
    mean = simulation.run().seconds_open / simulation.seconds
    assert mean == pytest.approx(MILLION.open_answers, rel=0.05)


def test_an_outage_of_the_model_fills_no_slot_and_is_over_when_it_is():
    outage = (200.0, 320.0)
    simulation = Simulation(MILLION, MILLION.replicas, outage=outage)
    outcome = simulation.run()
    asked = MILLION.arrivals * (outage[1] - outage[0])
    # a breaker that every replica shares: those who ask meanwhile are told at once
    assert outcome.circuit_open > 0.5 * asked
    assert outcome.overloaded == 0
    # one cool-down after its end, at most, they are answered again
    lost = outcome.failed + outcome.circuit_open
    assert lost < 1.3 * asked


def test_a_budget_is_never_overdrawn():
    outcome = Simulation(Load(10_000), 2, budget=300).run()
    assert outcome.spent == 300
    assert outcome.over_budget > 0
