"""The first page: do I have to get up?"""

from monitoring.dashboards.dashboard import Dashboard, Row, Variable
from monitoring.dashboards.panel import Panel, Query, judged, quantiles

HERE = 'instance=~"$instance"'
OURS = "failed|drained|rejected"
MODELS = "upstream_failed|timed_out|circuit_open"
DEPENDENCIES = "dependency_failed"
CALLERS = "invalid|disconnected|filtered"


def _ended(endings: str) -> str:
    return (
        f'sum(rate(chat_turns_total{{{HERE},ending=~"{endings}"}}[$__rate_interval])) or vector(0)'
    )


GET_UP = Row(
    "Do I have to get up?",
    (
        Panel(
            "Front door",
            "/health as a caller sees it, through nginx.",
            "nginx를 거쳐 호출자가 보는 /health.",
            (Query('min(probe_success{job="front-door"}) or vector(0)'),),
            kind="stat",
            width=3,
            height=4,
            limits=(1, 0.5),
            words=((1, "UP"), (0, "DOWN")),
        ),
        Panel(
            "Critical alerts",
            "Firing now. If this is not 0, get up; the table below names them.",
            "지금 발생 중인 긴급 알림 수. 0이 아니면 바로 대응하세요. 이름은 아래 표에 있습니다.",
            (Query('count(ALERTS{alertstate="firing",severity="critical"}) or vector(0)'),),
            kind="stat",
            width=3,
            height=4,
            limits=(0.5, 0.9),
        ),
        Panel(
            "Answered",
            "Turns of the last 5 minutes that got their answer, without those that callers ended or spoiled.",
            "지난 5분의 턴 중 답을 받은 비율. 호출자가 스스로 끊거나 잘못 보낸 것은 뺍니다.",
            (
                judged(
                    '1 - sum(chat:slo_errors:ratio5m{slo="availability"})',
                    "sum(chat:turns:rate5m)",
                ),
            ),
            where_nothing="no traffic",
            unit="percentunit",
            kind="stat",
            width=3,
            height=4,
            limits=(0.995, 0.95),
            decimals=1,
        ),
        Panel(
            "First word",
            "What one caller in twenty waits, or longer.",
            "스무 명 중 가장 느린 한 명이 첫 글자를 기다리는 시간.",
            (judged("chat:first_token_seconds:p95_5m"),),
            where_nothing="no traffic",
            unit="s",
            kind="stat",
            width=3,
            height=4,
            limits=(3, 5),
            decimals=2,
        ),
        Panel(
            "Saturation",
            "Slots taken, at the busiest replica.",
            "가장 바쁜 복제본에서 차 있는 자리의 비율.",
            (judged("max(chat:saturation:ratio)"),),
            where_nothing="no data",
            unit="percentunit",
            kind="stat",
            width=3,
            height=4,
            limits=(0.7, 0.85),
            decimals=0,
        ),
        Panel(
            "Breakers open",
            "Models that are not called at the moment because they kept failing.",
            "계속 실패해 잠시 호출을 멈춘 모델 수.",
            (
                judged(
                    "count(max by (model) (chat_breaker_state) > 0) or 0 * max(chat_breaker_state)"
                ),
            ),
            where_nothing="no data",
            kind="stat",
            width=3,
            height=4,
            limits=(0.5, 0.9),
        ),
        Panel(
            "Turns",
            "Ended per second.",
            "초당 끝난 턴.",
            (judged(f"sum(rate(chat_turns_total{{{HERE}}}[$__rate_interval]))"),),
            where_nothing="no data",
            unit="reqps",
            kind="stat",
            width=3,
            height=4,
            decimals=1,
        ),
        Panel(
            "Cost, last hour",
            "US dollars, every attempt counted.",
            "모든 시도를 포함한 달러 비용.",
            (Query("chat:cost_usd:increase1h or vector(0)"),),
            unit="currencyUSD",
            kind="stat",
            width=3,
            height=4,
            limits=(8, 10),
            decimals=2,
        ),
    ),
)

DASHBOARD = Dashboard(
    "chat-service",
    "Service",
    "Is it healthy, is it fast, what does it cost, whose fault is it?",
    (
        GET_UP,
        Row(
            "What callers get",
            (
                Panel(
                    "Whose fault",
                    "Turns without an answer: ours (bugs, drains, no slot), the model's, a dependency's, the callers'.",
                    "답을 못 받은 턴: 우리 탓(버그, 배포, 자리 없음), 모델 탓, 체인이 쓰는 다른 서비스 탓, 호출자 탓.",
                    (
                        Query(_ended(OURS), "ours"),
                        Query(_ended(MODELS), "the model's"),
                        Query(_ended(DEPENDENCIES), "a dependency's"),
                        Query(_ended(CALLERS), "the callers'"),
                    ),
                    unit="reqps",
                    stacked=True,
                ),
                Panel(
                    "Turns by ending",
                    "Every turn has exactly one ending.",
                    "모든 턴은 정확히 하나의 결말을 가집니다.",
                    (
                        Query(
                            f"sum by (ending) (rate(chat_turns_total{{{HERE}}}[$__rate_interval]))",
                            "{{ending}}",
                        ),
                    ),
                    unit="reqps",
                    stacked=True,
                ),
                Panel(
                    "Alerts",
                    "What fires now. The runbook has a heading for each name.",
                    "지금 울리는 알림. 런북에 이름마다 제목이 있습니다.",
                    (
                        Query(
                            "count by (alertname, severity, slo, model) "
                            '(ALERTS{alertstate="firing"})'
                        ),
                    ),
                    kind="table",
                ),
                Panel(
                    "Time to first token",
                    "What callers wait for the first text, retries and fallback included.",
                    "재시도와 대체 모델까지 포함해 첫 글자를 기다리는 시간.",
                    quantiles("chat_turn_time_to_first_token_seconds", selector=HERE),
                    unit="s",
                    limits=(3, 5),
                ),
                Panel(
                    "Longest silence",
                    "Within a stream, after its first text. Above 2 s it counts against the SLO.",
                    "스트림에서 첫 글자 뒤 가장 긴 침묵. 2초를 넘으면 SLO를 깎습니다.",
                    quantiles(
                        "chat_turn_longest_gap_seconds", selector=f'{HERE},route="/chat/stream"'
                    ),
                    unit="s",
                    limits=(1, 2),
                ),
                Panel(
                    "Turn duration",
                    "From the request to its end; long answers take long.",
                    "요청부터 끝까지. 긴 답은 오래 걸립니다.",
                    quantiles("chat_turn_duration_seconds", selector=HERE),
                    unit="s",
                ),
            ),
        ),
        Row(
            "Chains",
            (
                Panel(
                    "Turns by chain",
                    "Which of the service's chains is asked, and how its turns end.",
                    "어떤 체인을 호출했고 턴이 어떻게 끝났는지.",
                    (
                        Query(
                            f"sum by (chain, ending) (rate(chat_chain_turns_total{{{HERE}}}[$__rate_interval]))",
                            "{{chain}}: {{ending}}",
                        ),
                    ),
                    unit="reqps",
                    stacked=True,
                ),
                Panel(
                    "Time of steps",
                    "Searches, tools and other steps that are no model call: the mean of each.",
                    "검색, 도구 등 모델 호출이 아닌 단계의 평균 시간.",
                    (
                        Query(
                            f"sum by (chain, step) (rate(chat_step_seconds_sum{{{HERE}}}[$__rate_interval]))"
                            f" / sum by (chain, step) (rate(chat_step_seconds_count{{{HERE}}}[$__rate_interval]) > 0)",
                            "{{chain}}: {{step}}",
                        ),
                    ),
                    unit="s",
                ),
            ),
        ),
        Row(
            "Room for more",
            (
                Panel(
                    "In flight",
                    "Turns running now, and the slots that there are.",
                    "지금 진행 중인 턴과 전체 자리.",
                    (
                        Query(f"sum(chat_turns_in_flight{{{HERE}}})", "running"),
                        Query(f"sum(chat_admission_slots{{{HERE}}})", "slots"),
                    ),
                ),
                Panel(
                    "Own work per turn",
                    "A turn's duration less the waiting for the model: milliseconds when healthy.",
                    "모델을 기다린 시간을 뺀 턴의 시간. 건강하면 밀리초입니다.",
                    quantiles("chat_overhead_seconds", selector=HERE),
                    unit="s",
                ),
                Panel(
                    "Answers cut, refused",
                    "Answers that had begun and did not end; turns for which there was no slot.",
                    "시작했지만 끝나지 못한 답과, 자리가 없어 거절한 턴.",
                    (
                        Query(
                            f"sum by (ending) (rate(chat_answers_cut_total{{{HERE}}}[$__rate_interval]))",
                            "cut: {{ending}}",
                        ),
                        Query(_ended("rejected"), "refused"),
                    ),
                    unit="reqps",
                ),
            ),
        ),
    ),
    (Variable("instance", "chat_build_info"),),
)
