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
            "Reachable",
            "/health through nginx, as a caller sees it.",
            "클라이언트가 보는 것과 같이 nginx를 거친 /health.",
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
            "Share of turns answered in the last 5 minutes, excluding those that callers aborted or got wrong.",
            "지난 5분의 턴 중 답변을 받은 비율. 클라이언트가 끊었거나 잘못 보낸 요청은 제외합니다.",
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
            "How long the slowest 5 % of callers wait at least.",
            "가장 느린 5%의 클라이언트가 첫 글자를 기다리는 최소 시간.",
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
            "Share of slots in use, at the busiest replica.",
            "가장 바쁜 레플리카에서 사용 중인 슬롯의 비율.",
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
            "Turns ended per second.",
            "초당 종료된 턴 수.",
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
            "US dollars, all attempts included.",
            "모든 시도를 포함한 비용(달러).",
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
    "Is it healthy, is it fast, what does it cost, where do failures come from?",
    (
        GET_UP,
        Row(
            "What callers get",
            (
                Panel(
                    "Failures by cause",
                    "Turns without an answer, by cause: service (bug, drain, no slot), model, dependency, caller.",
                    "답변을 받지 못한 턴의 원인: 이 서비스(버그, 배포, 슬롯 부족), 모델, 외부 의존성, 클라이언트.",
                    (
                        Query(_ended(OURS), "service"),
                        Query(_ended(MODELS), "model"),
                        Query(_ended(DEPENDENCIES), "dependency"),
                        Query(_ended(CALLERS), "caller"),
                    ),
                    unit="reqps",
                    stacked=True,
                ),
                Panel(
                    "Turns by ending",
                    "Every turn has exactly one ending.",
                    "모든 턴의 종료 상태는 정확히 하나입니다.",
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
                    "Alerts firing now. The runbook has a section for each.",
                    "지금 발생 중인 알림. 런북에 알림마다 대응 방법이 있습니다.",
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
                    "How long callers wait for the first text, retries and fallback included.",
                    "클라이언트가 첫 글자를 기다리는 시간(재시도와 대체 모델 포함).",
                    quantiles("chat_turn_time_to_first_token_seconds", selector=HERE),
                    unit="s",
                    limits=(3, 5),
                ),
                Panel(
                    "Longest silence",
                    "Longest silence in a stream after its first text. Above 2 s it counts against the SLO.",
                    "스트림에서 첫 글자 이후 가장 긴 공백. 2초를 넘으면 SLO 위반으로 집계합니다.",
                    quantiles(
                        "chat_turn_longest_gap_seconds", selector=f'{HERE},route="/chat/stream"'
                    ),
                    unit="s",
                    limits=(1, 2),
                ),
                Panel(
                    "Turn duration",
                    "From the request to the end of the answer. Long answers take longer.",
                    "요청부터 답변이 끝날 때까지의 시간. 긴 답변은 오래 걸립니다.",
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
                    "Turns of each chain, by ending.",
                    "체인별 턴 수와 종료 상태.",
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
                    "Mean time of searches, tools and other steps that are not model calls.",
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
            "Capacity",
            (
                Panel(
                    "In flight",
                    "Turns running now, and the available slots.",
                    "지금 진행 중인 턴과 전체 슬롯.",
                    (
                        Query(f"sum(chat_turns_in_flight{{{HERE}}})", "running"),
                        Query(f"sum(chat_admission_slots{{{HERE}}})", "slots"),
                    ),
                ),
                Panel(
                    "Own work per turn",
                    "Duration of a turn minus the time spent waiting for the model: milliseconds when healthy.",
                    "턴의 전체 시간에서 모델을 기다린 시간을 뺀 값. 정상이면 몇 밀리초입니다.",
                    quantiles("chat_overhead_seconds", selector=HERE),
                    unit="s",
                ),
                Panel(
                    "Answers cut, refused",
                    "Answers that were cut after they had begun, and turns refused for lack of a slot.",
                    "시작된 뒤 끊긴 답변과 슬롯이 없어 거절한 턴.",
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
