"""What is measured, as data."""

from dataclasses import dataclass, replace
from typing import Any

from tests.support.simulator import directive

OPENAI = "/v1/chat/completions"


@dataclass(frozen=True)
class Row:
    """One load. tokens: of each answer; thoughts: reasoning deltas before them.

    pace: tokens per second of each stream, 0 for as fast as they go.

    fresh: in a service that has served nothing before, since a worker keeps the memory that it once had.
    tls: to the model. keyed: callers have a key, with all its limits.
    bare: also measured at the least that Flask and gunicorn can do.
    chain: which one of our service; a row that names one is measured beside LangChain alone, without a service.
    beside: bodies that one more caller sends all the while, one after the other; only the load itself is measured.
    """

    name: str
    streams: int
    tokens: int
    pace: float = 0
    first: float = 0
    ramp_seconds: float = 0
    at_once: int = 0
    path: str = "/chat/stream"
    stock: bool = True
    bare: bool = False
    direct: bool = False
    fresh: bool = False
    tls: bool = False
    keyed: bool = False
    thoughts: int = 0
    chain: str = ""
    beside: tuple[dict[str, Any], ...] = ()

    def measured_at(self, server: str) -> bool:
        return {"stock": self.stock, "bare": self.bare}.get(server, True)

    @property
    def alone(self) -> bool:
        """Whether it is measured in servers that serve no other row."""
        return self.fresh or self.tls or self.keyed

    @property
    def body(self) -> dict[str, Any]:
        if self.path == OPENAI:
            return self.upstream_body
        return {"question": self.question} | ({"chain": self.chain} if self.chain else {})

    @property
    def upstream_body(self) -> dict[str, Any]:
        """What the upstream itself is asked; a model of ours has its name there."""
        return {
            "model": "sim",
            "stream": self.path != "/chat",
            "messages": [{"role": "user", "content": self.question}],
        }

    @property
    def question(self) -> str:
        gap = round(1 / self.pace, 4) if self.pace else 0
        return directive(tokens=self.tokens, thoughts=self.thoughts, gap=gap, first=self.first)

    def fastest_seconds(self) -> float:
        """How long an answer takes at its own pace."""
        return self.first + (self.tokens - 1) / self.pace if self.pace else 0.0


def _large(*contents: str) -> dict[str, Any]:
    """A request whose tokens have to be counted by the service: the upstream does not tell them."""
    history = [{"role": "user", "content": content} for content in contents]
    return {"question": directive(tokens=3, fault="no-usage"), "history": history}


# what is slow to count, to read, to copy or to refuse
LARGE = (
    *(_large(character * 99_900) for character in "^ a0"),
    _large("가" * 33_300),
    _large("👩‍👩‍👧" * 5_000),
    _large(*["so many messages " * 58] * 99),
    _large(*[""] * 2_500),
    {"question": "?", "history": [[]] * 30_000},
    {"question": " " * 100_000},
)

SATURATED = Row("8 streams as fast as they go", 32, 3000, at_once=8, bare=True)
# beside the row above: as many frames, nearly all of them reasoning
THINKING = Row(
    "8 streams, thinking",
    32,
    20,
    thoughts=2980,
    at_once=8,
    stock=False,
)
TLS = replace(SATURATED, name="8 streams, TLS to the model", tls=True, bare=False)
PACED = Row("200 streams of 50 tokens/s", 200, 250, 50, 0.02, 2.0, direct=True, bare=True)
FEW = Row("20 streams of 50 tokens/s", 20, 250, 50, 0.02, 0.4, direct=True)
OPENAI_SATURATED = replace(
    SATURATED, name="/v1/chat/completions, 8 streams as fast as they go", path=OPENAI, bare=False
)
OPENAI_PACED = replace(
    PACED, name="/v1/chat/completions, 200 streams of 50 tokens/s", path=OPENAI, bare=False
)
LONE = Row("one stream after the other", 40, 20, 200, 0.01, at_once=1, direct=True)
WHOLE = Row("/chat, 8 at once", 300, 20, at_once=8, path="/chat")
WHOLE_LONE = Row("/chat, one after the other", 60, 20, at_once=1, path="/chat", direct=True)
MANY = Row(
    "1,000 streams of 5 tokens/s",
    1000,
    75,
    5,
    0.02,
    6.0,
    direct=True,
    fresh=True,
    bare=True,
)
# too few to be paced: what a token costs is not blurred by how many come at once
TURNS = Row("turns of one token, 8 at once", 1000, 1, at_once=8, bare=True)
KEYED = replace(TURNS, name="turns of one token, with a key", keyed=True, bare=False)
TURNS_20 = Row("turns of 20 tokens, 8 at once", 400, 20, at_once=8)
TURNS_200 = Row("turns of 200 tokens, 8 at once", 128, 200, at_once=8, bare=True)
SHORT = Row("answers of 200 tokens", 120, 200, 200, at_once=6, stock=False)
LONG = Row("answers of 2,000 tokens", 12, 2000, 200, at_once=6, stock=False)
LONGEST = Row("answers of 8,000 tokens", 6, 8000, 200, at_once=6, stock=False)
BESIDE = Row(
    "20 streams, beside pathological inputs of 100 KB",
    20,
    250,
    50,
    0.02,
    0.4,
    stock=False,
    beside=LARGE,
)
# runs in a separate greenlet, behind LangChain's composition
STEPS = Row(
    "a chain with a step: 8 streams as fast as they go",
    32,
    3000,
    at_once=8,
    stock=False,
    chain="steps",
)

ROWS = (
    SATURATED,
    OPENAI_SATURATED,
    THINKING,
    TLS,
    TURNS,
    KEYED,
    TURNS_20,
    TURNS_200,
    PACED,
    OPENAI_PACED,
    FEW,
    BESIDE,
    LONE,
    WHOLE,
    WHOLE_LONE,
    MANY,
    SHORT,
    LONG,
    LONGEST,
    STEPS,
)
