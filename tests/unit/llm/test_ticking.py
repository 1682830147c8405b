"""The iterator that never keeps its reader waiting, over streams that are made here."""

import time
from collections.abc import Callable, Iterator
from itertools import pairwise

import gevent
import pytest
from gevent import socket
from gevent.event import Event
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk

from service.chat.events import TICK, Chunk
from service.errors import Internal, UpstreamError
from service.llm import ticking
from service.llm.kept import Kept
from service.llm.provider_answer import ProviderAnswer
from service.llm.ticking import Ticking

TICK_SECONDS = 0.05
# what a test may take at most when something hangs
HANGS_SECONDS = 20


def text(words: str, **about: object) -> ChatGenerationChunk:
    return ChatGenerationChunk(message=AIMessageChunk(words, **about))


def over(
    start: Callable[[], Iterator[ChatGenerationChunk]], tick_seconds: float = TICK_SECONDS
) -> Ticking:
    answer = ProviderAnswer(Kept(), says_why=True)
    return Ticking(lambda: answer.chunks(start()), tick_seconds)


def chunks(stream: Ticking) -> list[Chunk]:
    """All that comes until the end, ticks left out."""
    return [item for item in stream if isinstance(item, Chunk)]


@pytest.fixture(autouse=True)
def _limit():
    with gevent.Timeout(HANGS_SECONDS):
        yield


def test_text_arrives_in_order_and_then_it_ends():
    words = [f"{number} " for number in range(100)]
    stream = over(lambda: iter(map(text, words)))
    assert "".join(chunk.text for chunk in chunks(stream)) == "".join(words)
    with pytest.raises(StopIteration):
        next(stream)


def test_silence_is_a_tick_within_a_tick():
    never = Event()

    def silent() -> Iterator[ChatGenerationChunk]:
        never.wait()
        yield text("")

    stream = over(silent)
    began = time.monotonic()
    assert [next(stream) for _ in range(3)] == [TICK] * 3
    assert 3 * TICK_SECONDS * 0.9 < time.monotonic() - began < 2
    stream.close()


def test_ticks_and_text_take_turns():
    go = Event()

    def halting() -> Iterator[ChatGenerationChunk]:
        yield text("a")
        go.wait()
        yield text("b")

    stream = over(halting)
    assert next(stream).text == "a"
    assert next(stream) is TICK
    go.set()
    assert next(stream).text == "b"
    assert list(stream) == []


def test_what_has_arrived_comes_at_once_as_one_chunk():
    stream = over(lambda: iter([text(letter) for letter in "abcde"]))
    assert next(stream) == Chunk("abcde")


def test_the_mailbox_bounds_what_is_merged():
    produced = 0

    def endless() -> Iterator[ChatGenerationChunk]:
        nonlocal produced
        while True:
            produced += 1
            yield text("x")

    stream = over(endless)
    first = next(stream)
    # the reader does not take its time: what was not asked for is not produced
    gevent.sleep(0.1)
    assert len(first.text) <= ticking.MAILBOX_CHUNKS + 1
    assert produced <= 2 * ticking.MAILBOX_CHUNKS + 2
    stream.close()


def test_the_end_is_merged_with_the_last_text():
    usage = {
        "input_tokens": 7,
        "output_tokens": 2,
        "total_tokens": 9,
        "input_token_details": {"cache_read": 3},
    }
    stream = over(
        lambda: iter(
            [
                text("a"),
                text("b", response_metadata={"finish_reason": "stop"}),
                text("", usage_metadata=usage),
            ]
        )
    )
    (chunk,) = chunks(stream)
    assert (chunk.text, chunk.finish_reason) == ("ab", "stop")
    assert chunk.usage is not None
    assert (chunk.usage.input_tokens, chunk.usage.output_tokens) == (7, 2)
    assert (chunk.usage.source, chunk.usage.cached_input_tokens) == ("reported", 3)


def test_an_error_comes_after_the_text_before_it_and_stays():
    def failing() -> Iterator[ChatGenerationChunk]:
        yield text("a")
        raise UpstreamError(cause="cut")

    stream = over(failing)
    assert next(stream) == Chunk("a")
    for _ in range(2):
        with pytest.raises(UpstreamError):
            next(stream)


def test_an_error_before_any_text_is_raised():
    def failing() -> Iterator[ChatGenerationChunk]:
        raise UpstreamError(cause="refused")
        yield

    with pytest.raises(UpstreamError):
        next(over(failing))


def test_a_bug_is_raised_as_one_and_keeps_its_trace():
    def broken() -> Iterator[ChatGenerationChunk]:
        raise ZeroDivisionError

    with pytest.raises(Internal) as raised:
        next(over(broken))
    assert isinstance(raised.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize("read_first", [0, 1])
def test_close_ends_the_call_at_once(read_first):
    closed = Event()

    def stalled() -> Iterator[ChatGenerationChunk]:
        try:
            yield text("a")
            Event().wait()
        finally:
            closed.set()

    stream = over(stalled)
    for _ in range(read_first):
        next(stream)
    gevent.sleep(0)
    stream.close()
    assert closed.wait(5)


def test_close_ends_a_call_whose_mailbox_is_full():
    closed = Event()

    def endless() -> Iterator[ChatGenerationChunk]:
        try:
            while True:
                yield text("x")
        finally:
            closed.set()

    stream = over(endless)
    next(stream)
    gevent.sleep(0.01)
    stream.close()
    assert closed.wait(5)


def test_close_before_the_start_never_starts():
    started = []

    def start() -> Iterator[ChatGenerationChunk]:
        started.append(True)
        return iter([])

    over(start).close()
    gevent.sleep(0.01)
    assert started == []


def test_close_twice_and_after_the_end_is_no_matter():
    stream = over(lambda: iter([text("a")]))
    chunks(stream)
    stream.close()
    stream.close()


def test_a_busy_stream_lets_the_others_run():
    """A producer that never waits by itself, and a reader that always finds text."""
    produced = 0
    seen = [0]

    def endless() -> Iterator[ChatGenerationChunk]:
        nonlocal produced
        while True:
            # as long as LangChain computes for a token
            time.sleep(0.0006)
            produced += 1
            yield text("x")

    def other() -> None:
        while produced < 300:
            gevent.sleep(0)
            seen.append(produced)

    watcher = gevent.spawn(other)
    stream = over(endless)
    while produced < 500:
        next(stream)
    stream.close()
    watcher.join()
    unseen = [after - before for before, after in pairwise(seen)]
    assert max(unseen) <= 4 * ticking.MAILBOX_CHUNKS


def test_what_arrived_while_our_own_loop_was_late_is_no_tick():
    """The loop is held up while the reader waits: its time is over, and the socket has got data."""
    ours, theirs = socket.socketpair()

    def from_socket() -> Iterator[ChatGenerationChunk]:
        while data := ours.recv(100):
            yield text(data.decode())

    def hold_up() -> None:
        theirs.sendall(b"late")
        time.sleep(5 * TICK_SECONDS)

    stream = over(from_socket)
    assert next(stream) is TICK
    gevent.spawn_later(TICK_SECONDS / 5, hold_up)
    assert next(stream) == Chunk("late")
    theirs.close()
    assert list(stream) == []
    ours.close()
