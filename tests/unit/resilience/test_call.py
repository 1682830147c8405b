"""One attempt at an upstream: its deadlines, and its account for each way to end."""

import pytest

from service.chat.deadline import Deadline
from service.chat.events import TICK, Chunk, Token, ToolCalls, Usage
from service.chat.running_turn import RunningTurn
from service.errors import (
    AnswerEmpty,
    AnswerSpent,
    ContentFiltered,
    Internal,
    ThinkingTimeout,
    TurnTimeout,
    UpstreamConflict,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamTimeout,
)
from service.resilience.call import UpstreamCall
from tests.unit.resilience.fakes import (
    ESTIMATED,
    LIMITS,
    PROMPT,
    REPORTED,
    STOP,
    TICK_SECONDS,
    Clock,
    FakeCall,
    Models,
    silence,
    texts,
    whole,
)

ROLE = Chunk()


class Asked:
    """An attempt by one script, read to its end."""

    def __init__(self, script, turn_seconds=120, clock=None, limits=LIMITS, *, offers_tools=False):
        self.clock = clock or Clock()
        self.models = Models(self.clock)
        upstream = self.models.upstream("main", script)
        deadline = Deadline.after(turn_seconds, self.clock)
        turn = RunningTurn(PROMPT, deadline, report=lambda _: None, most_calls=1)
        call = FakeCall(offers_tools=offers_tools)
        self.call = UpstreamCall(upstream, call, turn, limits, TICK_SECONDS, self.clock)
        self.attempt = self.call.attempt

    def read(self):
        return [event.text for event in self.call.events() if isinstance(event, Token)]

    @property
    def account(self):
        return self.attempt.result, self.attempt.usage


def test_a_whole_answer():
    asked = Asked([ROLE, *texts("one ", "two"), *silence(1), *whole("!")])
    assert asked.read() == ["one ", "two", "!"]
    attempt = asked.attempt
    assert asked.account == ("ok", REPORTED)
    assert (attempt.chunks, attempt.finish_reason, attempt.cost_usd) == (3, "stop", 0.5)
    assert (attempt.first_chunk_at, attempt.last_chunk_at) == (1000, 1001)
    assert (attempt.started_at, attempt.ended_at, attempt.mean_gap) == (1000, 1001, 0.5)
    assert asked.models.streams[0].closed


@pytest.mark.parametrize(
    ("script", "error", "cause", "usage", "seconds"),
    [
        ([], UpstreamError, "ended without finish_reason", None, 0),
        ([UpstreamRateLimited(cause="HTTP 429")], UpstreamRateLimited, "HTTP 429", None, 0),
        (
            [ROLE, UpstreamRateLimited(cause="in-band 429")],
            UpstreamRateLimited,
            "in-band 429",
            None,
            0,
        ),
        ([Internal(cause="bug")], Internal, "bug", None, 0),
        (silence(60), UpstreamTimeout, "first content", None, 10),
        ([ROLE, *silence(60)], UpstreamTimeout, "first content", ESTIMATED, 10),
        ([*silence(5), ROLE, *silence(60)], UpstreamTimeout, "first content", ESTIMATED, 10),
        ([*texts("one"), *silence(60)], UpstreamTimeout, "idle", ESTIMATED, 10),
        ([*silence(9), *texts("one"), *silence(60)], UpstreamTimeout, "idle", ESTIMATED, 19),
        (texts("one", "two"), UpstreamError, "ended without finish_reason", ESTIMATED, 0),
        ([*texts("one"), UpstreamError(cause="cut")], UpstreamError, "cut", ESTIMATED, 0),
        (
            [*texts("one"), Chunk(finish_reason="content_filter", usage=REPORTED)],
            ContentFiltered,
            "finish_reason",
            REPORTED,
            0,
        ),
    ],
)
def test_an_answer_that_is_not_whole(script, error, cause, usage, seconds):
    asked = Asked(script)
    with pytest.raises(error) as raised:
        asked.read()
    assert type(raised.value) is error
    assert asked.account == (error.code, usage)
    assert asked.attempt.cause == cause
    assert asked.attempt.cost_usd == (0.5 if usage else None)
    assert asked.clock.now - 1000 == seconds
    assert asked.models.streams[0].closed


@pytest.mark.parametrize("read", [1, 2])
def test_a_reader_who_leaves_cancels_the_call(read):
    asked = Asked([*texts("one", "two"), *silence(60)])
    events = asked.call.events()
    for _ in range(read):
        next(events)
    events.close()
    assert asked.account == ("cancelled", ESTIMATED)
    assert asked.models.streams[0].closed


def test_a_reader_who_leaves_before_the_first_frame_owes_the_question():
    asked = Asked(silence(60))
    events = asked.call.events()
    next(events)
    events.close()
    assert asked.account == ("cancelled", ESTIMATED)


def test_a_bug_in_the_maker_is_no_answer_and_no_failure_of_the_upstream():
    asked = Asked([ZeroDivisionError()])
    with pytest.raises(ZeroDivisionError):
        asked.read()
    assert asked.account == ("cancelled", None)
    assert asked.models.streams[0].closed


@pytest.mark.parametrize("rest", [[], [UpstreamError(cause="cut")], silence(60), [ROLE] * 5])
def test_an_answer_with_a_finish_reason_is_whole_whatever_follows(rest):
    asked = Asked([*whole("one"), *rest])
    assert asked.read()[0] == "one"
    assert asked.account == ("ok", REPORTED)
    # its last frames are waited for, so that the connection can be used again
    assert asked.clock.now <= 1000 + 1 + TICK_SECONDS


def provisional(text):
    return Chunk(text, finish_reason="stop", provisional=True)


@pytest.mark.parametrize("pause", [0, 1.5, 9])
def test_a_finish_reason_that_text_follows_was_none(pause):
    asked = Asked([provisional("one"), *silence(pause), *texts("two"), *silence(pause), STOP])
    assert asked.read() == ["one", "two"]
    assert asked.account == ("ok", REPORTED)


def test_a_finish_reason_after_all_that_text_followed_was_none():
    asked = Asked([Chunk("one", finish_reason="stop"), *texts("two"), *silence(60)])
    with pytest.raises(UpstreamTimeout):
        asked.read()
    assert asked.attempt.cause == "idle"


@pytest.mark.parametrize(
    ("rest", "seconds"),
    [([], 0), (silence(60), 10), ([STOP, *silence(60)], 1), ([Chunk(usage=REPORTED)], 0)],
)
def test_a_finish_reason_that_came_with_text_ends_with_the_stream_or_with_patience(rest, seconds):
    asked = Asked([provisional("one"), *rest])
    assert asked.read() == ["one"]
    assert asked.attempt.result == "ok"
    assert asked.clock.now == pytest.approx(1000 + seconds, abs=TICK_SECONDS)


def test_what_breaks_after_a_finish_reason_that_came_with_text_is_broken():
    asked = Asked([provisional("one"), UpstreamError(cause="cut")])
    with pytest.raises(UpstreamError):
        asked.read()


THOUGHT = Chunk(thinking="hm")


def test_thinking_is_a_sign_of_life_before_the_answer_and_in_it():
    thoughts = [step for _ in range(8) for step in (*silence(9), THOUGHT)]
    asked = Asked([*thoughts, *texts("4"), *thoughts, *whole("2")], turn_seconds=1000)
    assert asked.read() == ["4", "2"]
    assert asked.account == ("ok", REPORTED)
    assert asked.attempt.first_chunk_at == 1072


def test_thinking_has_an_end():
    asked = Asked([*silence(9), THOUGHT] * 100, turn_seconds=1000)
    with pytest.raises(ThinkingTimeout):
        asked.read()


@pytest.mark.parametrize(
    ("script", "error", "cause"),
    [
        ([STOP], AnswerEmpty, "no text"),
        ([THOUGHT, STOP], AnswerEmpty, "no text"),
        ([Chunk(finish_reason="tool_calls")], UpstreamConflict, "no tools were offered"),
        ([*texts("a"), Chunk(finish_reason="tool_calls")], UpstreamConflict, "no tools were"),
        ([Chunk(tool_calls=[{"index": 0}]), STOP], AnswerEmpty, "no text"),
        ([THOUGHT, Chunk(finish_reason="length")], AnswerSpent, "max_tokens"),
        ([Chunk(finish_reason="refusal")], ContentFiltered, "finish_reason"),
    ],
)
def test_an_answer_without_a_word_is_none(script, error, cause):
    asked = Asked(script)
    with pytest.raises(error) as raised:
        asked.read()
    assert type(raised.value) is error
    assert cause in raised.value.cause
    assert asked.attempt.result == error.code


def test_tool_calls_are_an_answer_where_tools_are_offered():
    calls = [{"index": 0, "function": {"name": "f", "arguments": "{}"}}]
    end = Chunk(finish_reason="tool_calls", usage=REPORTED)
    asked = Asked([Chunk(tool_calls=calls), end], offers_tools=True)
    steps = [event for event in asked.call.events() if isinstance(event, ToolCalls)]
    assert [step.deltas for step in steps] == [calls]
    assert asked.account == ("ok", REPORTED)


def test_a_bill_without_output_for_an_answer_with_words_is_estimated():
    asked = Asked([*texts("one"), Chunk(finish_reason="stop", usage=Usage(7, 0, "reported"))])
    asked.read()
    assert asked.account == ("ok", ESTIMATED)


def test_an_answer_longer_than_it_may_be_is_cut_there():
    asked = Asked([Chunk("x" * 6000)] * 100)
    assert len("".join(asked.read())) == FakeCall.most_chars
    assert (asked.attempt.result, asked.attempt.finish_reason) == ("ok", "length")
    assert asked.models.streams[0].closed


def test_arguments_of_tools_have_an_end_too():
    calls = [{"index": 0, "function": {"arguments": "x" * 6000}}]
    asked = Asked([Chunk(tool_calls=calls)] * 100, offers_tools=True)
    assert len(list(asked.call.events())) == 2
    assert asked.attempt.finish_reason == "length"


def test_tool_calls_without_arguments_have_an_end_too():
    many = [Chunk(tool_calls=[{"index": number}]) for number in range(20_000)]
    asked = Asked(many, offers_tools=True)
    assert len(list(asked.call.events())) == FakeCall.most_chars + 1


def test_thinking_without_end_is_not_listened_to():
    asked = Asked([Chunk(thinking="x" * 400_000)] * 100)
    with pytest.raises(ThinkingTimeout):
        asked.read()


def test_usage_that_follows_the_finish_reason_counts():
    asked = Asked(
        [*texts("one"), Chunk(finish_reason="stop"), *silence(0.5), Chunk(usage=REPORTED)]
    )
    asked.read()
    assert asked.account == ("ok", REPORTED)


class Flow:
    """One text after the other, for ever, each a second after the one before."""

    def __init__(self, clock, finish_reason=None):
        self._clock = clock
        self._finish_reason = finish_reason

    def __iter__(self):
        return self

    def __next__(self):
        self._clock.sleep(1)
        return Chunk("x", finish_reason=self._finish_reason, usage=REPORTED)


def test_the_turns_deadline_ends_an_answer_that_flows_for_too_long():
    clock = Clock()
    asked = Asked(Flow(clock), turn_seconds=30, clock=clock)
    with pytest.raises(TurnTimeout):
        asked.read()
    assert 30 <= clock.now - 1000 <= 32
    assert not TurnTimeout.trips


def test_the_turns_deadline_ends_an_answer_that_goes_on_after_its_end():
    clock = Clock()
    asked = Asked(Flow(clock, "stop"), turn_seconds=30, clock=clock)
    asked.read()
    assert 30 <= clock.now - 1000 <= 32
    assert asked.account == ("ok", REPORTED)


def test_what_arrived_while_our_process_was_held_up_is_read_before_time_is_judged():
    clock = Clock()

    def held_up():
        yield Chunk("one")
        clock.sleep(60)
        yield Chunk("two")
        clock.sleep(20)
        yield TICK
        yield STOP

    asked = Asked(held_up(), clock=clock)
    assert asked.read() == ["one", "two"]
    assert asked.account == ("ok", REPORTED)


def test_a_caller_who_reads_slowly_does_not_count_as_the_models_silence():
    asked = Asked([*texts("one"), *silence(7), *whole("two")])
    for _ in asked.call.events():
        asked.clock.sleep(0.25)
    assert asked.account == ("ok", REPORTED)


def test_ticks_are_passed_on_so_that_the_turn_can_look_around():
    asked = Asked([TICK, *texts("one"), TICK, STOP])
    events = list(asked.call.events())
    assert [event for event in events if event is TICK] == [TICK, TICK]
