"""The language model: how it does, and what it costs."""

from monitoring.dashboards.dashboard import Dashboard, Row, Variable
from monitoring.dashboards.panel import Panel, Query, judged, quantiles

GEN_AI = 'gen_ai_request_model=~"$model"'
MODEL = 'model=~"$model"'


def _per_second(metric: str, by: str, selector: str = "") -> tuple[Query, ...]:
    rate = f"sum by ({by}) (rate({metric}{{{selector}}}[$__rate_interval]))"
    return (Query(rate, " ".join(f"{{{{{label}}}}}" for label in by.split(", "))),)


MONEY = Row(
    "What it costs",
    (
        Panel(
            "Cost per hour",
            "US dollars at the present rate, by model; every attempt is counted.",
            "지금 속도로 한 시간에 드는 달러. 모든 시도를 셉니다.",
            (
                Query(
                    f"sum by (model) (rate(chat_cost_usd_total{{{MODEL}}}[$__rate_interval])) * 3600",
                    "{{model}}",
                ),
            ),
            unit="currencyUSD",
            stacked=True,
        ),
        Panel(
            "Tokens",
            "Per second, in and out, by model.",
            "초당 입력과 출력 토큰, 모델별.",
            _per_second(
                "gen_ai_client_token_usage_sum", "gen_ai_request_model, gen_ai_token_type", GEN_AI
            ),
            unit="cps",
        ),
        Panel(
            "Tokens wasted",
            "Paid for, and nobody got them in a whole answer; by reason.",
            "값은 치렀지만 온전한 답이 되지 못한 토큰, 이유별.",
            _per_second("chat_tokens_wasted_total", "reason"),
            unit="cps",
            stacked=True,
        ),
        Panel(
            "Cost of a day",
            "US dollars in the last 24 hours.",
            "지난 24시간의 달러 비용.",
            (Query(f"sum(increase(chat_cost_usd_total{{{MODEL}}}[24h])) or vector(0)"),),
            unit="currencyUSD",
            kind="stat",
            width=6,
            height=4,
            decimals=2,
        ),
        Panel(
            "Wasted",
            "Share of all tokens, over 30 minutes.",
            "지난 30분 전체 토큰 중 버려진 비율.",
            (
                judged(
                    "chat:tokens_wasted:ratio30m",
                    "sum(rate(gen_ai_client_token_usage_sum[30m]))",
                ),
            ),
            where_nothing="no traffic",
            unit="percentunit",
            kind="stat",
            width=6,
            height=4,
            limits=(0.1, 0.2),
            decimals=1,
        ),
        Panel(
            "Counted by ourselves",
            "Attempts of the last hour whose tokens the model did not report: an estimate.",
            "모델이 토큰을 알려 주지 않아 우리가 어림한 지난 한 시간의 시도.",
            (Query(f"sum(increase(chat_usage_estimated_total{{{MODEL}}}[1h])) or vector(0)"),),
            kind="stat",
            width=6,
            height=4,
            decimals=0,
        ),
        Panel(
            "Tokens without a price",
            "Of the last hour; their cost is missing in every sum.",
            "지난 한 시간 동안 값이 없는 모델의 토큰. 모든 합계에서 빠져 있습니다.",
            (Query(f"sum(increase(chat_unpriced_tokens_total{{{MODEL}}}[1h])) or vector(0)"),),
            kind="stat",
            width=6,
            height=4,
            limits=(1, 2),
            decimals=0,
        ),
    ),
)

DASHBOARD = Dashboard(
    "chat-llm",
    "LLM",
    "The language model: how it does, and what it costs.",
    (
        Row(
            "How it does",
            (
                Panel(
                    "Attempts",
                    "Calls of the model by result; everything but ok and cancelled is a failure of its side.",
                    "결과별 모델 호출. ok와 cancelled가 아니면 모델 쪽의 실패입니다.",
                    _per_second("chat_llm_attempts_total", "result", MODEL),
                    unit="reqps",
                    stacked=True,
                ),
                Panel(
                    "Time to first chunk",
                    "Of one attempt, without our retries.",
                    "재시도를 뺀 시도 하나의 첫 조각까지의 시간.",
                    quantiles(
                        "gen_ai_client_operation_time_to_first_chunk_seconds",
                        by="gen_ai_request_model",
                        selector=GEN_AI,
                        legend="{{gen_ai_request_model}}",
                    )[:2],
                    unit="s",
                    limits=(3, 10),
                ),
                Panel(
                    "Time to first word, without and with thinking",
                    "What callers wait, retries included: for the first text, and for any sign of life.",
                    "재시도를 포함해 첫 글까지, 그리고 생각 중이라는 표시까지 사용자가 기다리는 시간.",
                    (
                        *quantiles(
                            "chat_turn_time_to_first_token_seconds", by="", legend="first word"
                        )[:2],
                        *quantiles(
                            "chat_turn_time_to_first_sign_seconds", by="", legend="first sign"
                        )[:2],
                    ),
                    unit="s",
                ),
                Panel(
                    "Time per chunk",
                    "Mean time between two texts of an attempt; above 0.25 s reading is not fluent.",
                    "한 시도에서 글과 글 사이의 평균 시간. 0.25초를 넘으면 읽기에 끊깁니다.",
                    quantiles(
                        "gen_ai_client_operation_time_per_output_chunk_seconds",
                        by="gen_ai_request_model",
                        selector=GEN_AI,
                        legend="{{gen_ai_request_model}}",
                    )[:2],
                    unit="s",
                    limits=(0.25, 1),
                ),
            ),
        ),
        Row(
            "How it is guarded",
            (
                Panel(
                    "Breaker",
                    "0 closed, 1 half-open, 2 open: the worst of all workers.",
                    "0 닫힘, 1 반열림, 2 열림. 워커 중 가장 나쁜 값.",
                    (
                        Query(
                            f"max by (model) (chat_breaker_state{{{MODEL}}})",
                            "{{model}}",
                        ),
                    ),
                    limits=(1, 2),
                    words=((0, "closed"), (1, "half-open"), (2, "open")),
                ),
                Panel(
                    "Retries",
                    "Made, by the failure before; and not made, by reason.",
                    "재시도한 수(앞선 실패별)와 하지 않은 수(이유별).",
                    (
                        *_per_second("chat_llm_retries_total", "reason"),
                        Query(
                            "sum by (reason) (rate(chat_retries_denied_total[$__rate_interval]))",
                            "denied: {{reason}}",
                        ),
                    ),
                    unit="reqps",
                ),
                Panel(
                    "Refused by the provider",
                    "Our set-up, by reason (key, model, address, access), and parameters that a model does not take.",
                    "제공자가 거부한 설정(key, model, address, access)과 모델이 받지 않는 파라미터.",
                    (
                        Query(
                            f"sum by (reason) (rate(chat_llm_refusals_total{{{MODEL}}}[$__rate_interval]))",
                            "{{reason}}",
                        ),
                        Query(
                            f"sum by (parameter) (rate(chat_adapted_parameters_total{{{MODEL}}}[$__rate_interval]))",
                            "parameter: {{parameter}}",
                        ),
                    ),
                    unit="reqps",
                ),
                Panel(
                    "Fallbacks and restarts",
                    "Turns handed to the second model, and answers begun anew, by failure.",
                    "대체 모델로 넘긴 턴과 처음부터 다시 시작한 답, 실패별.",
                    (
                        Query(
                            "sum by (reason) (rate(chat_fallbacks_total[$__rate_interval]))",
                            "fallback: {{reason}}",
                        ),
                        Query(
                            "sum by (reason) (rate(chat_restarts_total[$__rate_interval]))",
                            "restart: {{reason}}",
                        ),
                    ),
                    unit="reqps",
                ),
            ),
        ),
        MONEY,
        Row(
            "How long it takes",
            (
                Panel(
                    "Duration of an attempt",
                    "From the call to its end, by model.",
                    "호출부터 끝까지, 모델별.",
                    quantiles(
                        "gen_ai_client_operation_duration_seconds",
                        by="gen_ai_request_model",
                        selector=GEN_AI,
                        legend="{{gen_ai_request_model}}",
                    )[:2],
                    unit="s",
                    width=12,
                ),
                Panel(
                    "Tokens per attempt",
                    "Mean, in and out, by model.",
                    "시도당 평균 입력과 출력 토큰, 모델별.",
                    (
                        Query(
                            "sum by (gen_ai_request_model, gen_ai_token_type) "
                            f"(rate(gen_ai_client_token_usage_sum{{{GEN_AI}}}[$__rate_interval])) / "
                            "sum by (gen_ai_request_model, gen_ai_token_type) "
                            f"(rate(gen_ai_client_token_usage_count{{{GEN_AI}}}[$__rate_interval]))",
                            "{{gen_ai_request_model}} {{gen_ai_token_type}}",
                        ),
                    ),
                    width=12,
                ),
            ),
        ),
    ),
    (Variable("model", "chat_llm_attempts_total"),),
)
