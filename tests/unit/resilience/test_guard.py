"""The guard's turns with breakers, within time and budget, and when their callers leave."""

from dataclasses import replace

import pytest

from service import errors
from service.chat.events import TICK, Chunk, Done
from service.resilience.budget import CAPACITY, RetryBudget
from tests.unit.resilience.fakes import CALL, World, origin, silence, texts
from tests.unit.resilience.scripts import (
    CUT,
    DOWN,
    EMPTY,
    FILTERED,
    FILTERED_LATER,
    FULL,
    GOOD,
    LIMITED,
    LIMITED_LONG,
    NO_CREDIT,
    OTHER,
    OVERFLOW,
    REFUSED,
    SILENT,
    STALLED,
    TOO_LONG,
    UNCONNECTED,
    UNREACHED,
    UNTRUSTED,
)

RETRIED = ("retried", "upstream_error")


def test_a_restart_asks_the_question_itself_anew():
    world = World()
    world.run(world.guard({"main": [CUT], "spare": [OTHER]}))
    assert world.models.ids == ["turn-1.1", "turn-1.2"]


def test_a_bug_in_a_restart_stays_a_bug():
    world = World()
    told = world.run(world.guard({"main": [CUT], "spare": [[errors.Internal(cause="KeyError")]]}))
    assert told[-1] == "# internal"


# with breakers


def opened(world, model):
    while world.breakers[model].state != "open":
        world.breakers[model].admit(origin()).settle("failure")


def test_an_open_breaker_sends_the_turn_to_the_fallback_at_once():
    world = World()
    guard = world.guard({"main": [], "spare": [OTHER]})
    opened(world, "main")
    assert world.run(guard) == ["another ", "answer", "= spare"]
    assert world.heard.told == [("fell_back", "circuit_open")]
    assert world.clock.now == 1000


@pytest.mark.parametrize("models", [["main"], ["main", "spare"]])
def test_circuit_open_when_nobody_is_left(models):
    world = World()
    guard = world.guard({model: [] for model in models})
    for model in models:
        opened(world, model)
    assert world.run(guard) == ["# circuit_open"]
    assert world.reports == []


def test_the_primarys_failure_is_told_when_the_fallbacks_breaker_is_open():
    world = World()
    guard = world.guard({"main": [SILENT], "spare": []})
    opened(world, "spare")
    assert world.run(guard) == ["# upstream_timeout"]


@pytest.mark.parametrize("spare", [SILENT, TOO_LONG, FILTERED])
def test_the_primarys_rejection_is_told_when_the_fallback_fails(spare):
    """A spare's 400 would make the primary's outage the caller's fault."""
    world = World()
    guard = world.guard({"main": [], "spare": [spare]})
    opened(world, "main")
    assert world.run(guard) == ["# circuit_open"]


def test_the_first_failure_is_told_when_no_restart_is_admitted():
    world = World()
    guard = world.guard({"main": [STALLED], "spare": []})
    opened(world, "spare")
    assert world.run(guard)[-1] == "# upstream_timeout"
    assert world.heard.told == []


def in_turn(turns):
    """One step of each after the other, until all have ended; what each came to."""
    ends = {}
    while len(ends) < len(turns):
        for number, turn in enumerate(turns):
            try:
                if number not in ends and isinstance(event := next(turn), Done):
                    ends[number] = event.model
            except errors.ChatError as error:
                ends[number] = error.code
    return [ends[number] for number in range(len(turns))]


def test_who_finds_the_breaker_open_after_a_failure_waits_for_nothing():
    world = World()
    guard = world.guard({"main": [[TICK, *DOWN]], "spare": [OTHER]})
    events = guard.answer(CALL, world.turn())
    next(events)  # it is asked
    opened(world, "main")
    assert world.told(events)[-1] == "= spare"
    assert world.clock.now == 1000.25
    assert world.heard.told == [("fell_back", "upstream_error")]


def test_a_turn_that_is_asked_again_has_not_failed_yet():
    """However many of a crowd fail at once, before any of those that are answered."""
    world = World()
    guard = world.guard({"main": [DOWN] * 20 + [GOOD] * 20}, budget=RetryBudget(1))
    assert in_turn([guard.answer(CALL, world.turn()) for _ in range(20)]) == ["main"] * 20
    assert world.heard.states == [("main", "closed")]


def test_turns_that_have_failed_open_the_breaker_and_it_is_not_the_attempts():
    world = World()
    guard = world.guard({"main": [DOWN] * 15})
    for question in range(5):
        assert world.breakers["main"].state == "closed"
        world.ask(guard, question)
    assert world.breakers["main"].state == "open"
    assert len(world.models.asked) == 15


def test_a_breaker_that_opens_during_a_wait_ends_the_retries():
    world = World()
    guard = world.guard({"main": [DOWN]})
    events = guard.answer(CALL, world.turn())
    next(events)  # the wait for the second attempt
    opened(world, "main")
    with pytest.raises(errors.UpstreamError):
        list(events)
    assert world.models.asked == ["main"]
    assert world.heard.told == []


@pytest.mark.parametrize(
    ("script", "counts"),
    [
        (DOWN, True),
        (SILENT, True),
        (STALLED, True),
        (CUT, True),
        (UNTRUSTED, True),
        (UNREACHED, True),
        (UNCONNECTED, True),
        ([errors.UpstreamUnavailable()], True),
        (texts("no end"), True),
        (LIMITED_LONG, False),
        (REFUSED, False),
        (TOO_LONG, False),
        (OVERFLOW, False),
        (NO_CREDIT, False),
        (EMPTY, False),
        (FILTERED, False),
        (FILTERED_LATER, False),
        (FULL, False),
        ([errors.UpstreamConflict()], False),
        ([errors.Internal()], False),
        (texts(*"x" * 10) + silence(7) + texts("y") + silence(7) + texts("z") + silence(7), False),
    ],
)
def test_what_counts_against_the_breaker(script, counts):
    """The last one flows until the turn's deadline."""
    world = World()
    guard = world.guard({"main": [script, GOOD]}, attempts=1, failures=1)
    told = world.run(guard, turn_seconds=20)
    assert (world.breakers["main"].state == "open") == counts
    if script in (DOWN, LIMITED_LONG):
        assert told[-1].startswith("#")


def test_a_turn_counts_once_whatever_its_attempts():
    world = World()
    guard = world.guard({"main": [DOWN] * 12}, failures=4)
    for question in range(3):
        world.ask(guard, question)
    assert world.breakers["main"].state == "closed"
    world.ask(guard, 3)
    assert world.breakers["main"].state == "open"


def test_one_question_that_fails_each_time_takes_the_model_from_nobody():
    world = World()
    guard = world.guard({"main": [DOWN] * 300 + [GOOD]}, attempts=1)
    for _ in range(300):
        assert world.ask(guard, 7, "alice") == ["# upstream_error"]
    assert world.ask(guard, 8, "alice")[-1] == "= main"


def test_one_caller_whose_questions_all_fail_takes_the_model_from_no_other():
    world = World()
    guard = world.guard({"main": [DOWN] * 5 + [GOOD]}, attempts=1)
    told = [world.ask(guard, question, "alice")[-1] for question in range(6)]
    assert told == ["# upstream_error"] * 5 + ["# circuit_open"]
    assert world.ask(guard, 7, "bob")[-1] == "= main"


def test_a_caller_whom_an_open_breaker_does_not_concern_is_asked_for_again_after_a_failure():
    world = World()
    guard = world.guard({"main": [DOWN] * 6 + [GOOD]}, attempts=1)
    for question in range(5):
        world.ask(guard, question, "alice")
    guard = replace(guard, retry=replace(guard.retry, attempts=3))
    assert world.ask(guard, 7, "bob")[-1] == "= main"


def test_what_is_not_the_questions_fault_counts_whatever_is_asked():
    world = World()
    guard = world.guard({"main": [UNREACHED] * 5}, attempts=1)
    for _ in range(5):
        world.ask(guard, 7, "alice")
    assert world.ask(guard, 8, "bob") == ["# circuit_open"]


def test_an_answer_that_succeeds_starts_the_breakers_count_anew():
    world = World()
    guard = world.guard({"main": [DOWN, GOOD, DOWN, GOOD]}, failures=2)
    for _ in range(2):
        assert world.run(guard)[-1] == "= main"
    assert world.breakers["main"].state == "closed"


def test_a_probe_closes_the_breaker_with_its_first_content():
    world = World()
    guard = world.guard({"main": [[TICK, *GOOD]]})
    opened(world, "main")
    world.clock.sleep(15)
    events = guard.answer(CALL, world.turn())
    next(events)
    assert world.breakers["main"].state == "half-open"
    next(events)
    assert world.breakers["main"].state == "closed"
    events.close()


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_a_caller_who_leaves_gives_everything_back(steps):
    """Before the first content, during a wait, in mid-stream, in a restart: reported once, and neutral."""
    world = World()
    script = [[TICK, *DOWN], [TICK, *CUT], SILENT]
    guard = world.guard({"main": script}, failures=2)
    reports = []
    events = guard.answer(CALL, world.turn(report=reports.append))
    for _ in range(steps):
        next(events)
    asked = len(world.models.asked)
    events.close()
    assert len(reports) == asked
    assert all(stream.closed for stream in world.models.streams)
    assert world.breakers["main"].state == "closed"


def test_a_probe_whose_caller_leaves_frees_its_place():
    world = World()
    guard = world.guard({"main": [SILENT, GOOD]})
    opened(world, "main")
    world.clock.sleep(15)
    leaving = guard.answer(CALL, world.turn())
    next(leaving)
    with pytest.raises(errors.CircuitOpen):
        next(guard.answer(CALL, world.turn()))
    leaving.close()
    assert world.run(guard)[-1] == "= main"


def test_an_attempt_is_accounted_for_when_it_is_reported():
    world = World()
    reports = []
    events = world.guard({"main": [GOOD]}).answer(
        CALL,
        world.turn(
            report=lambda attempt: reports.append((attempt.result, attempt.usage, attempt.ended_at))
        ),
    )
    next(events)
    events.close()
    assert reports == [("cancelled", reports[0][1], 1000)]
    assert reports[0][1] is not None


# within time and budget


def test_waits_are_made_of_ticks():
    world = World()
    world.run(world.guard({"main": [LIMITED, GOOD]}))
    assert 1002 <= world.clock.now < 1002.01
    world = World()
    events = world.guard({"main": [LIMITED, GOOD]}).answer(CALL, world.turn())
    before = world.clock.now
    while next(events) is TICK:
        assert world.clock.now - before <= 0.25
        before = world.clock.now


def test_the_turns_deadline_bounds_attempts_and_waits_of_all_routes():
    world = World()
    flowing = [Chunk("x"), *silence(9)] * 10
    told = world.run(world.guard({"main": [SILENT], "spare": [flowing]}), turn_seconds=30)
    assert told[-1] == "# upstream_timeout"
    assert 1030 <= world.clock.now <= 1031
    assert world.models.asked == ["main", "spare"]


def test_no_retry_is_begun_that_the_deadline_would_not_let_finish():
    world = World()
    told = world.run(world.guard({"main": [[*silence(8), *DOWN]]}), turn_seconds=8.2)
    assert told == ["# upstream_error"]
    assert world.heard.told == [("denied", "deadline")]


def test_nothing_is_restarted_after_the_deadline():
    world = World()

    def cut_late():
        yield Chunk("half ")
        world.clock.sleep(31)
        yield errors.UpstreamError(cause="cut")

    told = world.run(world.guard({"main": [cut_late()], "spare": [OTHER]}), turn_seconds=30)
    assert told == ["half ", "# upstream_error"]
    assert world.models.asked == ["main"]


def test_a_restart_and_a_fallbacks_first_attempt_draw_nothing_from_the_budget():
    budget = RetryBudget(0)
    world = World()
    for _ in range(20):
        world.run(world.guard({"main": [SILENT], "spare": [CUT, OTHER]}, budget=budget))
    assert sum(budget.draw() for _ in range(100)) == CAPACITY


def test_each_answer_adds_its_share_once_and_each_retry_takes_one():
    budget = RetryBudget(0.2)
    while budget.draw():
        pass
    world = World()
    for answers, attempts in ((5, 2), (4, 1), (1, 2), (0, 1)):
        for _ in range(answers):
            world.run(world.guard({"main": [GOOD]}, budget=budget))
        before = len(world.models.asked)
        world.run(world.guard({"main": [DOWN] * 3}, budget=budget))
        assert len(world.models.asked) - before == attempts


def test_turns_that_fail_add_nothing():
    """Retries of an upstream that answers nobody come to an end."""
    budget = RetryBudget(0.2)
    world = World()
    for _ in range(100):
        world.run(world.guard({"main": [DOWN] * 3}, budget=budget))
    assert len(world.models.asked) == 100 + CAPACITY


@pytest.mark.parametrize(
    ("others", "asked", "ends"), [(GOOD, 60, ["main"] * 30), (DOWN, 40, ["upstream_error"] * 30)]
)
def test_a_crowd_waits_for_the_first_retries_to_come_back(others, asked, ends):
    """Three times the budget fail at once: all are asked again where that works, and nobody where it does not."""
    world, budget = World(), RetryBudget(0)
    never = 1000
    guard = world.guard({"main": [DOWN] * 30 + [others] * 60}, budget=budget, failures=never)
    assert in_turn([guard.answer(CALL, world.turn()) for _ in range(30)]) == ends
    assert len(world.models.asked) == asked
    assert not budget.may_refill
    assert world.heard.told.count(("denied", "budget")) == (0 if others is GOOD else 30)


def test_nobody_waits_for_a_retry_where_a_spare_would_take_the_call():
    world, budget = World(), RetryBudget(0)
    while budget.draw():
        pass
    guard = world.guard({"main": [DOWN], "spare": [OTHER]}, budget=budget)
    assert world.run(guard)[-1] == "= spare"
    assert world.clock.now == 1000


class Plenty(RetryBudget):
    def draw(self) -> bool:
        self.earn()
        return super().draw()


def test_turns_of_one_worker_do_not_count_each_others_attempts():
    world = World()
    breaker_stays_closed = 1000
    guard = world.guard({"main": [DOWN] * 40 + [GOOD] * 20}, failures=breaker_stays_closed)
    guard = replace(guard, retry=replace(guard.retry, budget=Plenty(1)))
    turns = [guard.answer(CALL, world.turn()) for _ in range(20)]
    ends = []
    while turns:
        events = [next(turn) for turn in turns]
        ends += [event for event in events if isinstance(event, Done)]
        turns = [t for t, event in zip(turns, events, strict=True) if not isinstance(event, Done)]
    assert len(ends) == 20
    assert len(world.models.asked) == 60
    assert world.heard.told == [RETRIED] * 40
