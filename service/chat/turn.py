"""What a turn is, on one page: validate → admit → prompt → allowance → chain → events → accounting.

A turn is a plain generator. Each step takes at most a tick, so it can check the clock, the caller and the drain every
time; nothing watches it from outside, and closing it cancels the upstream request at once.
"""

import traceback
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from typing import Protocol

from service.chat.account import Account
from service.chat.attempt import Attempt
from service.chat.deadline import Clock, Deadline
from service.chat.events import TICK, Done, Event, Failed, Restart, Start, Thinking, Token
from service.chat.prompt import Defaults, Prompt, compose
from service.chat.request import ChatRequest, Limits
from service.chat.running_turn import RunningTurn, new_turn_id
from service.errors import ChatError, Draining, Ending, Internal


class Caller(Protocol):
    """Who sent the request, and whether they are still connected."""

    @property
    def route(self) -> str: ...
    @property
    def request_id(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def user_id(self) -> str | None: ...
    @property
    def session_id(self) -> str | None: ...
    @property
    def key(self) -> str:
        """The name of the API key that is billed."""

    @property
    def key_user(self) -> str | None:
        """The user whose limits apply under that key."""

    def open_account(self, turn_id: str) -> Account: ...

    def read(self) -> bytes:
        """Returns the body. Raises InvalidRequest or a subclass."""

    def parse(self, body: bytes, limits: Limits) -> ChatRequest:
        """Raises InvalidRequest or a subclass."""

    def begun(self, turn: RunningTurn) -> None:
        """Called once the turn is running."""

    @property
    def takes_back(self) -> bool:
        """Whether the caller can discard text."""

    def gone(self) -> bool: ...


class Record(Protocol):
    """What telemetry records of a turn. Only the first end() counts."""

    def asked(self, prompt: Prompt) -> None: ...
    def waited(self, seconds: float) -> None: ...
    def text(self, now: float) -> None: ...
    def thinking(self, now: float) -> None: ...
    def attempt(self, attempt: Attempt) -> None: ...
    def restarted(self) -> None: ...
    def end(
        self, ending: Ending, *, error: ChatError | None = None, done: Done | None = None
    ) -> None: ...
    def bug(self, trace: traceback.TracebackException) -> None: ...


class CallerGone(Exception):
    """The caller has disconnected."""


@dataclass(frozen=True)
class Books:
    """The two accounts of a turn: what it may cost, and what telemetry records."""

    account: Account
    record: Record

    def attempt(self, attempt: Attempt) -> None:
        self.account.attempt(attempt)
        self.record.attempt(attempt)

    def end(
        self, ending: Ending, *, error: ChatError | None = None, done: Done | None = None
    ) -> None:
        self.account.end(ending, error)
        self.record.end(ending, error=error, done=done)


@dataclass(frozen=True)
class Turns:
    """Runs turns. clock: monotonic seconds. drained: whether running answers must end now.

    answer: yields a turn's events after Start, each within a tick and the last one Done, or raises a ChatError.
    """

    limits: Limits
    defaults: Defaults
    admit: Callable[[], AbstractContextManager[None]]
    answer: Callable[[RunningTurn], Generator[Event, None, None]]
    begin: Callable[[Caller, str], Record]
    drained: Callable[[], bool]
    clock: Clock
    look_seconds: float
    turn_seconds: float
    most_calls: int

    def run(self, caller: Caller) -> Generator[Event, None, None]:
        """Yields a turn's events; the last is Done or Failed, unless the caller has gone.

        The turn is recorded and its slot released before the last event is yielded.
        """
        turn_id = new_turn_id()
        books = Books(caller.open_account(turn_id), self.begin(caller, turn_id))
        last: Event
        try:
            done = yield from self._answer(caller, turn_id, books)
            books.end("completed", done=done)
            last = done
        except ChatError as error:
            if isinstance(error, Internal):
                books.record.bug(traceback.TracebackException.from_exception(error))
            books.end(error.ending, error=error)
            last = Failed(error)
        except (CallerGone, GeneratorExit):
            books.end("disconnected")
            return
        except Exception as bug:  # noqa: BLE001 - the one place where a bug becomes an ending
            books.record.bug(traceback.TracebackException.from_exception(bug))
            books.end("failed", error=Internal())
            last = Failed(Internal())
        finally:
            books.end("failed")
        yield last

    def _answer(self, caller: Caller, turn_id: str, books: Books) -> Generator[Event, None, Done]:
        request = caller.parse(caller.read(), self.limits)
        with self.admit():
            prompt = compose(request, self.defaults, caller, turn_id)
            books.record.asked(prompt)
            if caller.gone():
                # a caller who left while waiting costs nothing
                raise CallerGone
            books.account.begin(prompt)
            yield Start(caller.request_id, prompt.model)
            turn = RunningTurn(
                prompt,
                Deadline.after(self.turn_seconds, self.clock),
                books.attempt,
                self.most_calls,
                books.account.hold,
                takes_back=caller.takes_back,
            )
            caller.begun(turn)
            try:
                with closing(self.answer(turn)) as events:
                    return (yield from self._deliver(events, caller, books.record))
            finally:
                turn.gone = True

    def _deliver(
        self, events: Generator[Event, None, None], caller: Caller, record: Record
    ) -> Generator[Event, None, Done]:
        look_at = self.clock()
        while True:
            asked_at = self.clock()
            event = next(events)
            now = self.clock()
            record.waited(now - asked_at)
            if isinstance(event, Done):
                return event
            if isinstance(event, Token):
                record.text(now)
            elif isinstance(event, Thinking):
                record.thinking(now)
            elif isinstance(event, Restart):
                record.restarted()
            if event is TICK or now >= look_at:
                self._look(caller)
                look_at = now + self.look_seconds
            yield event

    def _look(self, caller: Caller) -> None:
        if caller.gone():
            raise CallerGone
        if self.drained():
            raise Draining
