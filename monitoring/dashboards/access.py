"""API keys: usage, refusals and their reasons, spending, and how long budgets will last."""

from monitoring.dashboards.dashboard import Dashboard, Row, Variable
from monitoring.dashboards.panel import Panel, Query

KEY = 'key=~"$key"'
SPENT = f'max by (key) (chat_key_budget_used_ratio{{{KEY}, period="month"}})'
PER_DAY = f'max by (key) (deriv(chat_key_budget_used_ratio{{{KEY}, period="month"}}[6h])) * 86400'

WHO = Row(
    "Usage and refusals",
    (
        Panel(
            "Turns by key",
            "Per second. `anonymous` is open access, `other` stands for all keys beyond the first 100.",
            "키별 초당 턴 수. `anonymous`는 키 없는 접근, `other`는 처음 100개를 제외한 나머지 키입니다.",
            (
                Query(
                    f"sum by (key) (rate(chat_key_turns_total{{{KEY}}}[$__rate_interval]))",
                    "{{key}}",
                ),
            ),
            unit="reqps",
            stacked=True,
        ),
        Panel(
            "Refused by limit",
            "Turns and model calls refused per minute, by key and limit.",
            "키와 한도별로 거부된 분당 턴과 모델 호출 수.",
            (
                Query(
                    f"sum by (key, limit) (rate(chat_key_refusals_total{{{KEY}}}[$__rate_interval])) * 60 > 0",
                    "{{key}} {{limit}}",
                ),
            ),
        ),
        Panel(
            "Refused for their key",
            "Requests per minute: no key, malformed, unknown, disabled, expired. Many unknown: someone is guessing.",
            "키 때문에 거부된 분당 요청 수. unknown이 많다면 누군가 키를 추측하고 있습니다.",
            (
                Query(
                    "sum by (problem) (rate(chat_keys_refused_total[$__rate_interval])) * 60",
                    "{{problem}}",
                ),
            ),
        ),
        Panel(
            "Open access",
            "Whether requests without a key are accepted.",
            "키 없는 요청을 받는지 여부.",
            (Query("max(chat_access_open)"),),
            kind="stat",
            width=4,
            height=4,
            words=((0, "closed"), (1, "open")),
        ),
    ),
)
MONEY = Row(
    "Spending",
    (
        Panel(
            "Cost per hour by key",
            "US dollars at the current rate, all attempts included.",
            "현재 속도로 환산한 키별 시간당 비용(달러). 모든 시도를 포함합니다.",
            (
                Query(
                    f"sum by (key) (rate(chat_key_cost_usd_total{{{KEY}}}[$__rate_interval])) * 3600",
                    "{{key}}",
                ),
            ),
            unit="currencyUSD",
            stacked=True,
        ),
        Panel(
            "Tokens by key",
            "Per second, input and output.",
            "키별 초당 입력과 출력 토큰.",
            (
                Query(
                    f"sum by (key, type) (rate(chat_key_tokens_total{{{KEY}}}[$__rate_interval]))",
                    "{{key}} {{type}}",
                ),
            ),
            unit="cps",
            stacked=True,
        ),
        Panel(
            "Budget used",
            "Of the day and of the month, including what running answers reserve.",
            "일 예산과 월 예산의 사용률. 진행 중인 답변이 예약한 금액도 포함합니다.",
            (
                Query(
                    f"max by (key, period) (chat_key_budget_used_ratio{{{KEY}}})",
                    "{{key}} {{period}}",
                ),
            ),
            unit="percentunit",
            limits=(0.8, 0.95),
        ),
        Panel(
            "Days of budget left",
            "Until the monthly budget is used up, at the pace of the last 6 hours.",
            "최근 6시간의 속도로 계속 쓸 때 월 예산이 바닥나기까지의 일수.",
            (Query(f"(1 - {SPENT}) / ({PER_DAY} > 0)", "{{key}}"),),
            limits=(3, 1),
        ),
    ),
)
LEDGER = Row(
    "Database and ledger",
    (
        Panel(
            "Database",
            "1 while it responds, for the worst worker. While it does not, known keys keep working.",
            "응답하면 1(워커 중 가장 나쁜 값). 응답하지 않아도 이미 아는 키의 요청은 계속 처리합니다.",
            (Query('min(chat_dependency_up{dependency="database"})', "workers"),),
        ),
        Panel(
            "Rows waiting",
            "Ledger rows waiting in memory and on disk. Normally none.",
            "메모리와 디스크에서 저장을 기다리는 원장 기록. 정상이면 0입니다.",
            (Query("sum(chat_ledger_waiting)", "waiting"),),
            limits=(1000, 10000),
        ),
        Panel(
            "Rows lost",
            "In the last hour, because the disk was full as well. Restore them from the log: flask ledger restore.",
            "지난 한 시간 동안 디스크까지 가득 차 저장하지 못한 기록. 로그에서 복구합니다: flask ledger restore.",
            (Query("sum(increase(chat_ledger_rows_dropped_total[1h]))", "lost"),),
            limits=(1, 100),
        ),
        Panel(
            "Answers of dead workers",
            "In the last hour. What they had reserved was released.",
            "지난 한 시간 동안 죽은 워커가 남긴 답변. 예약한 금액을 해제했습니다.",
            (Query("sum(increase(chat_leases_swept_total[1h]))", "closed"),),
        ),
    ),
)
DASHBOARD = Dashboard(
    "chat-access",
    "Access",
    "API keys: usage, refusals and their reasons, spending, and how long budgets will last.",
    (WHO, MONEY, LEDGER),
    (Variable("key", "chat_key_turns_total"),),
    span="now-6h",
)
