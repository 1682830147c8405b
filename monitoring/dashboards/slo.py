"""What is promised, and how much of it is left."""

from monitoring.dashboards.dashboard import Dashboard, Row
from monitoring.dashboards.panel import Panel, Query

PROMISES = (
    (
        "availability",
        "Availability",
        "99.5 % of the turns get their answer.",
        "턴의 99.5%가 답을 받습니다.",
    ),
    (
        "first_token",
        "First token",
        "95 % of the answers begin within 3 s.",
        "답의 95%가 3초 안에 시작합니다.",
    ),
    (
        "stall_free",
        "Without stalls",
        "99 % of the streams are never silent for 2 s.",
        "스트림의 99%가 2초 동안 침묵하지 않습니다.",
    ),
    (
        "completeness",
        "Completeness",
        "99.5 % of the streams that begin are finished.",
        "시작된 스트림의 99.5%가 끝까지 갑니다.",
    ),
)


def _left(slo: str, title: str, about: str, about_ko: str) -> Panel:
    budget = f'chat:slo_errors:ratio14d{{slo="{slo}"}} / on (slo) chat:slo_budget{{slo="{slo}"}}'
    return Panel(
        f"{title}: budget left",
        f"{about} What is left of what may fail in 14 days; below 0 the promise is broken.",
        f"{about_ko} 14일 동안 실패해도 되는 몫 중 남은 것. 0보다 작으면 약속이 깨졌습니다.",
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
        f"{about} At 1 the budget lasts 14 days; at 14.4 for an hour somebody is woken.",
        f"{about_ko} 1이면 예산이 14일 갑니다. 한 시간 동안 14.4면 사람을 깨웁니다.",
        (rate("5m"), rate("1h"), rate("6h"), rate("3d")),
        width=12,
        limits=(6, 14.4),
    )


DASHBOARD = Dashboard(
    "chat-slo",
    "SLO",
    "What is promised, how much of it is left, and how fast it goes.",
    (
        Row("Left of 14 days", tuple(_left(*promise) for promise in PROMISES)),
        Row("How fast it goes", tuple(_burning(*promise) for promise in PROMISES)),
    ),
    span="now-24h",
)
