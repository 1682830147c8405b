"""The catalogue: every metric once, with its unit, its labels, and where it is used.

Labels come from closed sets: routes, endings, error codes and configured model names; never from what a caller sends.
Dead workers are handled: their counters and histograms are kept, gauges cover live workers only.
"""

from functools import cache
from typing import Literal, TypeVar

from prometheus_client import Counter, Gauge, Histogram

from service.errors import Ending

Metric = TypeVar("Metric", Counter, Gauge, Histogram)

# OpenTelemetry's GenAI buckets
GEN_AI_SECONDS = tuple(round(0.01 * 2**n, 2) for n in range(14))
GEN_AI_TOKENS = tuple(4**n for n in range(1, 10))
# from an answer of one word to the turn deadline
TURN_SECONDS = (0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 90, 120, 180, 300, 600)
# people notice 0.3 s and leave after a few seconds; a model may think for minutes, and that must be visible
FIRST_TOKEN_SECONDS = (
    0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 8, 12, 20, 30, 60, 120, 300,
)  # fmt: skip
# reading stays fluent below about 0.25 s; the idle deadline is 10 s
GAP_SECONDS = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20)
# our own work per turn: milliseconds when healthy
OVERHEAD_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)

GEN_AI = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model")

# one per attempt at the LLM: the LLM dashboard
OPERATION_DURATION = Histogram(
    "gen_ai_client_operation_duration_seconds",
    "Duration of one attempt at the LLM; error_type is empty for a complete answer.",
    (*GEN_AI, "error_type"),
    buckets=GEN_AI_SECONDS,
)
FIRST_CHUNK = Histogram(
    "gen_ai_client_operation_time_to_first_chunk_seconds",
    "Time from the start of an attempt to its first content.",
    GEN_AI,
    buckets=GEN_AI_SECONDS,
)
OUTPUT_CHUNK = Histogram(
    "gen_ai_client_operation_time_per_output_chunk_seconds",
    "Mean time between the contents of one attempt after the first.",
    GEN_AI,
    buckets=GEN_AI_SECONDS,
)
TOKEN_USAGE = Histogram(
    "gen_ai_client_token_usage",
    "Tokens of one attempt, reported or estimated; gen_ai_token_type is input or output.",
    (*GEN_AI, "gen_ai_token_type"),
    buckets=GEN_AI_TOKENS,
)
ATTEMPTS = Counter(
    "chat_llm_attempts_total",
    "Attempts at the LLM by result: ok, cancelled (by us or the caller), or the error's code.",
    ("model", "result"),
)

# the parameters we send and models reject; a chain may bind others
USUAL_PARAMETERS = (
    "temperature",
    "max_tokens",
    "max_completion_tokens",
    "stream_options",
    "system",
)
ADAPTED = Counter(
    "chat_adapted_parameters_total",
    "Parameters that a model rejected and that were then left out, renamed or changed.",
    ("model", "parameter"),
)
REFUSALS = Counter(
    "chat_llm_refusals_total",
    "Attempts that failed because the provider rejects our configuration: key, model name, address or access.",
    ("model", "reason"),
)

# one per turn: the service dashboard, the SLOs and their alerts
TURNS_STARTED = Counter("chat_turns_started_total", "Turns started.", ("route",))
TURNS = Counter("chat_turns_total", "Turns ended, by ending.", ("route", "ending"))
TURN_DURATION = Histogram(
    "chat_turn_duration_seconds",
    "Time from the request to the end of the turn.",
    ("route", "ending"),
    buckets=TURN_SECONDS,
)
FIRST_TOKEN = Histogram(
    "chat_turn_time_to_first_token_seconds",
    "Time the caller waits for the first text, retries and fallback included.",
    ("route",),
    buckets=FIRST_TOKEN_SECONDS,
)
FIRST_SIGN = Histogram(
    "chat_turn_time_to_first_sign_seconds",
    "Time the caller waits for the first sign of life: text, or that the model is thinking.",
    ("route",),
    buckets=FIRST_TOKEN_SECONDS,
)
LONGEST_GAP = Histogram(
    "chat_turn_longest_gap_seconds",
    "Longest wait for the LLM in a turn after the first text, thinking excluded.",
    ("route",),
    buckets=GAP_SECONDS,
)
# the endings of an answer that has begun, besides completed and disconnected
CUT_ENDINGS: tuple[Ending, ...] = (
    *("upstream_failed", "timed_out", "filtered", "drained", "dependency_failed", "failed"),
)
CUT = Counter(
    "chat_answers_cut_total",
    "Answers that were cut after their first text, not by their callers.",
    ("route", "ending"),
)
OVERHEAD = Histogram(
    "chat_overhead_seconds",
    "Duration of a turn minus the time spent waiting for the LLM.",
    buckets=OVERHEAD_SECONDS,
)
IN_FLIGHT = Gauge("chat_turns_in_flight", "Turns running now.", multiprocess_mode="livesum")
SLOTS = Gauge(
    "chat_admission_slots", "Turns that may run concurrently.", multiprocess_mode="livesum"
)

# the guard: the LLM dashboard, and the alerts on breaker, fallback and retry budget
RETRIES = Counter("chat_llm_retries_total", "Retried attempts, by error code.", ("reason",))
RETRIES_DENIED = Counter(
    "chat_retries_denied_total",
    "Retries skipped: budget, deadline, waits (too long in total) or retry_after (too long).",
    ("reason",),
)
FALLBACKS = Counter(
    "chat_fallbacks_total",
    "Turns handed to the fallback, by the primary's error code.",
    ("reason",),
)
RESTARTS = Counter(
    "chat_restarts_total", "Answers that were cut and restarted, by error code.", ("reason",)
)
BREAKER_STATE = Gauge(
    "chat_breaker_state",
    "0 closed, 1 half-open, 2 open; the worst of all workers.",
    ("model",),
    multiprocess_mode="livemax",
)
DEPENDENCY_UP = Gauge(
    "chat_dependency_up",
    "1 while the dependency responds.",
    ("dependency",),
    multiprocess_mode="livemin",
)

# chains: the service dashboard
STEP_SECONDS = Histogram(
    "chat_step_seconds",
    "Time of one chain step other than a model call, nested steps excluded.",
    ("chain", "step"),
    buckets=FIRST_TOKEN_SECONDS,
)
LOOP_LAG = Histogram(
    "chat_loop_lag_seconds",
    "Delay of a worker's event loop, sampled ten times a second: all its answers stall for that long.",
    buckets=OVERHEAD_SECONDS,
)
CHAIN_TURNS = Counter("chat_chain_turns_total", "Turns ended, by chain.", ("chain", "ending"))

# costs: the LLM dashboard and the cost alert
COST = Counter("chat_cost_usd_total", "US dollars spent, all attempts included.", ("model",))
WasteReason = Literal["disconnect", "drain", "restart", "retry", "failure"]
WASTED = Counter(
    "chat_tokens_wasted_total",
    "Tokens of attempts whose answer nobody received in full.",
    ("reason",),
)
ESTIMATED = Counter(
    "chat_usage_estimated_total",
    "Attempts whose tokens we had to estimate, by result.",
    ("model", "result"),
)
UNPRICED = Counter("chat_unpriced_tokens_total", "Tokens of models without a price.", ("model",))


# keys: the access dashboard, and the alerts on budgets, refusals and guessing
class KeyNames:
    """Key names as label values, bounded so that the number of series stays limited."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._names: set[str] = set()

    def shown(self, name: str) -> str:
        if name not in self._names:
            if len(self._names) >= self._most:
                return OTHER_KEYS
            self._names.add(name)
        return name


OTHER_KEYS = "other"
KEY_NAMES = KeyNames(100)
KEY_TURNS = Counter("chat_key_turns_total", "Turns ended, by API key.", ("key", "ending"))
KEY_TOKENS = Counter(
    "chat_key_tokens_total",
    "Tokens of all attempts, by API key; type is input or output.",
    ("key", "type"),
)
KEY_COST = Counter("chat_key_cost_usd_total", "US dollars spent, by API key.", ("key",))
KEY_REFUSALS = Counter(
    "chat_key_refusals_total",
    "Turns and model calls refused, by API key and limit.",
    ("key", "limit"),
)
KEY_BUDGET_USED = Gauge(
    "chat_key_budget_used_ratio",
    "Share of an API key's budget that is spent or reserved, by period: day or month.",
    ("key", "period"),
    multiprocess_mode="livemax",
)
KEYS_REFUSED = Counter(
    "chat_keys_refused_total",
    "Requests refused because of their API key, by problem.",
    ("problem",),
)
ACCESS_OPEN = Gauge(
    "chat_access_open",
    "1 while requests without an API key are accepted.",
    multiprocess_mode="livemax",
)
LEDGER_WAITING = Gauge(
    "chat_ledger_waiting", "Ledger rows waiting for the database.", multiprocess_mode="livesum"
)
LEDGER_DROPPED = Counter(
    "chat_ledger_rows_dropped_total", "Ledger rows that could not be stored: only the log has them."
)
LEASES_SWEPT = Counter(
    "chat_leases_swept_total", "Leases of dead workers, closed by other workers."
)

# the log: the platform dashboard, and the alert on lost log lines
LOG_LINES_DROPPED = Counter(
    "chat_log_lines_dropped_total",
    "Workers' log lines lost because standard output was not read.",
)

BUILD = Gauge(
    "chat_build_info",
    "Always 1; the labels describe the running version.",
    ("version", "llm_client"),
    multiprocess_mode="livemax",
)


@cache
def series(metric: Metric, *labels: str) -> Metric:
    """One series of a metric. prometheus_client's own lookup takes a lock and ten times as long."""
    return metric.labels(*labels)
