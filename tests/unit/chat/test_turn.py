"""Every way a turn can end: recorded once, its slot free and its upstream closed before the last event is told."""

import contextlib

import pytest
from gevent import GreenletExit

from service import errors
from service.chat.events import TICK, Done, Failed, Restart, Start, Thinking, Token
from tests.support.contract import KINDS
from tests.unit.chat.fakes import DONE, Caller, Stage, body

START = Start("request-7", "small")
WHOLE = [
    *("begun", "slot taken", "upstream opened", "upstream closed"),
    *("attempt reported", "slot freed"),
]


def failure(stage):
    """The error of a turn that ends in one; its last event, and the only one of its kind."""
    *before, last = stage.run()
    assert not [event for event in before if isinstance(event, Done | Failed)]
    assert isinstance(last, Failed)
    return last.error


def test_a_whole_answer_is_told_from_start_to_done():
    stage = Stage()
    assert list(stage.run()) == [START, Token("a"), TICK, Token("b"), DONE]
    assert stage.journal == [*WHOLE, "ended completed"]
    assert stage.record.done is DONE


def test_the_model_is_asked_what_the_caller_asked():
    stage = Stage(caller=Caller(body(model="large", system="be brief", temperature=0)))
    assert next(iter(stage.run())) == Start("request-7", "large")
    list(stage.run())
    prompt = stage.guard.prompt
    assert (prompt.model, prompt.system, prompt.temperature) == ("large", "be brief", 0)
    assert (prompt.question, prompt.request_id, stage.record.model) == (
        "why?",
        "request-7",
        "large",
    )


def test_the_account_gets_the_waits_and_the_times_of_text():
    stage = Stage(
        [0.5, Token("a"), 1.5, TICK, 0.25, Token("b"), Restart("upstream_error", "small"), DONE]
    )
    list(stage.run())
    assert stage.record.waits == [0.5, 1.5, 0.25, 0, 0]
    assert stage.record.texts_at == [100.5, 102.25]
    assert stage.record.restarts == 1


def test_the_account_gets_the_times_of_thinking_apart_from_those_of_text():
    stage = Stage([0.5, Thinking("hm"), 1.5, Thinking("so"), 0.25, Token("a"), DONE])
    told = list(stage.run())
    assert stage.record.thoughts_at == [100.5, 102]
    assert stage.record.texts_at == [102.25]
    assert [event for event in told if isinstance(event, Thinking)] == [
        Thinking("hm"),
        Thinking("so"),
    ]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("before", [[], [TICK], [Token("a"), TICK]], ids=["first", "tick", "text"])
def test_an_error_of_the_call_is_the_turns_ending(kind, before):
    error = kind(cause="why")
    stage = Stage([*before, error])
    assert failure(stage) is error
    assert stage.journal == [*WHOLE, f"ended {kind.ending}"]
    assert stage.record.error is error


@pytest.mark.parametrize("read", [b"{", body(model="other"), errors.UnsupportedMediaType()])
def test_a_bad_request_takes_no_slot_and_reaches_no_upstream(read):
    stage = Stage(caller=Caller(read))
    assert isinstance(failure(stage), errors.InvalidRequest)
    assert stage.journal == ["begun", "ended invalid"]


def test_a_turn_without_a_slot_reaches_no_upstream():
    stage = Stage(admission=errors.Overloaded())
    assert failure(stage).code == "overloaded"
    assert stage.journal == ["begun", "ended rejected"]


def test_nothing_is_asked_for_a_caller_who_has_left_before():
    stage = Stage([Token("a"), DONE])
    stage.caller.leaves_at = 1
    assert list(stage.run()) == []
    assert stage.journal == ["begun", "slot taken", "slot freed", "ended disconnected"]


def test_a_caller_who_leaves_is_noticed_at_the_next_tick():
    stage = Stage([Token("a"), TICK, TICK, Token("b"), DONE])
    stage.caller.leaves_at = 4
    assert list(stage.run()) == [START, Token("a"), TICK]
    assert stage.journal == [*WHOLE, "ended disconnected"]


def test_a_caller_who_leaves_is_noticed_while_text_flows():
    stage = Stage([step for _ in range(1000) for step in (0.01, Token("x"))])
    stage.caller.leaves_at = 3
    seen = list(stage.run())
    assert stage.record.ending == "disconnected"
    # looks are a quarter of a second apart: no more often, or every token would cost a system call
    assert 20 <= len(seen) <= 30


def test_a_turn_that_outlives_the_drain_is_told_so():
    stage = Stage([Token("a"), 10.0, TICK, Token("b"), DONE], drains_at=105)
    assert failure(stage).code == "draining"
    assert stage.journal == [*WHOLE, "ended drained"]


def test_a_turn_before_the_drain_deadline_goes_on():
    stage = Stage([Token("a"), 4.0, TICK, Token("b"), DONE], drains_at=105)
    assert list(stage.run())[-1] is DONE


@pytest.mark.parametrize(
    "stage",
    [
        Stage([Token("a"), ValueError("canary")]),
        Stage([KeyError("canary")]),
        Stage([Token("a")]),  # no Done
        Stage(caller=Caller(RuntimeError("canary"))),
        Stage(admission=RuntimeError("canary")),
    ],
    ids=["in-stream", "first", "no-done", "read", "admission"],
)
def test_a_bug_ends_in_internal_and_its_trace_is_kept(stage):
    error = failure(stage)
    assert type(error) is errors.Internal
    assert "canary" not in repr((error, error.args, error.cause, error.details))
    assert stage.journal[-1] == "ended failed"
    assert stage.journal.count("slot taken") == stage.journal.count("slot freed")
    assert len(stage.record.bugs) == 1


def test_a_bug_that_was_translated_on_the_way_keeps_its_trace_too():
    stage = Stage([errors.Internal(cause="KeyError")])
    failure(stage)
    assert len(stage.record.bugs) == 1


@pytest.mark.parametrize("script", [[GreenletExit()], [Token("a"), KeyboardInterrupt()]])
def test_a_greenlet_that_is_killed_gives_everything_back(script):
    stage = Stage(script)
    with pytest.raises((GreenletExit, KeyboardInterrupt)):
        list(stage.run())
    assert stage.journal == [*WHOLE, "ended failed"]


@pytest.mark.parametrize(
    "stage",
    [Stage(), Stage([Token("a"), errors.UpstreamError()]), Stage(caller=Caller(b"{"))],
    ids=["done", "failed", "invalid"],
)
def test_all_is_settled_before_the_last_event_is_told(stage):
    """What a caller does with the last event, or does not, changes no account any more."""
    for event in stage.run():
        if isinstance(event, Done | Failed):
            settled = list(stage.journal)
    assert settled == stage.journal
    assert settled[-1].startswith("ended ")
    assert settled.count("slot taken") == settled.count("slot freed")


def steps(script):
    return len(list(Stage(script).run()))


@pytest.mark.parametrize(
    "script",
    [
        [Token("a"), TICK, Token("b"), DONE],
        [TICK, TICK, errors.UpstreamTimeout()],
        [Restart("upstream_error", "small"), Token("a"), ValueError()],
    ],
    ids=["whole", "timeout", "bug"],
)
def test_a_turn_may_be_closed_at_every_step(script):
    count = steps(script)
    for taken in range(1, count + 1):
        stage = Stage(script)
        turn = stage.run()
        seen = [next(turn) for _ in range(taken)]
        turn.close()
        turn.close()
        endings = [line for line in stage.journal if line.startswith("ended")]
        if isinstance(seen[-1], Done | Failed):
            assert taken == count
            assert endings != ["ended disconnected"]
        else:
            assert endings == ["ended disconnected"]
        assert len(endings) == 1
        assert stage.journal.count("slot freed") == 1
        assert stage.journal.count("upstream opened") == stage.journal.count("upstream closed")
        assert len(stage.record.attempts) == stage.journal.count("upstream opened")


def test_a_turn_that_never_began_leaves_no_trace():
    stage = Stage()
    stage.run().close()
    assert stage.journal == []


def test_a_turn_that_its_account_refuses_reaches_no_upstream_and_frees_its_slot():
    stage = Stage()
    refusal = errors.BudgetExceeded(cause="budget_day")
    stage.caller.account.refusals["begin"] = refusal
    assert failure(stage) is refusal
    assert stage.journal == ["begun", "slot taken", "slot freed", "ended rejected"]
    assert (stage.caller.account.ending, stage.caller.account.error) == ("rejected", refusal)


def test_every_attempt_is_on_the_account_and_in_the_record():
    stage = Stage()
    list(stage.run())
    assert stage.caller.account.attempts == stage.record.attempts != []


@pytest.mark.parametrize(
    "stage",
    [
        Stage(),
        Stage(caller=Caller(b"not JSON")),
        Stage([errors.UpstreamError()]),
        Stage([ValueError("a bug")]),
        Stage(admission=errors.Overloaded()),
        Stage([GreenletExit()]),
    ],
    ids=["whole", "invalid", "upstream", "bug", "overloaded", "killed"],
)
def test_an_account_is_ended_as_the_turn_is(stage):
    with contextlib.suppress(GreenletExit):
        list(stage.run())
    assert stage.caller.account.ending == stage.record.ending is not None


def test_a_turn_that_is_left_ends_its_account():
    stage = Stage()
    turn = stage.run()
    next(turn)
    turn.close()
    assert stage.caller.account.ending == "disconnected"


def test_a_model_call_that_the_account_refuses_ends_the_turn_whatever_the_chain_makes_of_it():
    stage = Stage()
    turn = stage.run()
    next(turn)
    next(turn)
    refusal = errors.BudgetExceeded(cause="budget_day")
    stage.caller.account.refusals["hold"] = refusal
    running = stage.guard.turn
    with pytest.raises(errors.BudgetExceeded), running.holding(None):
        pass
    with pytest.raises(errors.BudgetExceeded):
        running.begin_call()
    turn.close()
