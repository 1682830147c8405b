"""Records a turn: its metrics and its line in the log."""

import traceback
from collections.abc import Callable, Collection, Mapping
from typing import Any

import structlog

from service.chat.attempt import Attempt
from service.chat.events import Done, fields_of
from service.chat.prompt import Prompt
from service.chat.request import UNKNOWN_FIELD
from service.chat.turn import Caller
from service.errors import ChatError, Detail, Ending
from service.telemetry import initial_samples, metrics
from service.telemetry.logs import frames_of
from service.telemetry.metrics import WasteReason, series

OPERATION = "chat"
# only the operator can fix these: a key, an account
OPERATORS = ("upstream_rejected", "upstream_quota_exhausted")
WHOLE_OR_UNWANTED: tuple[Ending, ...] = ("completed", "disconnected")
WASTE_BY_ENDING: Mapping[Ending, WasteReason] = {"disconnected": "disconnect", "drained": "drain"}


class TurnRecord:
    """The record of one turn from its start. Only the first end() counts."""

    def __init__(self, caller: Caller, turn_id: str, clock: Callable[[], float]) -> None:
        self._caller = caller
        self._turn_id = turn_id
        self._clock = clock
        self._key = metrics.KEY_NAMES.shown(caller.key)
        self._started_at = clock()
        self._waited = 0.0
        self._silent = 0.0
        self._first_sign_at: float | None = None
        self._first_text_at: float | None = None
        self._longest_gap = 0.0
        self._attempts: list[Attempt] = []
        self._model: str | None = None
        self._chain: str | None = None
        self._ended = False
        series(metrics.TURNS_STARTED, caller.route).inc()
        metrics.IN_FLIGHT.inc()

    def asked(self, prompt: Prompt) -> None:
        self._model = prompt.model
        self._chain = prompt.chain

    def waited(self, seconds: float) -> None:
        self._waited += seconds
        self._silent += seconds

    def text(self, now: float) -> None:
        self._sign(now)
        if self._first_text_at is None:
            self._first_text_at = now

    def thinking(self, now: float) -> None:
        self._sign(now)

    def _sign(self, now: float) -> None:
        if self._first_sign_at is None:
            self._first_sign_at = now
        if self._first_text_at is not None:
            self._longest_gap = max(self._longest_gap, self._silent)
        self._silent = 0.0

    def restarted(self) -> None:
        """The text is discarded, but the time to the user's first text stays what it was."""

    def attempt(self, attempt: Attempt) -> None:
        self._attempts.append(attempt)
        self._count_for_key(attempt)
        count_attempt(attempt)

    def bug(self, trace: traceback.TracebackException) -> None:
        report_bug(self._caller.request_id, trace)

    def end(
        self, ending: Ending, *, error: ChatError | None = None, done: Done | None = None
    ) -> None:
        if self._ended:
            return
        self._ended = True
        duration = self._clock() - self._started_at
        if self._first_text_at is not None:
            # a stall counts even if nobody waited for its end
            self._longest_gap = max(self._longest_gap, self._silent)
        metrics.IN_FLIGHT.dec()
        self._observe(ending, duration)
        self._count_waste(ending)
        urgent = error is not None and error.code in OPERATORS
        report = log().warning if urgent else log().info
        report("turn", **self._line(ending, duration, error, done))

    def _observe(self, ending: Ending, duration: float) -> None:
        route = self._caller.route
        series(metrics.TURNS, route, ending).inc()
        series(metrics.TURN_DURATION, route, ending).observe(duration)
        if self._chain is not None:
            series(metrics.CHAIN_TURNS, self._chain, ending).inc()
        series(metrics.KEY_TURNS, self._key, ending).inc()
        if self._model is not None:
            metrics.OVERHEAD.observe(max(0.0, duration - self._waited))
        if self._first_sign_at is not None:
            series(metrics.FIRST_SIGN, route).observe(self._first_sign_at - self._started_at)
        if self._first_text_at is not None:
            series(metrics.FIRST_TOKEN, route).observe(self._first_text_at - self._started_at)
            series(metrics.LONGEST_GAP, route).observe(self._longest_gap)
            if ending not in WHOLE_OR_UNWANTED:
                series(metrics.CUT, route, ending).inc()

    def _count_for_key(self, attempt: Attempt) -> None:
        if attempt.usage is not None:
            series(metrics.KEY_TOKENS, self._key, "input").inc(attempt.usage.input_tokens)
            series(metrics.KEY_TOKENS, self._key, "output").inc(attempt.usage.output_tokens)
        if attempt.cost_usd is not None:
            series(metrics.KEY_COST, self._key).inc(attempt.cost_usd)

    def _count_waste(self, ending: Ending) -> None:
        for place, attempt in enumerate(self._attempts, start=1):
            tokens = _tokens(attempt)
            if not tokens or (ending == "completed" and attempt.result == "ok"):
                continue
            last = place == len(self._attempts)
            again = "restart" if attempt.chunks else "retry"
            reason = WASTE_BY_ENDING.get(ending, "failure") if last else again
            series(metrics.WASTED, reason).inc(tokens)

    def _line(
        self, ending: Ending, duration: float, error: ChatError | None, done: Done | None
    ) -> dict[str, Any]:
        caller = self._caller
        first = self._first_text_at
        return {
            "route": caller.route,
            "ending": ending,
            "code": error.code if error else None,
            "cause": _cause(error) if error else None,
            "request_id": caller.request_id,
            "turn_id": self._turn_id,
            "key": caller.key,
            "key_user": caller.key_user,
            "user_id": caller.user_id,
            "session_id": caller.session_id,
            "chain": self._chain,
            "model": done.model if done else self._model,
            "finish_reason": done.finish_reason if done else None,
            "duration_seconds": round(duration, 4),
            "time_to_first_token_seconds": None
            if first is None
            else round(first - self._started_at, 4),
            "longest_gap_seconds": round(self._longest_gap, 4),
            "overhead_seconds": round(max(0.0, duration - self._waited), 4),
            "answer_usage": fields_of(done.usage) if done else None,
            "answer_cost_usd": done.cost_usd if done else None,
            **_bill(self._attempts),
            "attempts": [_attempt_line(attempt) for attempt in self._attempts],
        }


def announce(
    slots: int,
    version: str,
    llm_client: str,
    models: Mapping[str, str],
    chains: Collection[str],
) -> None:
    """models: every model with its provider. Called once per worker."""
    initial_samples.begin(OPERATION, models, chains)
    metrics.SLOTS.set(slots)
    metrics.IN_FLIGHT.set(0)
    series(metrics.BUILD, version, llm_client).set(1)


def announce_bill(prices: str, *, exact_counts: bool, unpriced: list[str]) -> None:
    """Logs which prices are used, and which are missing."""
    log().info("prices", source=prices)
    if not exact_counts:
        log().warning(
            "no_token_encoding", effect="tokens that are not reported are estimated by length"
        )
    if unpriced:
        log().warning("models_without_price", models=unpriced)


def report_bug(request_id: str, trace: traceback.TracebackException) -> None:
    log().error("bug", request_id=request_id, trace=frames_of(trace))


def log() -> Any:
    return structlog.get_logger("service")


def count_attempt(attempt: Attempt) -> None:
    labels = (OPERATION, attempt.provider, attempt.model)
    series(metrics.ATTEMPTS, attempt.model, attempt.result).inc()
    if attempt.refused is not None:
        series(metrics.REFUSALS, attempt.model, attempt.refused).inc()
    error = "" if attempt.result == "ok" else attempt.result
    series(metrics.OPERATION_DURATION, *labels, error).observe(
        attempt.ended_at - attempt.started_at
    )
    if attempt.first_chunk_at is not None:
        series(metrics.FIRST_CHUNK, *labels).observe(attempt.first_chunk_at - attempt.started_at)
    if attempt.mean_gap is not None:
        series(metrics.OUTPUT_CHUNK, *labels).observe(attempt.mean_gap)
    _count_bill(attempt, labels)


def _count_bill(attempt: Attempt, labels: tuple[str, str, str]) -> None:
    usage = attempt.usage
    if usage is None:
        return
    series(metrics.TOKEN_USAGE, *labels, "input").observe(usage.input_tokens)
    series(metrics.TOKEN_USAGE, *labels, "output").observe(usage.output_tokens)
    if usage.source == "estimated":
        series(metrics.ESTIMATED, attempt.model, attempt.result).inc()
    if attempt.cost_usd is None:
        series(metrics.UNPRICED, attempt.model).inc(_tokens(attempt))
    else:
        series(metrics.COST, attempt.model).inc(attempt.cost_usd)


def _cause(error: ChatError) -> str | None:
    return error.cause or "; ".join(map(_wrong, error.details)) or None


def _wrong(detail: Detail) -> str:
    # a name that the caller made up may be anything, such as a key
    field = "a name" if detail.reason == UNKNOWN_FIELD else detail.field
    return f"{field} {detail.reason}".strip()


def _tokens(attempt: Attempt) -> int:
    return attempt.usage.input_tokens + attempt.usage.output_tokens if attempt.usage else 0


def _bill(attempts: list[Attempt]) -> dict[str, Any]:
    """What the turn cost, including every attempt; None if any price is missing."""
    usages = [attempt.usage for attempt in attempts if attempt.usage]
    costs = [attempt.cost_usd for attempt in attempts if attempt.usage]
    known = [cost for cost in costs if cost is not None]
    sources = {usage.source for usage in usages}
    return {
        "input_tokens": sum(usage.input_tokens for usage in usages),
        "output_tokens": sum(usage.output_tokens for usage in usages),
        "tokens_source": "estimated" if "estimated" in sources else "reported" if sources else None,
        "cost_usd": round(sum(known), 10) if len(known) == len(costs) else None,
    }


def _attempt_line(attempt: Attempt) -> dict[str, Any]:
    usage = attempt.usage
    return {
        "id": attempt.id,
        "model": attempt.model,
        "result": attempt.result,
        "cause": attempt.cause,
        "seconds": round(attempt.ended_at - attempt.started_at, 4),
        "input_tokens": usage.input_tokens if usage else 0,
        "output_tokens": usage.output_tokens if usage else 0,
        "cached_input_tokens": usage.cached_input_tokens if usage else None,
        "source": usage.source if usage else None,
        "cost_usd": attempt.cost_usd,
    }
