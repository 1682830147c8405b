"""Whether log, metrics, bill and the upstream's own record tell the same story of a case."""

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from tests.crash.stack import PRICES, SPARE, Stack

Line = dict[str, Any]
LABEL = re.compile(r'(\w+)="([^"]*)"')
# a cost is a sum of rounded parts
PENNY = 1e-9


class Ledger:
    """Compares counters with what they were when it was made."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._before = stack.service.metrics()
        self._after: dict[str, float] = {}

    def close(self) -> None:
        """The case is over: what the counters are now."""
        self._after = self._stack.service.metrics()

    def moved(self, name: str, *labels: str) -> dict[tuple[str, ...], float]:
        """By how much, by the values of these labels; only what moved."""
        found: Counter[tuple[str, ...]] = Counter()
        for sample, value in self._after.items():
            if sample.partition("{")[0] == name:
                told = dict(LABEL.findall(sample))
                key = tuple(told.get(label, "") for label in labels)
                found[key] += value - self._before.get(sample, 0.0)  # type: ignore[assignment]
        return {key: value for key, value in found.items() if abs(value) > PENNY}

    def differences(self, lines: Iterable[Line], lost: int) -> list[str]:
        """lines: the log's turns; lost: turns whose worker was killed."""
        lines = list(lines)
        attempts = [attempt for line in lines for attempt in line["attempts"]]
        wanted = {
            ("chat_turns_started_total", "route"): Counter((line["route"],) for line in lines),
            ("chat_turns_total", "route", "ending"): Counter(
                (line["route"], line["ending"]) for line in lines
            ),
            ("chat_llm_attempts_total", "model", "result"): Counter(
                (attempt["model"], attempt["result"]) for attempt in attempts
            ),
            ("chat_usage_estimated_total", "model", "result"): Counter(
                (attempt["model"], attempt["result"])
                for attempt in attempts
                if attempt["source"] == "estimated"
            ),
            ("gen_ai_client_token_usage_sum", "gen_ai_request_model", "gen_ai_token_type"): tokens(
                attempts
            ),
            ("chat_tokens_wasted_total",): wasted(lines),
            ("chat_cost_usd_total", "model"): costs(attempts),
        }
        found = []
        for (name, *labels), want in wanted.items():
            got = self.moved(name, *labels)
            if name == "chat_turns_started_total" and lost:
                got = {route: count - lost for route, count in got.items()}
            if not same(got, want):
                found.append(f"{name} moved by {got}, the log says {dict(want)}")
        return found


def same(got: dict[Any, float], want: dict[Any, float]) -> bool:
    keys = {key for key in (*got, *want) if abs(got.get(key, 0) - want.get(key, 0)) > PENNY}
    return not keys


def tokens(attempts: list[Line]) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for attempt in attempts:
        for kind in ("input", "output"):
            found[attempt["model"], kind] += attempt[f"{kind}_tokens"]
    return found


def wasted(lines: list[Line]) -> dict[tuple[str, ...], float]:
    """Tokens of all attempts but the ones whose answer was delivered."""
    count = sum(
        attempt["input_tokens"] + attempt["output_tokens"]
        for line in lines
        for attempt in line["attempts"]
        if not (line["ending"] == "completed" and attempt["result"] == "ok")
    )
    return {(): count}


def costs(attempts: list[Line]) -> dict[tuple[str, ...], float]:
    found: dict[tuple[str, ...], float] = {}
    for attempt in attempts:
        asked, answered = PRICES[attempt["model"]]
        cost = attempt["input_tokens"] * asked + attempt["output_tokens"] * answered
        key = (attempt["model"],)
        found[key] = found.get(key, 0.0) + cost / 1_000_000
    return found


def upstream_requests(stack: Stack) -> dict[str, list[Line]]:
    """What both simulators saw, by request id: read once for many turns."""
    found: dict[str, list[Line]] = {}
    for record in (*stack.primary.requests(), *stack.spare.requests()):
        found.setdefault(record["headers"].get("x-request-id", ""), []).append(record)
    return found


def upstream_records(requests: dict[str, list[Line]], line: Line) -> list[Line]:
    """Those of one turn, in order."""
    ids = {attempt["id"] for attempt in line["attempts"]}
    mine = [record for request_id in ids for record in requests.get(request_id, ())]
    return sorted(mine, key=lambda record: float(record["arrived_at"]))


def upstream_differences(requests: dict[str, list[Line]], line: Line, *, bills: bool) -> list[str]:
    """The log's attempts against the upstream's record of them, one by one."""
    records = upstream_records(requests, line)
    told = [attempt["model"] for attempt in line["attempts"]]
    seen = [record["model"] for record in records]
    if told != seen:
        return [f"the log has attempts at {told}, the upstream saw {seen}"]
    if not bills:
        return []
    pairs = zip(line["attempts"], records, strict=True)
    return [found for attempt, record in pairs if (found := _bill_difference(attempt, record))]


def _bill_difference(attempt: Line, record: Line) -> str | None:
    billed = (attempt["source"], attempt["input_tokens"], attempt["output_tokens"])
    usage = record["usage"]
    if usage is not None:
        true = ("reported", usage["prompt_tokens"], usage["completion_tokens"])
        return None if billed == true else f"billed {billed}, the upstream says {true}"
    if record["status"] != 200:
        return None if not billed[2] else f"billed {billed} for a refusal"
    written = record["tokens_written"]
    # of what was on its way when we hung up, some never arrived
    least = 0 if record["ending"] == "aborted" else written
    if not least <= attempt["output_tokens"] <= written:
        return f"billed {billed}, the upstream wrote {written} tokens"
    return None


def keys_differences(stack: Stack) -> list[str]:
    """Each upstream is shown its own key, and that alone."""
    primary = {record["authorization_sha256"] for record in stack.primary.requests()}
    spare = {record["authorization_sha256"] for record in stack.spare.requests()}
    models = {record["model"] for record in stack.spare.requests()} - {SPARE}
    found = ["both upstreams were shown the same key"] if primary & spare else []
    return found + ([f"the spare was asked for {models}"] if models else [])
