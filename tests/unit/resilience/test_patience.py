"""How long a model is waited for: by whoever waits behind it, by when it answered last, and while it thinks."""

from dataclasses import replace

import pytest

from service.chat.events import TICK, Chunk, Thinking, Token
from service.errors import ChatError, ThinkingTimeout, TurnTimeout, UpstreamTimeout
from service.resilience.patience import FOREVER, Patience
from tests.unit.resilience.fakes import (
    CALL,
    LIMITS,
    STOP,
    TICK_SECONDS,
    Clock,
    World,
    origin,
    silence,
    texts,
    whole,
)
from tests.unit.resilience.scripts import DOWN, GOOD, OTHER
from tests.unit.resilience.test_call import Asked

THOUGHT = Chunk(thinking="hm ")


def thinking(seconds, pause=TICK_SECONDS):
    """A thought, and silence until the next one."""
    steps = [THOUGHT, *silence(pause)]
    return steps * int(seconds / pause)


def patience(clock, first_content=None, turn_seconds=300):
    return Patience(first_content, 10, 180, turn_seconds, clock)


# what each attempt is given


def test_a_model_that_answers_has_a_minute():
    clock = Clock()
    known = patience(clock)
    known.answered("main")
    clock.sleep(60)
    assert known.limits("main", spared=False).first_content == 60


def test_one_whose_caller_would_get_another_has_a_quarter_of_it():
    known = patience(Clock())
    known.answered("main")
    assert known.limits("main", spared=True).first_content == 15


@pytest.mark.parametrize("answered_before", [None, 60.5])
def test_one_that_may_have_to_be_loaded_has_the_whole_turn(answered_before):
    clock = Clock()
    known = patience(clock)
    if answered_before is not None:
        known.answered("main")
        clock.sleep(answered_before)
    known.answered("other")
    assert known.limits("main", spared=False).first_content == FOREVER
    assert known.limits("main", spared=False).thinking_silence == 60
    assert known.limits("main", spared=True).first_content == 15


@pytest.mark.parametrize("spared", [True, False])
@pytest.mark.parametrize("warm", [True, False])
def test_a_time_that_somebody_set_is_obeyed_to_the_letter(spared, warm):
    known = patience(Clock(), first_content=33)
    if warm:
        known.answered("main")
    limits = known.limits("main", spared=spared)
    assert (limits.first_content, limits.thinking_silence) == (33, 33)


# one attempt


def ends(script, limits=LIMITS, turn_seconds=300):
    """The seconds, and the error's type and cause."""
    asked = Asked(script, turn_seconds=turn_seconds, limits=limits)
    try:
        asked.read()
    except ChatError as error:
        return asked.clock.now - 1000, type(error), error.cause
    return asked.clock.now - 1000, None, None


@pytest.mark.parametrize(
    ("script", "seconds"),
    [
        ([*thinking(20), *whole("42")], 20),
        ([*thinking(150, pause=9), *whole("42")], 144),
        ([*texts("4"), *thinking(12), *whole("2")], 12),
        ([*texts("4"), *thinking(90), *texts("2"), *thinking(89), STOP], 179),
        ([*silence(9), *thinking(20), *silence(9), *whole("42")], 38),
    ],
)
def test_a_model_that_thinks_lives(script, seconds):
    assert ends(script) == (seconds, None, None)


@pytest.mark.parametrize(
    ("script", "seconds", "error", "cause"),
    [
        (thinking(1000), 180, ThinkingTimeout, "thinking"),
        ([*silence(9), *thinking(1000)], 189, ThinkingTimeout, "thinking"),
        ([*texts("4"), *thinking(1000)], 180, ThinkingTimeout, "thinking"),
        (
            [*thinking(100), *texts("4"), *thinking(1000)],
            180,
            ThinkingTimeout,
            "thinking",
        ),
        ([*thinking(20), *silence(60)], 29.75, UpstreamTimeout, "silent while it thinks"),
        ([*thinking(20), *texts("4"), *silence(60)], 30, UpstreamTimeout, "idle"),
        ([*texts("4"), *thinking(12), *texts("2"), *silence(60)], 22, UpstreamTimeout, "idle"),
    ],
)
def test_a_model_that_thinks_has_its_bounds(script, seconds, error, cause):
    assert ends(script) == (seconds, error, cause)


def test_thinking_is_bounded_by_its_steps_and_not_by_our_own_lateness():
    clock = Clock()

    def held_up():
        yield from [THOUGHT, TICK, THOUGHT]
        clock.sleep(1000)
        yield from [THOUGHT, *whole("42")]

    asked = Asked(held_up(), turn_seconds=2000, clock=clock)
    assert asked.read() == ["42"]


def test_silence_while_it_thinks_is_waited_for_as_before_the_first_content():
    limits = replace(LIMITS, thinking_silence=60)
    assert ends([*thinking(5), *silence(55), *whole("42")], limits)[1] is None
    limits = replace(limits, first_content=FOREVER)
    seconds, error, _ = ends([*thinking(5), *silence(300)], limits)
    assert (seconds, error) == (64.75, UpstreamTimeout)


def test_a_model_that_says_nothing_for_a_whole_turn_has_failed():
    loading = replace(LIMITS, first_content=FOREVER, missed=60)
    assert ends(silence(400), loading) == (300, UpstreamTimeout, "first content")
    assert ends(silence(400), loading, turn_seconds=40)[1] is TurnTimeout
    assert ends(thinking(400), replace(loading, thinking=400))[1] is TurnTimeout


def test_thinking_is_passed_on_and_is_no_content():
    asked = Asked([*thinking(1), Chunk("42", thinking="so "), STOP])
    events = list(asked.call.events())
    kinds = [type(event) for event in events if event is not TICK]
    assert kinds == [Thinking] * 5 + [Token]
    assert (asked.attempt.chunks, asked.attempt.first_chunk_at) == (1, 1001)


# a whole call


def test_a_model_that_is_being_loaded_is_waited_for():
    world = World()
    guard = world.guard({"main": [[*silence(200), *GOOD]]}, first_content=None)
    assert world.run(guard, turn_seconds=300)[-1] == "= main"


def test_a_probe_of_a_model_that_is_being_loaded_is_waited_for():
    world = World()
    guard = world.guard({"main": [[*silence(200), *GOOD]]}, first_content=None)
    while world.breakers["main"].state != "open":
        world.breakers["main"].admit(origin()).settle("failure")
    world.clock.sleep(15)
    assert world.run(guard, turn_seconds=300)[-1] == "= main"
    assert world.breakers["main"].state == "closed"


def test_once_it_has_answered_it_has_a_minute():
    world = World()
    guard = world.guard({"main": [GOOD, silence(300)]}, first_content=None)
    world.run(guard)
    world.clock.sleep(50)
    began = world.clock.now
    assert world.run(guard, turn_seconds=300) == ["# upstream_timeout"]
    assert world.clock.now - began == 60


def test_a_long_answer_keeps_a_model_warm_to_its_end():
    world = World()
    slow = [step for _ in range(20) for step in (*texts("x"), *silence(9))] + [STOP]
    guard = world.guard({"main": [slow, silence(300)]}, first_content=None)
    world.run(guard, turn_seconds=300)
    began = world.clock.now
    world.run(guard, turn_seconds=300)
    assert world.clock.now - began == 60


def test_a_model_that_never_answers_opens_its_breaker_all_the_same():
    world = World()
    guard = world.guard({"main": [silence(400)] * 2}, first_content=None, failures=2)
    for question in range(2):
        world.ask(guard, question)
    assert world.breakers["main"].state == "open"


def test_a_fallback_is_asked_after_a_quarter_of_a_minute():
    world = World()
    guard = world.guard({"main": [silence(300)], "spare": [OTHER]}, first_content=None)
    assert world.run(guard)[-1] == "= spare"
    assert world.clock.now == 1015


def test_a_fallback_that_is_down_is_no_reason_to_give_up_early():
    world = World()
    guard = world.guard({"main": [[*silence(45), *GOOD]], "spare": []}, first_content=None)
    while world.breakers["spare"].state != "open":
        world.breakers["spare"].admit(origin()).settle("failure")
    assert world.run(guard)[-1] == "= main"


def test_a_fallback_has_a_minute_or_the_turn():
    world = World()
    script = {"main": [DOWN] * 3, "spare": [[*silence(100), *OTHER]]}
    assert world.run(world.guard(script, first_content=None))[-1] == "= spare"


def test_no_fallback_is_asked_when_the_turns_time_is_over():
    world = World()
    guard = world.guard({"main": [silence(60)], "spare": []})
    assert world.run(guard, turn_seconds=10) == ["# upstream_timeout"]
    assert world.heard.told == []


def test_a_caller_who_leaves_a_model_that_thinks_or_loads_cancels_it():
    world = World()
    guard = world.guard({"main": [[*silence(100), *thinking(50)]]}, first_content=None)
    for events_seen in (1, 500):
        reports = []
        events = guard.answer(CALL, world.turn(300, report=reports.append))
        for _ in range(events_seen):
            next(events)
        events.close()
        assert [report.result for report in reports] == ["cancelled"]
        assert all(stream.closed for stream in world.models.streams)
        guard = world.guard({"main": [[*silence(100), *thinking(50)]]}, first_content=None)
