"""What the service has to reach, judged by the medians of one run."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.bench import rows
from tests.bench.report import Medians
from tests.bench.rows import Row

# LangChain's chain.stream, without a service
ALONE = "LangChain alone"


@dataclass(frozen=True)
class Target:
    """least, or below: the limit of `figure`."""

    says: str
    figure: Callable[[Medians], float]
    least: float | None = None
    below: float | None = None

    def judged(self, found: Medians) -> str | None:
        """One line; None where its rows are not there."""
        try:
            value = self.figure(found)
        except KeyError:
            return None
        met = value >= self.least if self.least is not None else value < (self.below or 0)
        limit = f"at least {self.least:g}" if self.least is not None else f"below {self.below:g}"
        return f"{'met   ' if met else 'MISSED'} {self.says}: {value:.4g}, {limit}"


def verdicts(found: Medians) -> list[str]:
    """Of the rows that were measured; a round that the load generator limited proves nothing."""
    valid = {row: servers for row, servers in found.items() if servers["ours"]["valid_rounds"]}
    lines = [line for target in TARGETS if (line := target.judged(valid)) is not None]
    return lines + [f"UNKNOWN, no valid round: {row}" for row in found.keys() - valid.keys()]


def _ours(row: Row, key: str, factor: float = 1) -> Callable[[Medians], float]:
    return lambda found: found[row.name]["ours"][key] * factor


def _ratio(row: Row) -> Callable[[Medians], float]:
    key = "cpu_us_per_token"
    return lambda found: found[row.name]["stock"][key] / found[row.name]["ours"][key]


def _of_own_stream(openai: Row, own: Row) -> Callable[[Medians], float]:
    """CPU per token on /v1 over that of our own stream."""
    key = "cpu_us_per_token"
    return lambda found: found[openai.name]["ours"][key] / found[own.name]["ours"][key]


def _added_ms(row: Row, key: str) -> Callable[[Medians], float]:
    return lambda found: (found[row.name]["ours"][key] - found[row.name]["direct"][key]) * 1000


def _growth(long: Row) -> Callable[[Medians], float]:
    """CPU per token of long answers over that of short ones."""
    key = "cpu_us_per_token"
    return lambda found: found[long.name]["ours"][key] / found[rows.SHORT.name]["ours"][key]


def _failed(found: Medians) -> float:
    return sum(servers["ours"]["failed"] for servers in found.values() if "ours" in servers)


def _over_alone(row: Row) -> Callable[[Medians], float]:
    key = "cpu_us_per_token"
    return lambda found: found[row.name]["ours"][key] / found[row.name][ALONE][key]


TARGETS = (
    Target(
        "8 streams as fast as they go, CPU per token, stock / ours",
        _ratio(rows.SATURATED),
        least=15,
    ),
    Target("turns of one token, CPU, stock / ours", _ratio(rows.TURNS), least=1.5),
    Target("turns of 200 tokens, CPU, stock / ours", _ratio(rows.TURNS_200), least=15),
    Target("200 streams, CPU per token, stock / ours", _ratio(rows.PACED), least=6),
    Target(
        "/v1, 8 streams as fast as they go, CPU per token, stock / ours",
        _ratio(rows.OPENAI_SATURATED),
        least=15,
    ),
    Target(
        "/v1, 8 streams as fast as they go, CPU per token / our own stream's",
        _of_own_stream(rows.OPENAI_SATURATED, rows.SATURATED),
        below=1.1,
    ),
    Target(
        "/v1, 200 streams, CPU per token / our own stream's",
        _of_own_stream(rows.OPENAI_PACED, rows.PACED),
        below=1.1,
    ),
    Target(
        "200 streams, first token p99 over direct, ms",
        _added_ms(rows.PACED, "first_p99"),
        below=150,
    ),
    Target("200 streams, gap p99, ms", _ours(rows.PACED, "gap_p99", 1000), below=100),
    Target("1,000 streams, CPU per token, stock / ours", _ratio(rows.MANY), least=3),
    Target("1,000 streams, first token p99, ms", _ours(rows.MANY, "first_p99", 1000), below=1000),
    Target("1,000 streams, KB per stream", _ours(rows.MANY, "memory_kb_per_stream"), below=100),
    Target("2,000 tokens, CPU per token / 200 tokens'", _growth(rows.LONG), below=1.2),
    Target("8,000 tokens, CPU per token / 200 tokens'", _growth(rows.LONGEST), below=1.2),
    Target(
        "a chain with a step, CPU per token, ours / LangChain alone",
        _over_alone(rows.STEPS),
        below=1.5,
    ),
    Target("/chat, median over direct, ms", _added_ms(rows.WHOLE_LONE, "total_p50"), below=5),
    Target(
        "a lone stream, first token over direct, ms", _added_ms(rows.LONE, "first_p50"), below=5
    ),
    Target(
        "a lone stream, whole answer over direct, ms", _added_ms(rows.LONE, "total_p50"), below=5
    ),
    Target(
        "longest gap beside pathological inputs, ms",
        _ours(rows.BESIDE, "gap_longest", 1000),
        below=100,
    ),
    Target("streams that failed, all loads", _failed, below=1),
)
