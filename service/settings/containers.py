"""The settings that docker compose and nginx read, and the service does not. Written as in catalogue.py."""

from typing import Annotated

from pydantic import Field

from service.settings.catalogue import Group
from service.settings.kinds import NGINX, Cores, Count, File, Memory


class Containers(Group):
    """Containers: read by docker compose alone
    컨테이너(docker compose에서만 사용)"""

    bind_address: str = "127.0.0.1"
    """Where nginx listens: `0.0.0.0` lets other machines in. Prometheus, Alertmanager and Grafana stay on loopback.
    nginx가 수신하는 주소입니다. `0.0.0.0`이면 다른 컴퓨터에서도 접속할 수 있습니다.
    Prometheus, Alertmanager, Grafana는 이 컴퓨터에서만 열립니다."""
    client_max_streams: Annotated[Count, NGINX] = 20
    """Concurrent answers per client address; more get 429.
    주소 하나가 동시에 받을 수 있는 답변 수입니다. 넘으면 429를 받습니다."""
    client_requests_per_second: Annotated[Count, NGINX] = 20
    """Questions per second and client address; more get 429.
    주소 하나가 초당 보낼 수 있는 질문 수입니다. 넘으면 429를 받습니다."""
    local_llm_replicas: Annotated[int, Field(ge=0, le=1)] = 1
    """`0` saves the memory of the local model, which answers only while there is no key.
    `0`이면 키가 없을 때만 답하는 로컬 모델을 띄우지 않아 메모리를 아낍니다."""
    service_image: str = "chat-service:local"
    """The service's image: `deploy/update.sh IMAGE` says when to write it here.
    서비스 이미지입니다. 언제 여기에 적을지는 `deploy/update.sh IMAGE`가 알려 줍니다."""
    extras: str = ""
    """Packages of other providers that the image is built with: `anthropic`, `google`, `ollama`, separated by spaces.
    Also read by `make run`.
    이미지에 넣을 다른 제공자의 패키지입니다. `anthropic`, `google`, `ollama`를 공백으로 구분해 적습니다.
    `make run`도 이 값을 읽습니다."""
    service_memory: Memory = "1g"
    """The memory limit of each replica of the service.
    서비스 레플리카 하나의 메모리 한도입니다."""
    service_cpus: Cores = 0
    """The CPU limit of each replica in cores, such as 1.5; with more than the host has, nothing starts. `0`: no limit.
    서비스 레플리카 하나의 코어 한도입니다(예: 1.5). 호스트의 코어보다 크면 시작되지 않습니다.
    `0`이면 제한이 없습니다."""
    llm_memory: Memory = "2g"
    """The memory limit of the local model.
    로컬 모델의 메모리 한도입니다."""
    llm_cpus: Cores = 0
    """The CPU limit of the local model, in cores; `0`: no limit.
    로컬 모델의 코어 한도입니다. `0`이면 제한이 없습니다."""
    tls_cert_file: File = ""
    """The certificate of the profile `tls`, as a file that uid 101 may read; empty: a self-signed one is made.
    `tls` 프로필의 인증서 파일입니다. uid 101이 읽을 수 있어야 합니다. 비우면 자체 서명 인증서를 만듭니다."""
    tls_key_file: File = ""
    """The certificate's private key, likewise.
    인증서의 개인 키 파일입니다. 조건은 같습니다."""
    grafana_admin_password_file: File = ""
    """A file that holds Grafana's password (user admin); empty: everybody who reaches it may look, and nobody logs in.
    Grafana의 비밀번호(사용자 admin)를 담은 파일입니다. 비우면 누구나 볼 수 있고 아무도 로그인하지 않습니다."""
