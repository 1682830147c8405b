"""What the service runs on."""

from monitoring.dashboards.dashboard import Dashboard, Row, Variable
from monitoring.dashboards.panel import Panel, Query

HERE = 'instance=~"$instance"'

SERVICE = Row(
    "Service",
    (
        Panel(
            "Workers",
            "Processes that answer, by replica.",
            "복제본별 워커 프로세스.",
            (Query(f"chat_workers{{{HERE}}}", "{{instance}}"),),
        ),
        Panel(
            "Worker exits",
            "In 5 minutes: stopped (on request) or killed (out of memory, or hanging).",
            "5분 동안 끝난 워커: stopped(시킨 것), killed(메모리 부족이나 멈춤).",
            (
                Query(
                    f"sum by (reason) (increase(chat_worker_exits_total{{{HERE}}}[5m]))",
                    "{{reason}}",
                ),
            ),
        ),
        Panel(
            "Versions",
            "Replicas by what they run.",
            "실행 중인 판별 복제본 수.",
            (
                Query(
                    "count by (version, llm_client) (chat_build_info)", "{{version}} {{llm_client}}"
                ),
            ),
        ),
        Panel(
            "Memory",
            "Resident, all processes of a replica; compare it with its limit (SERVICE_MEMORY).",
            "복제본의 모든 프로세스가 쓰는 메모리. 한도(SERVICE_MEMORY)와 견주세요.",
            (Query(f"chat_memory_bytes{{{HERE}}}", "{{instance}}"),),
            unit="bytes",
        ),
        Panel(
            "CPU",
            "Cores in use, by replica.",
            "복제본별로 쓰고 있는 코어 수.",
            (Query(f"rate(chat_cpu_seconds_total{{{HERE}}}[$__rate_interval])", "{{instance}}"),),
        ),
        Panel(
            "Event loop lag",
            "How late the workers' loops are, the slowest one in a hundred; answers stand still as long.",
            "워커의 이벤트 루프 지연(상위 1%). 그동안 답변이 멈춥니다.",
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
            "In 5 minutes: nobody read standard output, and no answer waits for it.",
            "아무도 표준 출력을 읽지 않아 5분 동안 버려진 로그. 답변은 로그를 기다리지 않습니다.",
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
            "Less than 1 MB a worker, and one file for all that ended; 64 MB is all there is.",
            "워커마다 1MB 미만, 끝난 워커들은 파일 하나입니다. 자리는 모두 64MB입니다.",
            (Query(f"chat_metrics_directory_bytes{{{HERE}}}", "{{instance}}"),),
            unit="bytes",
            limits=(32e6, 56e6),
        ),
    ),
)
AROUND = Row(
    "Around it",
    (
        Panel(
            "nginx: requests",
            "Per second, the page and the probes included.",
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
            "Open now; 8192 is the limit of each of its workers.",
            "지금 열린 연결. nginx 워커마다 8192가 한도입니다.",
            (Query("sum(nginx_connections_active) or vector(0)", "active"),),
        ),
        Panel(
            "Front door: duration of a probe",
            "/health through nginx, every 5 s.",
            "5초마다 nginx를 거쳐 /health를 부르는 데 걸린 시간.",
            (Query('max(probe_duration_seconds{job="front-door"}) or vector(0)', "probe"),),
            unit="s",
            limits=(1, 4),
        ),
        Panel(
            "Redis",
            "1 while it answers: its exporter, and the worst of our workers.",
            "응답하면 1. 익스포터가 본 것과 워커 중 가장 나쁜 값.",
            (
                Query("min(redis_up) or vector(0)", "exporter"),
                Query('min(chat_dependency_up{dependency="redis"}) or vector(0)', "workers"),
            ),
        ),
        Panel(
            "Redis: memory",
            "It needs very little.",
            "아주 적게 씁니다.",
            (Query("sum(redis_memory_used_bytes) or vector(0)", "used"),),
            unit="bytes",
        ),
        Panel(
            "Targets",
            "1 while Prometheus can ask them.",
            "Prometheus가 지표를 받을 수 있으면 1.",
            (Query("min by (job) (up)", "{{job}}"),),
        ),
    ),
)
DASHBOARD = Dashboard(
    "chat-platform",
    "Platform",
    "What the service runs on: workers, memory, nginx, Redis.",
    (SERVICE, AROUND),
    (Variable("instance", "chat_build_info"),),
)
