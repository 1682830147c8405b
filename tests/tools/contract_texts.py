"""When each error happens, and what each ending means: a sentence each for docs/contract.md, in English and Korean."""

from service.errors import Ending, ErrorCode
from tests.tools.settings_data import Text

ERRORS: dict[ErrorCode, Text] = {
    "invalid_request": Text(
        "Malformed JSON or an invalid field: `details` lists each field and the reason.",
        "JSON이 깨졌거나 필드가 잘못되었습니다. `details`에 필드와 이유가 있습니다.",
    ),
    "payload_too_large": Text(
        "The body, `question`, `system` or `history` is over its limit.",
        "본문, `question`, `system`, `history` 중 하나가 한도를 넘었습니다.",
    ),
    "unsupported_media_type": Text(
        "Not `application/json` in UTF-8, or a compressed body.",
        "UTF-8 `application/json`이 아니거나 본문이 압축되어 있습니다.",
    ),
    "request_timeout": Text(
        "The body did not arrive in time.",
        "본문이 제때 도착하지 않았습니다.",
    ),
    "unauthorized": Text(
        "The API key is missing or unknown.",
        "API 키가 없거나 등록되지 않은 키입니다.",
    ),
    "forbidden": Text(
        "The API key is disabled or expired, or may not use this model or chain.",
        "API 키가 비활성화되었거나 만료되었습니다. 또는 이 모델이나 체인을 쓸 수 없는 키입니다.",
    ),
    "rate_limited": Text(
        "An address, API key or user exceeded its limit of requests, tokens or concurrent answers.",
        "주소, API 키, 사용자 하나에 허용된 요청 수, 토큰 수, 동시 답변 수를 넘었습니다.",
    ),
    "budget_exceeded": Text(
        "The API key's budget for this day or month is used up; `Retry-After` is the time until the next period, "
        "at most a day.",
        "API 키의 오늘 또는 이번 달 예산을 다 썼습니다. `Retry-After`는 다음 기간까지 남은 시간이며 최대 하루입니다.",
    ),
    "unavailable": Text(
        "The API key cannot be checked because the database is down. From nginx (502 to 504): no replica is reachable.",
        "데이터베이스에 연결할 수 없어 누구의 요청인지 확인하지 못합니다. nginx의 응답(502~504)이라면 연결할 수 있는 "
        "레플리카가 없다는 뜻입니다.",
    ),
    "overloaded": Text(
        "No slot became free within `ADMISSION_WAIT_SECONDS`.",
        "`ADMISSION_WAIT_SECONDS` 안에 빈자리가 나지 않았습니다.",
    ),
    "circuit_open": Text(
        "The model has failed repeatedly and is not called for a while, and no fallback is left.",
        "모델이 거듭 실패해 잠시 호출을 멈췄고, 남은 대체 모델도 없습니다.",
    ),
    "draining": Text(
        "The service is stopping, and this answer was still running at the deadline.",
        "서비스가 종료 중이며, 종료 시한까지 이 답변이 끝나지 않았습니다.",
    ),
    "upstream_rate_limited": Text(
        "The model's server returned 429; its `Retry-After` is passed on.",
        "모델 서버가 429로 응답했습니다. 그 `Retry-After`를 그대로 전합니다.",
    ),
    "upstream_quota_exhausted": Text(
        "The account at the model provider has no credit left. The operator has to act.",
        "모델 제공사 계정의 잔액이 없습니다. 운영자가 해결해야 합니다.",
    ),
    "upstream_rejected": Text(
        "The model's server refuses the service (401, 403, 404): wrong key, address or model. The operator has to act.",
        "모델 서버가 서비스를 거부했습니다(401, 403, 404). 키, 주소, 모델 이름을 운영자가 확인해야 합니다.",
    ),
    "upstream_invalid_request": Text(
        "The model's server rejected this request: too long for its context, or an unsupported parameter.",
        "모델 서버가 이 요청을 거부했습니다. 컨텍스트보다 길거나 지원하지 않는 매개변수가 있습니다.",
    ),
    "content_filtered": Text(
        "The provider's content policy refused the request or the answer. No other model is tried.",
        "제공사의 콘텐츠 정책이 요청이나 답변을 거부했습니다. 다른 모델에 다시 묻지 않습니다.",
    ),
    "upstream_error": Text(
        "The model's server failed: a 5xx, connection, DNS or TLS error, or a malformed or cut answer.",
        "모델 서버의 실패입니다. 5xx, 연결, DNS, TLS 오류이거나 답변이 깨지거나 끊겼습니다.",
    ),
    "answer_empty": Text(
        "The model returned nothing, twice, or the chain produced no output.",
        "모델이 두 번 모두 빈 답변을 보냈거나, 체인이 아무것도 출력하지 않았습니다.",
    ),
    "upstream_timeout": Text(
        "The model was too slow to connect, to start, to continue, or for the whole turn.",
        "모델이 너무 느렸습니다. 연결, 첫 내용, 내용 사이, 턴 전체의 시간 제한 중 하나를 넘었습니다.",
    ),
    "step_timeout": Text(
        "A step of the chain other than a model call took too long.",
        "체인에서 모델 호출이 아닌 단계가 너무 오래 걸렸습니다.",
    ),
    "dependency_failed": Text(
        "A dependency of the chain (a vector store, a search, a tool) is down.",
        "체인의 단계가 쓰는 다른 서비스(벡터 저장소, 검색, 도구)가 동작하지 않습니다.",
    ),
    "chain_limit_reached": Text(
        "The chain made more model calls than `MAX_CALLS_PER_TURN`.",
        "체인이 `MAX_CALLS_PER_TURN`보다 많이 모델을 호출했습니다.",
    ),
    "not_found": Text("There is no such path.", "없는 경로입니다."),
    "method_not_allowed": Text(
        "The path does not support this method.", "이 경로에서 지원하지 않는 메서드입니다."
    ),
    "uri_too_long": Text("The request line is too long.", "요청 줄이 너무 깁니다."),
    "headers_too_large": Text("The headers are too large.", "헤더가 너무 큽니다."),
    "misdirected_request": Text(
        "The `Host` is not one of the service's names (`ALLOWED_HOSTS`).",
        "`Host`가 이 서비스의 이름이 아닙니다(`ALLOWED_HOSTS`).",
    ),
    "internal": Text(
        "A bug. The stack trace is in the log under the request ID.",
        "버그입니다. 스택 트레이스는 로그에 요청 ID와 함께 남습니다.",
    ),
}

ENDINGS: dict[Ending, Text] = {
    "completed": Text("The complete answer was delivered.", "답변을 끝까지 전달했습니다."),
    "invalid": Text(
        "The request was refused: malformed, too long, or rejected by the model.",
        "요청을 거절했습니다. 형식이 틀렸거나, 너무 길거나, 모델이 받아들이지 않았습니다.",
    ),
    "rejected": Text(
        "No free slot, or too many requests.", "빈자리가 없거나 요청이 너무 많았습니다."
    ),
    "upstream_failed": Text(
        "The model failed or refused the service, or its answer was cut.",
        "모델이 실패했거나, 서비스를 거부했거나, 답변이 끊겼습니다.",
    ),
    "timed_out": Text(
        "The model or a step of the chain was too slow.",
        "모델이나 체인의 단계가 너무 느렸습니다.",
    ),
    "circuit_open": Text(
        "The model had failed repeatedly and was not called.",
        "모델이 거듭 실패해 잠시 호출을 멈춘 상태였습니다.",
    ),
    "filtered": Text(
        "The provider's content policy refused the request or the answer.",
        "제공사의 콘텐츠 정책이 요청이나 답변을 거부했습니다.",
    ),
    "disconnected": Text(
        "The client disconnected or stopped reading.",
        "클라이언트가 연결을 끊었거나 읽지 않았습니다.",
    ),
    "drained": Text(
        "The answer was still running when the stopping service reached its deadline.",
        "서비스의 종료 시한까지 답변이 끝나지 않았습니다.",
    ),
    "dependency_failed": Text(
        "A dependency of the chain was down.",
        "체인이 의존하는 다른 서비스가 동작하지 않았습니다.",
    ),
    "failed": Text(
        "A bug in the service or the chain, or the chain reached a limit.",
        "서비스나 체인의 버그이거나, 체인이 한도에 걸렸습니다.",
    ),
}
