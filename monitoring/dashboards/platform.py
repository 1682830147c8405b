"""The infrastructure of the service."""

from monitoring.dashboards.dashboard import Dashboard, Row, Variable
from monitoring.dashboards.panel import Panel, Query

HERE = 'instance=~"$instance"'

SERVICE = Row(
    "Service",
    (
        Panel(
            "Workers",
            "Worker processes by replica.",
            "레플리카별 워커 프로세스 수.",
            (Query(f"chat_workers{{{HERE}}}", "{{instance}}"),),
        ),
        Panel(
            "Worker exits",
            "In 5 minutes: stopped (on request) or killed (out of memory or hanging).",
            "5분 동안 종료된 워커: stopped(정상 종료), killed(메모리 부족이나 멈춤).",
            (
                Query(
                    f"sum by (reason) (increase(chat_worker_exits_total{{{HERE}}}[5m]))",
                    "{{reason}}",
                ),
            ),
        ),
        Panel(
            "Versions",
            "Replicas by version.",
            "실행 중인 버전별 레플리카 수.",
            (
                Query(
                    "count by (version, llm_client) (chat_build_info)", "{{version}} {{llm_client}}"
                ),
            ),
        ),
        Panel(
            "Memory",
            "Resident memory of all processes of a replica. Compare it with the limit (SERVICE_MEMORY).",
            "레플리카의 모든 프로세스가 쓰는 메모리. 한도(SERVICE_MEMORY)와 비교하세요.",
            (Query(f"chat_memory_bytes{{{HERE}}}", "{{instance}}"),),
            unit="bytes",
        ),
        Panel(
            "CPU",
            "Cores in use, by replica.",
            "레플리카별로 사용 중인 코어 수.",
            (Query(f"rate(chat_cpu_seconds_total{{{HERE}}}[$__rate_interval])", "{{instance}}"),),
        ),
        Panel(
            "Event loop lag",
            "Delay of the workers' event loops (p99). Answers stall for that long.",
            "워커의 이벤트 루프 지연(p99). 그동안 답변이 멈춥니다.",
            (
                Query(
                    "histogram_quantile(0.99, sum by (le, instance) (rate("
                    f"chat_loop_lag_seconds_bucket{{{HERE}}}[$__rate_interval])))",
                    "{{instance}}",
                ),
            ),
            unit="s",
            limits=(0.25, 1),
        ),
        Panel(
            "Log lines lost",
            "In 5 minutes, because standard output was not read. Answers do not wait for the log.",
            "표준 출력을 읽는 프로세스가 없어 5분 동안 버려진 로그. 답변은 로그를 기다리지 않습니다.",
            (
                Query(
                    f"sum by (instance) (increase(chat_log_lines_dropped_total{{{HERE}}}[5m]))",
                    "{{instance}}",
                ),
            ),
            limits=(1, 100),
        ),
        Panel(
            "Metrics files",
            "Less than 1 MB per worker, plus one file for all dead ones. The limit is 64 MB.",
            "워커마다 1MB 미만이고 종료된 워커는 파일 하나를 함께 씁니다. 한도는 64MB입니다.",
            (Query(f"chat_metrics_directory_bytes{{{HERE}}}", "{{instance}}"),),
            unit="bytes",
            limits=(32e6, 56e6),
        ),
    ),
)
AROUND = Row(
    "Around the service",
    (
        Panel(
            "nginx: requests",
            "Per second, including the page and the probes.",
            "페이지와 점검을 포함한 초당 요청.",
            (
                Query(
                    "sum(rate(nginx_http_requests_total[$__rate_interval])) or vector(0)",
                    "requests",
                ),
            ),
            unit="reqps",
        ),
        Panel(
            "nginx: connections",
            "Open now. The limit is 8192 per nginx worker.",
            "지금 열려 있는 연결. 한도는 nginx 워커마다 8192개입니다.",
            (Query("sum(nginx_connections_active) or vector(0)", "active"),),
        ),
        Panel(
            "Duration of a probe through nginx",
            "/health through nginx, every 5 s.",
            "5초마다 nginx를 거쳐 /health를 호출하는 데 걸린 시간.",
            (Query('max(probe_duration_seconds{job="front-door"}) or vector(0)', "probe"),),
            unit="s",
            limits=(1, 4),
        ),
        Panel(
            "Redis",
            "1 while it responds: to its exporter, and to the worst worker.",
            "응답하면 1. 익스포터의 값과 워커 중 가장 나쁜 값입니다.",
            (
                Query("min(redis_up) or vector(0)", "exporter"),
                Query('min(chat_dependency_up{dependency="redis"}) or vector(0)', "workers"),
            ),
        ),
        Panel(
            "Redis: memory",
            "Memory used by Redis. It needs very little.",
            "Redis가 쓰는 메모리. 아주 적게 씁니다.",
            (Query("sum(redis_memory_used_bytes) or vector(0)", "used"),),
            unit="bytes",
        ),
        Panel(
            "Targets",
            "1 while Prometheus can scrape them.",
            "Prometheus가 지표를 받을 수 있으면 1.",
            (Query("min by (job) (up)", "{{job}}"),),
        ),
    ),
)
DASHBOARD = Dashboard(
    "chat-platform",
    "Platform",
    "The infrastructure of the service: workers, memory, nginx, Redis.",
    (SERVICE, AROUND),
    (Variable("instance", "chat_build_info"),),
)
