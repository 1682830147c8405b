"""S17 to S24: outages that last, limits that last, models that think, and a caller whose input is poison."""

import threading
import time
from itertools import pairwise

from service.resilience.retry import FLOOR_SECONDS, JITTER_SECONDS
from tests.crash.case import Case
from tests.crash.client import CHAT, STREAM, Asking
from tests.crash.expected import Expected
from tests.crash.ledger import upstream_records, upstream_requests
from tests.crash.stack import PLAIN, PRIMARY, SPARE, SPARED, WORKERS, Plan
from tests.crash.trial import Trial
from tests.simulator.tokens import answer_text
from tests.support.simulator import directive

TOKENS = 20
ANSWER = directive(tokens=TOKENS)
WHOLE = answer_text(TOKENS)
OPEN_SECONDS = 2.0
OUTAGE_SECONDS = 10.0
CALLERS = 50


def by_the_primary(trial: Trial) -> bool:
    """Asks once; whether it was not the spare that answered."""
    saw = trial.client.ask(CHAT, ANSWER)
    trial.expect(saw, Expected(attempts=None, text=WHOLE))
    return saw.done is not None and saw.done["model"] == PRIMARY


def way_back(trial: Trial) -> None:
    """The primary is asked once per open period while it is down, and by everybody soon after it is back."""
    primary = trial.stack.primary
    primary.set_default(f"model={PRIMARY} fault=503")
    until = time.monotonic() + OUTAGE_SECONDS
    while time.monotonic() < until:
        trial.check(not by_the_primary(trial), "the primary answered while it was down")
        time.sleep(0.25)
    asked = primary.stats(PRIMARY)["requests"]
    most = WORKERS * (5 * 3 + OUTAGE_SECONDS / OPEN_SECONDS + 1)
    trial.check(asked <= most, f"the primary was asked {asked} times, more than {most:g}")
    primary.set_default("")
    state = lambda: trial.stack.service.metric("chat_breaker_state", model=PRIMARY)  # noqa: E731
    trial.until(
        OPEN_SECONDS + 3,
        lambda: by_the_primary(trial) and state() == 0,
        "the primary is not back in all workers",
    )
    for _ in range(10):
        trial.check(by_the_primary(trial), "the spare answers although the primary is back")


def gaps(trial: Trial) -> None:
    """As the provider sees them: never at once, longer each time, and no two callers alike."""
    question = ANSWER + directive(model=PRIMARY, fault="503", times=2)
    asked = [trial.client.asking(CHAT, f"{question} question {number}") for number in range(4)]
    attempts = "sim:upstream_error, retry sim:upstream_error, retry sim:ok"
    firsts, seconds = [], []
    for asking in asked:
        saw = asking.saw()
        trial.expect(saw, Expected(attempts=attempts, text=WHOLE))
        records = upstream_records(upstream_requests(trial.stack), trial.line(saw.request_id))
        arrived = [float(record["arrived_at"]) for record in records]
        first, second = (later - earlier for earlier, later in pairwise(arrived))
        firsts.append(first)
        seconds.append(second)
    trial.note(f"first gaps {min(firsts):.2f}-{max(firsts):.2f} s, then {min(seconds):.2f} s up")
    trial.check(min(firsts) >= FLOOR_SECONDS, f"a retry after {min(firsts):.3f} s")
    trial.check(min(seconds) >= 2 * FLOOR_SECONDS, f"a second retry after {min(seconds):.3f} s")
    # a busy machine may add to it
    most = FLOOR_SECONDS + JITTER_SECONDS + 1
    trial.check(max(firsts) <= most, f"a retry only after {max(firsts):.3f} s")
    trial.check(max(firsts) - min(firsts) > 0.005, f"callers in step: {firsts}")


def for_ever(trial: Trial) -> None:
    """Whatever the primary refuses with, each caller gets the spare's answer, and soon."""
    turns = 20
    for fault, most in (("429", 1.2 * turns + 10 * WORKERS), ("503", WORKERS * (5 * 3 + 1))):
        before = trial.stack.primary.stats(PRIMARY)["requests"]
        trial.stack.primary.set_default(f"model={PRIMARY} fault={fault}")
        for turn in range(turns):
            saw = trial.client.ask((STREAM, CHAT)[turn % 2], f"{ANSWER} question {turn}")
            trial.expect(saw, Expected(attempts=None, text=WHOLE))
            trial.check((saw.done or {}).get("model") == SPARE, f"{fault}: not the spare's answer")
        asked = trial.stack.primary.stats(PRIMARY)["requests"] - before
        trial.check(asked <= most, f"{fault}: {asked} attempts for {turns} turns")
        trial.note(f"{fault}: {asked} attempts for {turns} turns")
    trial.breakers[PRIMARY] = {"open", "half-open"}


def limited(trial: Trial) -> None:
    """429 for 20 s and 50 callers who ask again: nobody's retries make it worse."""
    trial.stack.primary.set_default(f"model={PRIMARY} fault=429")
    until = time.monotonic() + 20
    rounds = 0
    while time.monotonic() < until:
        rounds += 1
        asked = [trial.client.asking(CHAT, f"{ANSWER} {rounds}/{n}") for n in range(CALLERS)]
        for asking in asked:
            saw = asking.saw()
            told = Expected("upstream_failed", None, "upstream_rate_limited", 429, "")
            trial.expect(saw, told)
            trial.check(int(saw.headers.get("retry-after", 0)) >= 1, "no Retry-After")
        attempts = trial.stack.primary.stats(PRIMARY)["requests"] / (rounds * CALLERS)
        trial.check(attempts < 1.5, f"{attempts:.2f} attempts per question in round {rounds}")
        if rounds == 1:
            trial.note(f"{attempts:.2f} attempts per question in round 1")
        time.sleep(2)
    trial.stack.primary.set_default("")


def thinks(trial: Trial, question: str, expected: Expected) -> None:
    asked = [trial.client.asking(route, question) for route in (STREAM, CHAT)]
    for asking in asked:
        trial.expect(asking.saw(), expected)


def thinks_aloud(trial: Trial) -> None:
    """For longer than the spare's patience with silence; what it thinks is a sign of life."""
    asking = trial.client.asking(STREAM, ANSWER + directive(model=PRIMARY, think=20))
    thinks(
        trial,
        ANSWER + directive(model=PRIMARY, think=20),
        Expected(attempts="sim:ok", text=WHOLE, seconds=(20, 26)),
    )
    saw = asking.saw()
    trial.expect(saw, Expected(attempts="sim:ok", text=WHOLE, seconds=(20, 26)))
    trial.note(f"{saw.thoughts} thinking events in 20 s")
    trial.check(12 <= saw.thoughts <= 22, f"{saw.thoughts} thinking events in 20 s")


def thinks_unseen(trial: Trial) -> None:
    thinks(
        trial,
        ANSWER + directive(model=PRIMARY, first=45),
        Expected(attempts="sim:ok", text=WHOLE, seconds=(45, 50)),
    )


def thinks_without_end(trial: Trial) -> None:
    attempts = "sim:upstream_timeout, fallback spare:ok"
    # what it thought is billed, and no word of the answer
    trial.tokens_are_words = False
    thinks(
        trial,
        ANSWER + directive(model=PRIMARY, think=600),
        Expected(attempts=attempts, text=WHOLE, seconds=(5, 10)),
    )


POISON_SECONDS = 20
# so that the simulator's record holds all of them, however fast the machine is
ATTACK_SECONDS = 0.1


def poisoned(trial: Trial) -> None:
    """One caller's input makes the model fail each time; the others are answered at once all the while."""
    ended = threading.Event()
    poison = directive(model=PRIMARY, fault="500")
    attacks: list[Asking] = []

    def attack() -> None:
        while not ended.is_set():
            attacks.append(trial.client.asking(CHAT, poison))
            attacks[-1].saw()
            ended.wait(ATTACK_SECONDS)

    attackers = [threading.Thread(target=attack, daemon=True) for _ in range(2)]
    for attacker in attackers:
        attacker.start()
    until = time.monotonic() + POISON_SECONDS
    answered = 0
    while time.monotonic() < until:
        saw = trial.client.ask((STREAM, CHAT)[answered % 2], ANSWER)
        trial.expect(saw, Expected(attempts=f"{PRIMARY}:ok", text=WHOLE))
        answered += 1
        time.sleep(0.2)
    ended.set()
    for attacker in attackers:
        attacker.join(30)
    for asking in attacks:
        told = Expected("upstream_failed", None, "upstream_error", 502, "")
        trial.expect(asking.saw(), told)
    trial.note(f"{answered} answers beside {len(attacks)} failures")
    trial.check(len(attacks) > 20, f"only {len(attacks)} attacks")


CASES = (
    Case(
        "S17",
        "the way back to the primary after an outage",
        way_back,
        Plan(fallback=True, settings={"BREAKER_OPEN_SECONDS": OPEN_SECONDS}),
        seconds=25,
    ),
    Case("S18", "gaps between attempts", gaps, PLAIN, shared=True),
    Case("S19", "429, then 503 for ever, and a fallback", for_ever, Plan(fallback=True)),
    Case(
        "S20",
        "429 for 20 s, and 50 callers",
        limited,
        Plan(slots=CALLERS),
        seconds=30,
    ),
    Case("S21", "20 s of thinking aloud", thinks_aloud, SPARED, shared=True, seconds=25),
    Case("S22", "45 s of silent thinking", thinks_unseen, PLAIN, shared=True, seconds=50),
    Case(
        "S23",
        "thinking without end",
        thinks_without_end,
        Plan(fallback=True, settings={"THINKING_TIMEOUT_SECONDS": 5}),
        seconds=10,
    ),
    Case("S24", "a caller whose input is poison", poisoned, seconds=POISON_SECONDS + 5),
)
