"""What is measured, as data."""

from dataclasses import dataclass, field

from tests.support.simulator import directive


@dataclass(frozen=True)
class Row:
    """One load. tokens: of each answer; pace: tokens per second of each stream, 0 for as fast as they go."""

    name: str
    streams: int
    tokens: int
    pace: float = 0
    first: float = 0
    ramp_seconds: float = 0
    at_once: int = 0
    path: str = "/chat/stream"
    stock: bool = True
    direct: bool = False
    extra: dict[str, int] = field(default_factory=dict)

    @property
    def question(self) -> str:
        gap = round(1 / self.pace, 4) if self.pace else 0
        return directive(tokens=self.tokens, gap=gap, first=self.first)

    def fastest_seconds(self) -> float:
        """How long an answer takes at its own pace."""
        return self.first + (self.tokens - 1) / self.pace if self.pace else 0.0


SATURATED = Row("saturated: 8 streams as fast as they go", 8, 3000)
PACED = Row("paced: 200 streams of 50 tokens/s", 200, 250, 50, 0.02, 2.0, direct=True)
FEW = Row("few: 20 streams of 50 tokens/s", 20, 250, 50, 0.02, 0.4, direct=True)
LONE = Row("lone: one stream after the other", 40, 20, 200, 0.01, at_once=1, direct=True)
WHOLE = Row("/chat, 8 at once", 300, 20, at_once=8, path="/chat")
WHOLE_LONE = Row("/chat, one after the other", 60, 20, at_once=1, path="/chat", direct=True)
MANY = Row("many: 1,000 streams of 5 tokens/s", 1000, 75, 5, 0.02, 6.0, stock=False, direct=True)
SHORT = Row("answers of 200 tokens", 400, 200, 100, ramp_seconds=8, stock=False)
LONG = Row("answers of 2,000 tokens", 40, 2000, 100, ramp_seconds=1, stock=False)
LONGEST = Row("answers of 8,000 tokens", 40, 8000, 400, ramp_seconds=1, stock=False)

ROWS = (SATURATED, PACED, FEW, LONE, WHOLE, WHOLE_LONE, MANY, SHORT, LONG, LONGEST)
