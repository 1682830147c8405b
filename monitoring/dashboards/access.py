"""API keys: who asks, who is refused and why, who spends, and for how long the budgets last."""

from monitoring.dashboards.dashboard import Dashboard, Row, Variable
from monitoring.dashboards.panel import Panel, Query

KEY = 'key=~"$key"'
SPENT = f'max by (key) (chat_key_budget_used_ratio{{{KEY}, period="month"}})'
PER_DAY = f'max by (key) (deriv(chat_key_budget_used_ratio{{{KEY}, period="month"}}[6h])) * 86400'

WHO = Row(
    "Who asks, and who is refused",
    (
        Panel(
            "Turns by key",
            "Per second; `anonymous` is open access, `other` every key beyond the first 100.",
            "키별 초당 턴 수. `anonymous`는 키 없는 접근, `other`는 100개를 넘는 나머지 키입니다.",
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
            "Turns and model calls per minute, by key and by the limit in the way.",
            "키와 걸린 한도별로 거부된 분당 턴과 모델 호출 수.",
            (
                Query(
                    f"sum by (key, limit) (rate(chat_key_refusals_total{{{KEY}}}[$__rate_interval])) * 60 > 0",
                    "{{key}} {{limit}}",
                ),
            ),
        ),
        Panel(
            "Refused for their key",
            "Requests per minute: no key, malformed, unknown, disabled, expired. Many unknown ones: somebody guesses.",
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
            "Whether requests without a key are answered.",
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
    "Who spends",
    (
        Panel(
            "Cost per hour by key",
            "US dollars at the present rate; every attempt is counted.",
            "지금 속도로 한 시간에 드는 달러, 키별. 모든 시도를 셉니다.",
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
            "Per second, in and out.",
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
            "Of the day and of the month; what open answers hold is counted.",
            "일 예산과 월 예산의 사용률. 진행 중인 답변이 잡아 둔 금액도 포함합니다.",
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
            "Until the month's budget ends, at the pace of the last 6 hours.",
            "최근 6시간의 속도로 썼을 때 월 예산이 남는 일수.",
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
            "1 while it answers, the worst of our workers. While it does not, known keys go on.",
            "응답하면 1. 워커 중 가장 나쁜 값. 응답하지 않아도 아는 키는 계속 받습니다.",
            (Query('min(chat_dependency_up{dependency="database"})', "workers"),),
        ),
        Panel(
            "Rows waiting",
            "Of the ledger, in memory and on the disk; none while all is well.",
            "메모리와 디스크에서 기다리는 원장 기록. 정상이면 없습니다.",
            (Query("sum(chat_ledger_waiting)", "waiting"),),
            limits=(1000, 10000),
        ),
        Panel(
            "Rows lost",
            "In an hour: the disk was full, too. The log has them: flask ledger restore.",
            "한 시간 동안 디스크까지 가득 차 잃은 기록. 로그에서 복구합니다: flask ledger restore.",
            (Query("sum(increase(chat_ledger_rows_dropped_total[1h]))", "lost"),),
            limits=(1, 100),
        ),
        Panel(
            "Answers of dead workers",
            "In an hour: what they held was given back.",
            "한 시간 동안 죽은 워커가 남긴 답변. 잡아 둔 금액을 돌려놓았습니다.",
            (Query("sum(increase(chat_leases_swept_total[1h]))", "closed"),),
        ),
    ),
)
DASHBOARD = Dashboard(
    "chat-access",
    "Access",
    "API keys: who asks, who is refused and why, who spends, and for how long the budgets last.",
    (WHO, MONEY, LEDGER),
    (Variable("key", "chat_key_turns_total"),),
    span="now-6h",
)
