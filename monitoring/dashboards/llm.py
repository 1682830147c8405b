"""The language model: its health and its cost."""

from monitoring.dashboards.dashboard import Dashboard, Row, Variable
from monitoring.dashboards.panel import Panel, Query, judged, quantiles

GEN_AI = 'gen_ai_request_model=~"$model"'
MODEL = 'model=~"$model"'


def _per_second(metric: str, by: str, selector: str = "") -> tuple[Query, ...]:
    rate = f"sum by ({by}) (rate({metric}{{{selector}}}[$__rate_interval]))"
    return (Query(rate, " ".join(f"{{{{{label}}}}}" for label in by.split(", "))),)


MONEY = Row(
    "Costs",
    (
        Panel(
            "Cost per hour",
            "US dollars at the current rate, by model, all attempts included.",
            "현재 속도로 환산한 모델별 시간당 비용(달러). 모든 시도를 포함합니다.",
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
            "Per second, input and output, by model.",
            "모델별 초당 입력과 출력 토큰.",
            _per_second(
                "gen_ai_client_token_usage_sum", "gen_ai_request_model, gen_ai_token_type", GEN_AI
            ),
            unit="cps",
        ),
        Panel(
            "Tokens wasted",
            "Paid for, but never delivered in a complete answer, by reason.",
            "비용은 냈지만 완성된 답변으로 전달되지 못한 토큰(이유별).",
            _per_second("chat_tokens_wasted_total", "reason"),
            unit="cps",
            stacked=True,
        ),
        Panel(
            "Cost of a day",
            "US dollars in the last 24 hours.",
            "지난 24시간의 비용(달러).",
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
            "지난 30분 동안 낭비된 토큰의 비율.",
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
            "Attempts in the last hour whose tokens the model did not report; they are estimated.",
            "지난 한 시간 동안 모델이 토큰 수를 알려 주지 않아 추정한 시도.",
            (Query(f"sum(increase(chat_usage_estimated_total{{{MODEL}}}[1h])) or vector(0)"),),
            kind="stat",
            width=6,
            height=4,
            decimals=0,
        ),
        Panel(
            "Tokens without a price",
            "In the last hour. Their cost is missing from every total.",
            "지난 한 시간 동안 가격을 모르는 모델이 쓴 토큰. 그 비용은 모든 합계에서 빠져 있습니다.",
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
    "The language model: its health and its cost.",
    (
        Row(
            "Health",
            (
                Panel(
                    "Attempts",
                    "Model calls by result. Everything but ok and cancelled is a failure on the model's side.",
                    "결과별 모델 호출. ok와 cancelled 외에는 모델 쪽의 실패입니다.",
                    _per_second("chat_llm_attempts_total", "result", MODEL),
                    unit="reqps",
                    stacked=True,
                ),
                Panel(
                    "Time to first chunk",
                    "For a single attempt, without our retries.",
                    "시도 하나에서 첫 조각이 오기까지의 시간(재시도 제외).",
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
                    "How long callers wait, retries included: for the first text, and for any sign of life.",
                    "재시도를 포함해 사용자가 첫 글자, 그리고 생각 중이라는 표시를 기다리는 시간.",
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
                    "Mean time between two texts of an attempt. Above 0.25 s, reading is no longer fluent.",
                    "한 시도에서 조각과 조각 사이의 평균 시간. 0.25초를 넘으면 읽을 때 끊기는 느낌이 듭니다.",
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
            "Protection",
            (
                Panel(
                    "Breaker",
                    "0 closed, 1 half-open, 2 open, for the worst worker.",
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
                    "Retries made, by the preceding failure, and retries skipped, by reason.",
                    "재시도 수(앞선 실패별)와 건너뛴 재시도 수(이유별).",
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
                    "Our configuration by reason (key, model, address, access), and parameters that a model rejects.",
                    "제공사가 거부한 설정(key, model, address, access)과 모델이 지원하지 않는 매개변수.",
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
                    "Turns handed to the fallback model and restarted answers, by failure.",
                    "대체 모델로 넘긴 턴과 처음부터 다시 시작한 답변(실패별).",
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
            "Duration",
            (
                Panel(
                    "Duration of an attempt",
                    "From the start of a call to its end, by model.",
                    "모델별 호출 시작부터 끝까지의 시간.",
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
                    "Mean input and output tokens, by model.",
                    "모델별 시도당 평균 입력과 출력 토큰.",
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
