"""What is expected of a turn: its ending, the upstream's calls in order, and how long it may take."""

from collections import Counter
from dataclasses import dataclass

from tests.crash.client import Saw

COUNTED = {
    "retry": "chat_llm_retries_total",
    "fallback": "chat_fallbacks_total",
    "restart": "chat_restarts_total",
}


@dataclass(frozen=True)
class Call:
    """One attempt. why: ask, retry, fallback or restart."""

    why: str
    model: str
    result: str


def calls(text: str) -> list[Call]:
    """`sim:upstream_error, retry sim:ok` is two attempts."""
    found = []
    for part in filter(None, text.split(", ")):
        *why, call = part.split()
        model, _, result = call.partition(":")
        found.append(Call(why[0] if why else "ask", model, result))
    return found


@dataclass(frozen=True)
class Expected:
    """attempts: see calls(), None: whatever the log says. seconds: at least and at most, at the client."""

    ending: str = "completed"
    attempts: str | None = ""
    code: str | None = None
    status: int = 200
    text: str | None = None
    seconds: tuple[float, float] = (0.0, 5.0)

    def moved(self) -> Counter[tuple[str, str]]:
        """How often each of the guard's counters moves, by its reason."""
        found: Counter[tuple[str, str]] = Counter()
        reason = "circuit_open"
        for call in calls(self.attempts or ""):
            if call.why != "ask":
                found[COUNTED[call.why], reason] += 1
            reason = call.result
        return found

    def differences(self, saw: Saw) -> list[str]:
        """What the client saw that it should not have."""
        found = [] if saw.whole or self.ending == "disconnected" else ["the response was cut"]
        if saw.status != self.status:
            found.append(f"status {saw.status}, not {self.status}")
        if saw.code != self.code:
            found.append(f"code {saw.code}, not {self.code}")
        if (saw.done is not None) is not (self.ending == "completed"):
            found.append("no whole answer" if saw.done is None else "an answer told as whole")
        if self.text is not None and saw.text != self.text:
            found.append(f"text {_short(saw.text)}, not {_short(self.text)}")
        if not self.seconds[0] <= saw.seconds <= self.seconds[1]:
            found.append(f"{saw.seconds:.1f} s, not {self.seconds[0]:g} to {self.seconds[1]:g}")
        if saw.headers and saw.headers.get("x-request-id") != saw.request_id:
            found.append("another request id in the response")
        return found


def _short(text: str) -> str:
    return f"of {len(text.split())} words ({text[:30]!r}…)"
