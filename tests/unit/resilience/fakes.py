"""What the guard is given instead of time, models, other workers and telemetry: written by hand, read by the tests."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import count

from service.chat.deadline import Deadline
from service.chat.events import TICK, CallEvent, Chunk, Done, Restart, Tick, Token, Usage
from service.chat.prompt import Prompt
from service.chat.running_turn import Report, RunningTurn
from service.errors import ChatError
from service.resilience.blame import Origin
from service.resilience.breaker import Alone, Breaker, Breakers
from service.resilience.budget import RetryBudget
from service.resilience.call import Upstream
from service.resilience.guard import Guard, Route
from service.resilience.patience import Limits, Patience
from service.resilience.retry import RetryPolicy

TICK_SECONDS = 0.25


@dataclass(frozen=True)
class FakeCall:
    model: str = "main"
    question: int = 1
    takes_back: bool = True
    offers_tools: bool = False
    most_chars: int = 10_000


LIMITS = Limits(first_content=10, thinking_silence=10, thinking=180, idle=10, missed=10)
PROBE_SECONDS = 63
PROMPT = Prompt(
    system="",
    history=(),
    question="why?",
    model="main",
    temperature=None,
    max_tokens=100,
    request_id="request-1",
    turn_id="turn-1",
)
CALL = FakeCall()
REPORTED = Usage(7, 2, "reported")
ESTIMATED = Usage(1, 1, "estimated")
STOP = Chunk(finish_reason="stop", usage=REPORTED)

Step = Chunk | Tick | Exception


NUMBERS = count(1)


def origin(*caller: str, turn: str | None = None, question: int | None = None) -> Origin:
    """Of somebody, in a turn, about a question: each one's own unless it is given."""
    number = next(NUMBERS)
    return Origin(
        turn or f"turn-{number}",
        number if question is None else question,
        caller or (f"address-{number}", f"user-{number}"),
    )


def texts(*words: str) -> list[Step]:
    return [Chunk(word) for word in words]


def whole(*words: str) -> list[Step]:
    """A script: an answer with its end."""
    return [*texts(*words), STOP]


def silence(seconds: float) -> list[Step]:
    return [TICK] * int(seconds / TICK_SECONDS)


class Clock:
    """Monotonic seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Heard:
    """A listener that remembers. told has what a turn does, states what breakers and dependencies are."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.states: list[tuple[str, str]] = []

    def retried(self, reason: str) -> None:
        self.told.append(("retried", reason))

    def retry_denied(self, reason: str) -> None:
        self.told.append(("denied", reason))

    def fell_back(self, reason: str) -> None:
        self.told.append(("fell_back", reason))

    def restarted(self, reason: str) -> None:
        self.told.append(("restarted", reason))

    def breaker_is(self, model: str, state: str, *, alone: bool = False) -> None:
        self.states.append((model, f"{state} for one" if alone else state))

    def dependency_is(self, dependency: str, *, up: bool, cause: str | None = None) -> None:
        self.states.append((dependency, "up" if up else f"down: {cause}"))


class ScriptedStream:
    """Plays steps: a TICK lasts as long as a tick, an exception is raised, the end is the end."""

    def __init__(self, clock: Clock, steps: Iterable[Step]) -> None:
        self._clock = clock
        self._steps = iter(steps)
        self.closed = False
        self.sent = False

    def __next__(self) -> Chunk | Tick:
        step = next(self._steps)
        if isinstance(step, Exception):
            raise step
        if step is TICK:
            self.sent = True
            self._clock.sleep(TICK_SECONDS)
        return step

    def close(self) -> None:
        self.closed = True


class Models:
    """Upstreams of one clock. asked: the names in the order they were asked, with what was asked."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.asked: list[str] = []
        self.ids: list[str] = []
        self.streams: list[ScriptedStream] = []

    def upstream(self, name: str, *scripts: list[Step]) -> Upstream:
        """Plays one script for each time it is asked."""
        left = list(scripts)

        def begin(call: FakeCall, request_id: str) -> ScriptedStream:
            self.asked.append(name)
            self.ids.append(request_id)
            self.streams.append(ScriptedStream(self._clock, left.pop(0)))
            return self.streams[-1]

        return Upstream(name, begin, lambda _prompt, _text: ESTIMATED, lambda _model, _usage: 0.5)


class World:
    """A guard over scripted models, and everything it told."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.heard = Heard()
        self.models = Models(self.clock)
        self.breakers: dict[str, Breaker] = {}
        self.reports: list[tuple[str, str]] = []

    def breaker(self, model: str, failures: int = 5) -> Breaker:
        self.breakers[model] = Breaker(
            model, failures, 15, PROBE_SECONDS, self.clock, self.heard, Alone()
        )
        return self.breakers[model]

    def guard(
        self,
        scripts: dict[str, list[list[Step]]],
        *,
        attempts: int = 3,
        failures: int = 5,
        budget: RetryBudget | None = None,
        first_content: float | None = 10,
    ) -> Guard:
        """scripts: by model, in the order of the routes."""
        breakers = Breakers(lambda one: self.breaker(one, failures))
        routes = tuple(
            Route(self.models.upstream(name, *played), breakers) for name, played in scripts.items()
        )
        for name in scripts:
            breakers.of(name)
        return Guard(
            routes=routes,
            retry=RetryPolicy(attempts, budget or RetryBudget(0.2), self.heard),
            patience=Patience(first_content, 10, 180, 300, self.clock),
            listener=self.heard,
            clock=self.clock,
            sleep=self.clock.sleep,
            tick_seconds=TICK_SECONDS,
        )

    def turn(
        self, seconds: float = 120, report: Report | None = None, prompt: Prompt = PROMPT
    ) -> RunningTurn:
        return RunningTurn(
            prompt=prompt,
            deadline=Deadline.after(seconds, self.clock),
            report=report or (lambda a: self.reports.append((a.model, a.result))),
            most_calls=20,
        )

    def ask(self, guard: Guard, question: int, user_id: str | None = None) -> list[str]:
        """A turn of its own, by somebody; as run()."""
        prompt = replace(PROMPT, turn_id=f"turn-{next(NUMBERS)}", user_id=user_id)
        return self.told(guard.answer(FakeCall(question=question), self.turn(prompt=prompt)))

    def run(self, guard: Guard, turn_seconds: float = 120) -> list[str]:
        """What a caller is told, one word each: texts, "!model" for a restart, "= model" or "# code" at the end."""
        return self.told(guard.answer(CALL, self.turn(turn_seconds)))

    def told(self, events: Iterable[CallEvent]) -> list[str]:
        seen = []
        try:
            for event in events:
                if isinstance(event, Token):
                    seen.append(event.text)
                elif isinstance(event, Restart):
                    seen.append(f"!{event.model}")
                elif isinstance(event, Done):
                    seen.append(f"= {event.model}")
        except ChatError as error:
            seen.append(f"# {error.code}")
        return seen
