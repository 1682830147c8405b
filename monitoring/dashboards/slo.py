"""The objectives and their remaining error budgets."""

from monitoring.dashboards.dashboard import Dashboard, Row
from monitoring.dashboards.panel import Panel, Query

PROMISES = (
    (
        "availability",
        "Availability",
        "99.5 % of turns are answered.",
        "턴의 99.5%가 답변을 받습니다.",
    ),
    (
        "first_token",
        "First token",
        "95 % of answers start within 3 s.",
        "답변의 95%가 3초 안에 시작합니다.",
    ),
    (
        "stall_free",
        "Without stalls",
        "99 % of streams are never silent for 2 s.",
        "스트림의 99%에 2초가 넘는 공백이 없습니다.",
    ),
    (
        "completeness",
        "Completeness",
        "99.5 % of started streams are completed.",
        "시작된 스트림의 99.5%가 끝까지 전달됩니다.",
    ),
)


def _left(slo: str, title: str, about: str, about_ko: str) -> Panel:
    budget = f'chat:slo_errors:ratio14d{{slo="{slo}"}} / on (slo) chat:slo_budget{{slo="{slo}"}}'
    return Panel(
        f"{title}: budget left",
        f"{about} Share of the 14-day error budget that is left; below 0 the objective is missed.",
        f"{about_ko} 14일 기준으로 남은 오류 예산. 0보다 작으면 목표를 달성하지 못한 것입니다.",
        (Query(f"1 - {budget}"),),
        unit="percentunit",
        kind="stat",
        width=6,
        height=5,
        limits=(0.5, 0.1),
        decimals=1,
    )


def _burning(slo: str, title: str, about: str, about_ko: str) -> Panel:
    def rate(window: str) -> Query:
        errors = f'chat:slo_errors:ratio{window}{{slo="{slo}"}}'
        return Query(f'{errors} / on (slo) chat:slo_budget{{slo="{slo}"}}', window)

    return Panel(
        f"{title}: burn rate",
        f"{about} At 1 the budget lasts 14 days; 14.4 for an hour pages someone.",
        f"{about_ko} 1이면 예산이 14일 동안 유지됩니다. 한 시간 동안 14.4면 긴급 알림이 발생합니다.",
        (rate("5m"), rate("1h"), rate("6h"), rate("3d")),
        width=12,
        limits=(6, 14.4),
    )


DASHBOARD = Dashboard(
    "chat-slo",
    "SLO",
    "The objectives, their remaining error budgets, and the burn rates.",
    (
        Row("Error budget left (14 days)", tuple(_left(*promise) for promise in PROMISES)),
        Row("Burn rate", tuple(_burning(*promise) for promise in PROMISES)),
    ),
    span="now-24h",
)
