"""The settings that only docker compose and nginx read. Written as in catalogue.py."""

from typing import Annotated

from pydantic import Field

from service.settings.group import Group
from service.settings.kinds import NGINX, Cores, File, Memory, Names, Port, Url


class Containers(Group):
    """Containers: read by docker compose only
    컨테이너(docker compose에서만 사용)"""

    trusted_proxies: Annotated[Names, NGINX] = ()
    """Proxies in front of nginx whose `X-Forwarded-For` gives the caller's address: addresses, ranges such as
    `10.0.0.0/8`, and the words `cloudflare` and `private` (which also trusts every request through Docker's gateway).
    nginx 앞에 있는 프록시입니다. 이들이 보낸 `X-Forwarded-For`에서만 클라이언트 주소를 읽습니다.
    주소, `10.0.0.0/8` 같은 대역, `cloudflare`, `private`을 쓸 수 있습니다.
    `private`은 Docker 게이트웨이를 거쳐 온 모든 요청도 신뢰합니다."""
    proxy_protocol: Annotated[bool, NGINX] = False
    """Whether these proxies use the PROXY protocol instead of a header; nginx then accepts nothing else.
    프록시가 헤더 대신 PROXY 프로토콜을 쓰는지 정합니다. `true`이면 nginx는 이 프로토콜만 받습니다."""
    base_path: Annotated[str, NGINX] = ""
    """The path under which a proxy serves the stack, such as `/chat-service`, if the proxy passes that path on.
    프록시가 하위 경로를 그대로 넘길 때의 경로입니다. 예: `/chat-service`"""
    client_max_streams: Annotated[int, Field(ge=1, le=6553), NGINX] = 20
    """Concurrent answers per API key, or per address without a key; more get 429. All keys of one address together: ten
    times as many.
    API 키 하나(키가 없으면 주소 하나)가 동시에 받을 수 있는 답변 수입니다. 넘으면 429를 받습니다.
    같은 주소를 쓰는 키들은 합쳐서 열 배까지 받습니다."""
    client_requests_per_second: Annotated[int, Field(ge=1, le=100_000), NGINX] = 20
    """Questions per second per API key, or per address without a key; more get 429. All requests of one address
    together: ten times as many.
    API 키 하나(키가 없으면 주소 하나)가 초당 보낼 수 있는 질문 수입니다. 넘으면 429를 받습니다.
    한 주소의 모든 요청은 합쳐서 열 배까지입니다."""
    local_llm_replicas: Annotated[int, Field(ge=0, le=1)] = 1
    """`0` leaves out the local model, which is used only while there is no key, and saves its memory.
    `0`이면 키가 없을 때만 쓰는 로컬 모델을 실행하지 않아 메모리를 아낍니다."""
    service_image: str = "chat-service:local"
    """The service's image; `deploy/update.sh IMAGE` says when to set it here.
    서비스 이미지입니다. 언제 여기에 적을지는 `deploy/update.sh IMAGE`가 알려 줍니다."""
    extras: str = ""
    """Packages of other providers to install in the image: `anthropic`, `google`, `ollama`, separated by spaces. Also
    read by `make run`.
    이미지에 넣을 다른 제공사의 패키지입니다. `anthropic`, `google`, `ollama`를 공백으로 구분해 적습니다.
    `make run`도 이 값을 읽습니다."""
    service_memory: Memory = "1g"
    """The memory limit of each replica of the service.
    서비스 레플리카 하나의 메모리 한도입니다."""
    service_cpus: Cores = 0
    """The CPU limit of each replica in cores, such as 1.5; if the host has fewer, nothing starts. `0`: no limit.
    서비스 레플리카 하나의 코어 한도입니다(예: 1.5). 호스트의 코어보다 크면 시작되지 않습니다.
    `0`이면 제한이 없습니다."""
    postgres_replicas: Annotated[int, Field(ge=0, le=1)] = 1
    """`0` leaves out PostgreSQL, if DATABASE_URL names another server.
    DATABASE_URL이 다른 서버를 가리키면 `0`으로 PostgreSQL 컨테이너를 생략할 수 있습니다."""
    postgres_memory: Memory = "512m"
    """The memory limit of PostgreSQL.
    PostgreSQL의 메모리 한도입니다."""
    llm_memory: Memory = "2g"
    """The memory limit of the local model.
    로컬 모델의 메모리 한도입니다."""
    llm_cpus: Cores = 0
    """The CPU limit of the local model, in cores; `0`: no limit.
    로컬 모델의 코어 한도입니다. `0`이면 제한이 없습니다."""
    tls_cert_file: File = ""
    """The certificate file for the profile `tls`, readable by uid 101; empty: a self-signed one is created.
    `tls` 프로필의 인증서 파일입니다. uid 101이 읽을 수 있어야 합니다. 비우면 자체 서명 인증서를 만듭니다."""
    tls_key_file: File = ""
    """The certificate's private key, likewise.
    인증서의 개인 키 파일입니다. 조건은 같습니다."""
    acme_email: str = ""
    """The profile `acme`: your email address for the certificate authority. The profile obtains and renews a
    certificate for DOMAIN.
    `acme` 프로필에서 인증 기관이 연락할 이메일 주소입니다. DOMAIN의 인증서를 발급받고 자동으로 갱신합니다."""
    acme_server: Url = "https://acme-v02.api.letsencrypt.org/directory"
    """The certificate authority's ACME directory; the default is Let's Encrypt. To test without its rate limits:
    `https://acme-staging-v02.api.letsencrypt.org/directory`.
    인증 기관의 ACME 디렉터리 주소입니다. 기본값은 Let's Encrypt입니다. 발급 한도 없이 시험하려면
    `https://acme-staging-v02.api.letsencrypt.org/directory`를 쓰세요."""
    http_port: Port = 80
    """The profile `acme`: the HTTP port, which responds to the authority and redirects everyone else to HTTPS.
    `acme` 프로필의 HTTP 포트입니다. 인증 기관에는 응답하고 나머지 요청은 HTTPS로 리다이렉트합니다."""
    https_port: Annotated[Port, NGINX] = 443
    """The profile `acme`: the HTTPS port.
    `acme` 프로필의 HTTPS 포트입니다."""
    grafana_admin_password_file: File = ""
    """A file with Grafana's password (user admin); empty: anyone who can reach Grafana may view it, and nobody can log
    in.
    Grafana의 비밀번호(사용자 admin)를 담은 파일입니다. 비우면 누구나 볼 수 있지만 로그인은 할 수 없습니다."""
