"""Every setting, once: `make fix` writes docs/settings*.md, .env.example and docker-compose.yml from this file.

    name: kind = default
    \"\"\"A sentence in English.
    한국어 문장.\"\"\"

The variable's name is the field's in capitals. A SecretStr may also come from a file, named by NAME_FILE.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr

from service.settings.group import Group
from service.settings.kinds import (
    NGINX,
    AccessMode,
    Count,
    DatabaseUrl,
    Heartbeat,
    Host,
    HostNames,
    LogLevel,
    Origins,
    Port,
    RedisUrl,
    Seconds,
    Share,
    ShortWait,
    TimeZone,
)


class Processes(Group):
    """Ports and processes
    포트와 프로세스"""

    host: Host = "127.0.0.1"
    """The address to listen on, for PORT and METRICS_PORT. By default only this machine can connect; `0.0.0.0` (the
    default in containers) lets others in.
    PORT와 METRICS_PORT를 여는 주소입니다. 기본값에서는 이 컴퓨터에서만 접속할 수 있습니다. 다른 컴퓨터에서도
    접속하려면 `0.0.0.0`으로 지정하세요(컨테이너는 이미 그렇게 되어 있습니다)."""
    port: Port = 8000
    """The service's port.
    서비스 포트입니다."""
    metrics_port: Port = 8001
    """The port of `/metrics` and of the `/ready` that deployments watch: for Prometheus and probes, never published.
    `/metrics`와 배포 점검용 `/ready`의 포트입니다. Prometheus와 점검용이므로 외부에 열지 마세요."""
    web_concurrency: Annotated[int, Field(ge=1, le=64)] = 2
    """Worker processes: one per core is a good start. Limits that say "per worker" are multiplied by it.
    워커 프로세스 수입니다. 코어당 하나로 시작하세요. "워커당"인 한도에는 이 수가 곱해집니다."""


class Requests(Group):
    """Limits of a request
    요청의 크기 제한"""

    max_body_bytes: Annotated[Count, NGINX] = 262144
    """The largest request body, in bytes.
    요청 본문의 최대 크기(바이트)입니다."""
    max_question_chars: Count = 32000
    """The longest question, in characters.
    질문의 최대 글자 수입니다."""
    max_system_chars: Count = 8000
    """The longest system instruction, in characters.
    시스템 지시문의 최대 글자 수입니다."""
    max_history_messages: Count = 100
    """The largest number of earlier messages.
    이전 메시지의 최대 개수입니다."""
    max_history_chars: Count = 100000
    """The total length of all earlier messages, in characters.
    이전 메시지 전체의 최대 글자 수입니다."""


class Concurrency(Group):
    """Concurrency
    동시 처리"""

    max_concurrent_turns: Count = 100
    """Concurrent answers per worker; further requests wait briefly, then get 503.
    워커 하나가 동시에 처리하는 답변 수입니다. 넘으면 잠시 기다린 뒤 503을 받습니다."""
    admission_wait_seconds: ShortWait = 0.5
    """How long a request waits for a free slot before it gets 503.
    요청이 503을 받기 전에 빈자리를 기다리는 시간입니다."""


class Deadlines(Group):
    """Deadlines
    시간 제한"""

    connect_timeout_seconds: Seconds = 3
    """The time limit for connecting to the LLM.
    LLM에 연결하는 제한 시간입니다."""
    first_token_timeout_seconds: Seconds | None = None
    """The time limit for the first content of an attempt, and for silence while the model thinks. Empty: 60, or 15
    if there is a fallback; without one, a model that has not answered for a minute gets the whole turn, because it
    may have to be loaded first.
    시도마다 첫 내용이 올 때까지, 그리고 모델이 생각하는 동안 아무것도 오지 않을 때의 제한 시간입니다.
    비우면 60초이고, 대체 모델이 있으면 15초입니다. 대체 모델이 없고 1분 넘게 답이 없었던 모델은 로딩이 필요할 수
    있으므로 턴 제한 시간까지 기다립니다."""
    idle_timeout_seconds: Seconds = 10
    """The time limit between two pieces of content.
    내용과 내용 사이의 제한 시간입니다."""
    thinking_timeout_seconds: Seconds = 180
    """How long a model that sends its reasoning may think in one attempt.
    모델이 추론 내용을 보내면서 시도 한 번에 생각할 수 있는 시간입니다."""
    turn_timeout_seconds: Annotated[Seconds, NGINX] = 300
    """The time limit for the whole answer, including all attempts and waits.
    재시도와 대기를 모두 포함한 답변 전체의 제한 시간입니다."""
    step_timeout_seconds: Seconds = 30
    """How long a chain step other than a model call may stay silent.
    모델 호출이 아닌 체인 단계가 아무 신호 없이 실행될 수 있는 시간입니다."""
    max_calls_per_turn: Count = 20
    """The most model calls one answer may make; this stops an agent that loops forever.
    답변 하나가 쓸 수 있는 모델 호출 수입니다. 무한히 반복하는 에이전트는 여기서 멈춥니다."""
    send_timeout_seconds: Seconds = 30
    """How long a client may stop reading before its connection is closed.
    보낸 내용을 읽지 않는 클라이언트의 연결을 끊기까지의 시간입니다."""
    stream_hold_seconds: ShortWait = 3
    """How long a stream waits for its first content before it commits to status 200; a failure before that is a
    plain HTTP error.
    스트림이 상태 코드 200을 확정하기 전에 첫 내용을 기다리는 시간입니다.
    이때까지의 실패는 일반 HTTP 오류로 응답합니다."""
    heartbeat_seconds: Heartbeat = 10
    """After this long without other output a comment is sent, so that no proxy considers the stream dead.
    이 시간 동안 보낸 것이 없으면 주석(comment)을 보내, 중간의 프록시가 스트림이 끊겼다고 여기지 않게 합니다."""

    chat_keepalive_seconds: Annotated[float, Field(ge=0, le=250, allow_inf_nan=False)] = 0
    """For `/chat` behind load balancers that cut silent responses: after this long without an answer, status 200 and a
    space are sent, then another space at the same interval; a failure after that appears only in the body. `0`: never.
    응답이 없으면 연결을 끊는 로드 밸런서 뒤의 `/chat`을 위한 설정입니다. 이 시간 동안 답변이 없으면
    상태 코드 200과 공백을 보내고, 이후에도 같은 간격으로 공백을 보냅니다. 그 뒤의 실패는 본문에만 나타납니다.
    `0`이면 쓰지 않습니다."""


class Stopping(Group):
    """Stopping
    종료"""

    drain_seconds: Seconds | None = None
    """How long running answers may continue after SIGTERM. Empty: TURN_TIMEOUT_SECONDS + 5, so that a deployment breaks
    no answer.
    SIGTERM 뒤 진행 중인 답변에 주는 시간입니다.
    비우면 TURN_TIMEOUT_SECONDS + 5이므로 배포해도 답변이 끊기지 않습니다."""
    stop_grace_seconds: Seconds | None = None
    """How long the orchestrator waits between SIGTERM and SIGKILL (docker compose: 330). The service refuses to start
    if this is less than DRAIN_SECONDS + 15.
    SIGTERM을 보낸 뒤 강제 종료(SIGKILL)할 때까지 기다리는 시간입니다(docker compose에서는 330).
    DRAIN_SECONDS + 15보다 짧으면 서비스가 시작을 거부합니다."""


class Failures(Group):
    """When the LLM fails
    LLM 장애 대응"""

    retry_attempts: Annotated[int, Field(ge=1, le=10)] = 3
    """Attempts per model. Retries happen only before the first content.
    모델별 시도 횟수입니다. 첫 내용이 오기 전까지만 다시 시도합니다."""
    retry_budget: Share = 0.2
    """Average failed retries allowed per turn: 0.2 allows one in five turns, so that retries cannot double the load on
    a failing LLM. A retry that is answered costs nothing.
    턴당 허용하는, 장기 평균으로 실패한 재시도 수입니다. 0.2면 다섯 턴에 한 번이므로, 재시도가 LLM의 장애를 키우지
    않습니다. 응답을 받은 재시도는 예산을 쓰지 않습니다."""
    breaker_failures: Count = 5
    """Consecutive failures that open a model's circuit breaker.
    모델의 서킷 브레이커를 여는 연속 실패 횟수입니다."""
    breaker_open_seconds: Seconds = 15
    """How long an open circuit breaker waits before it lets one trial request through.
    열린 서킷 브레이커가 시험 요청 하나를 보내기까지의 시간입니다."""
    redis_url: RedisUrl = SecretStr("")
    """The Redis that shares open breakers between workers and replicas (docker compose starts one). Without it, or
    while it is down, each worker has its own.
    열린 서킷 브레이커를 워커와 레플리카가 공유하는 Redis입니다(docker compose에는 포함되어 있습니다).
    비어 있거나 Redis가 멈추면 워커마다 따로 관리합니다."""


class Access(Group):
    """Keys, limits and the ledger
    API 키, 한도, 원장"""

    access: AccessMode = "auto"
    """Who may use the service. `keys`: holders of an API key; `open`: everybody, within the limits of the key
    `anonymous`; `auto`: everybody until the first key is created.
    누가 질문할 수 있는지 정합니다. `keys`면 API 키가 있는 요청만, `open`이면 `anonymous` 키의 한도 안에서 누구나,
    `auto`면 첫 키를 만들 때까지 누구나 가능합니다."""
    database_url: DatabaseUrl = SecretStr("")
    """Where keys and the ledger are stored: `postgresql://USER:PASSWORD@HOST/DATABASE`, or empty for an SQLite file in
    DATA_DIR, which works for one host.
    API 키와 원장을 저장하는 곳입니다. `postgresql://USER:PASSWORD@HOST/DATABASE` 형식이며, 비우면 DATA_DIR의 SQLite
    파일을 씁니다(호스트 한 대용)."""
    data_dir: str = "data"
    """A folder on a local disk for the SQLite file, and for ledger rows while the database is down.
    SQLite 파일, 그리고 데이터베이스 장애 중의 원장 기록을 저장하는 로컬 디스크 폴더입니다."""
    access_without_store: Literal["serve", "refuse"] = "serve"
    """What happens while the database is down. `serve`: known keys keep working, with limits counted per worker;
    `refuse`: requests get 503.
    데이터베이스 장애 중의 동작입니다. `serve`면 이미 아는 키의 요청을 워커별 한도 안에서 계속 처리하고,
    `refuse`면 503으로 거절합니다."""
    bind_address: str = "127.0.0.1"
    """Where nginx listens in docker compose. `0.0.0.0` lets other machines in; it requires an API key or ACCESS=open.
    Prometheus, Alertmanager and Grafana stay on loopback.
    docker compose에서 nginx가 수신하는 주소입니다. `0.0.0.0`이면 다른 컴퓨터에서도 접속할 수 있으며, API 키를 하나라도
    만들었거나 ACCESS가 `open`이어야 시작합니다. Prometheus, Alertmanager, Grafana는 이 컴퓨터에서만 열립니다."""
    ledger_days: Annotated[int, Field(ge=1, le=36500)] = 400
    """How many days ledger rows are kept.
    원장에 기록을 보관하는 일수입니다."""
    tz: TimeZone = "UTC"
    """The time zone of the budgets' days and months, such as `Asia/Seoul`.
    예산의 하루와 한 달이 시작되는 시간대입니다. 예: `Asia/Seoul`"""

    @property
    def store_address(self) -> str:
        """DATABASE_URL, or the URL of the SQLite file."""
        file = Path(self.data_dir).absolute() / "access.sqlite3"
        return self.database_url.get_secret_value() or f"sqlite:///{file}"


class WebAndLogs(Group):
    """Web pages and logs
    웹 페이지와 로그"""

    allowed_hosts: Annotated[HostNames, NGINX] = ()
    """Host names the service responds to, such as `chat.example.com` or `*.example.com`, in addition to `localhost`, IP
    addresses, names without a dot and `*.internal`. Any other name gets 421, so that no web page can reach the service
    under a name of its choice (DNS rebinding).
    서비스가 응답하는 호스트 이름입니다. 예: `chat.example.com`, `*.example.com`
    `localhost`, IP 주소, 점이 없는 이름, `*.internal`은 항상 허용합니다.
    그 밖의 이름은 421로 거부하므로, 웹 페이지가 임의의 이름으로 이 서비스에 접근할 수 없습니다(DNS 리바인딩 방지)."""
    domain: Annotated[HostNames, NGINX] = ()
    """The stack's public domains, such as `chat.example.com`. They are allowed as host names, and the profile `acme`
    gets a certificate for them. Like a BIND_ADDRESS beyond loopback, they require an API key or ACCESS=open.
    이 스택의 공개 도메인입니다. 예: `chat.example.com`. 호스트 이름으로 허용되고, `acme` 프로필이 이 도메인의 인증서를
    발급받습니다. 외부에 여는 BIND_ADDRESS와 마찬가지로 API 키를 만들었거나 ACCESS가 `open`이어야 시작합니다."""
    cors_origins: Annotated[Origins, NGINX] = ()
    """Origins of other web pages that may call the service, such as `https://chat.example.com`.
    이 서비스를 호출할 수 있는 다른 웹 페이지의 출처(origin)입니다. 예: `https://chat.example.com`"""
    log_level: LogLevel = "INFO"
    """How much is logged. No level logs a prompt, an answer or a key.
    로그 수준입니다. 어느 수준에서도 프롬프트, 답변, 키는 남기지 않습니다."""
    log_format: Literal["text", "json"] | None = None
    """Text for people, JSON for programs. Empty: text if the output is a terminal.
    사람이 읽을 때는 text, 프로그램이 읽을 때는 json입니다. 비우면 터미널에서는 text로 출력합니다."""
