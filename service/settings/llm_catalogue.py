"""The settings of models and their providers; written as in catalogue.py."""

from typing import Annotated, Literal

from pydantic import SecretStr

from service.settings.group import Group
from service.settings.kinds import (
    NONE_ALLOWED,
    Count,
    ExistingFile,
    Headers,
    HeaderSecret,
    Names,
    StrippedTags,
    Temperature,
    Url,
)

OPENAI_BASE_URL = "https://api.openai.com/v1"
ASSISTANT = "You are a precise and concise assistant. Answer in the language of the question."


class LLM(Group):
    """The LLM
    언어 모델(LLM)"""

    openai_api_key: HeaderSecret = SecretStr("")
    """The API key. Without one, `make run` starts a small model on this machine.
    API 키입니다. 없으면 `make run`이 로컬 모델을 실행합니다."""
    openai_base_url: Url = OPENAI_BASE_URL
    """Any server with OpenAI's API. A key is required only for the default.
    OpenAI API를 지원하는 서버의 주소입니다. 기본값이 아니면 키가 없어도 됩니다."""
    openai_extra_headers: Headers = SecretStr("")
    """Additional headers for that server: `name: value`, separated by semicolons. They override the service's own.
    그 서버에 추가로 보낼 헤더입니다. `이름: 값`을 세미콜론으로 구분하며, 서비스가 보내는 헤더보다 우선합니다."""
    llm_model: str = "gpt-4o-mini"
    """The default model, used when a request names none. For another provider, put its name in front, such as
    `anthropic:claude-sonnet-4-5`, `google_genai:gemini-2.5-flash` or `ollama:llama3.2`, and set EXTRAS.
    요청에 모델이 없을 때 쓰는 모델입니다. 다른 제공사의 모델은 `anthropic:claude-sonnet-4-5`,
    `google_genai:gemini-2.5-flash`, `ollama:llama3.2`처럼 제공사 이름을 앞에 붙이며, EXTRAS가 필요합니다."""
    llm_models: Names = ()
    """Other models that a request may choose.
    요청이 고를 수 있는 다른 모델입니다."""
    llm_client: Literal["lean", "stock"] = "lean"
    """How the LLM is called: `lean` needs far less CPU per token, `stock` is the openai package. The results are
    the same.
    LLM에 연결하는 방식입니다. `lean`은 토큰당 CPU를 훨씬 적게 쓰고, `stock`은 openai 패키지를 씁니다. 결과는
    같습니다."""
    llm_temperature: Annotated[Temperature | None, NONE_ALLOWED] = 0.2
    """The default temperature; `none` or empty: not sent, for models that reject it.
    요청에 없을 때 쓰는 temperature입니다. `none`이거나 비어 있으면 보내지 않습니다(이 값을 거부하는 모델용)."""
    max_output_tokens: Annotated[Count | None, NONE_ALLOWED] = 4096
    """The longest answer: the default and upper bound of `max_tokens`; `none`: not sent, and no bound.
    답변의 최대 길이로, 요청의 `max_tokens`의 기본값이자 상한입니다. `none`이면 보내지 않고 상한도 없습니다."""
    strip_think_tags: StrippedTags = "false"
    """Whether thinking between tags in the text (`<think>…</think>`) is removed from the answer. `unopened`: also
    everything up to a `</think>` without an opening tag, for models whose chat template already opens it.
    답변 텍스트에서 `<think>…</think>` 같은 태그로 묶인 추론 내용을 뺄지 정합니다. `unopened`이면 여는 태그 없이
    나온 `</think>`까지도 뺍니다(채팅 템플릿이 여는 태그를 미리 넣는 모델용)."""
    fallback_model: str = ""
    """The fallback model, used when the first cannot answer.
    첫 모델이 답하지 못할 때 쓰는 대체 모델입니다."""
    fallback_base_url: Url = ""
    """The fallback model's address; empty: the same as the first model's.
    대체 모델의 주소입니다. 비우면 첫 모델과 같습니다."""
    fallback_api_key: HeaderSecret = SecretStr("")
    """The fallback model's key; empty: the first model's, if both have the same address.
    대체 모델의 키입니다. 주소가 첫 모델과 같다면 비워도 됩니다."""
    show_thinking: bool = False
    """Whether streams include the text of a model's reasoning; otherwise they only report that it is thinking.
    스트림에 모델의 추론 내용을 포함할지 정합니다. 아니면 생각 중이라는 사실만 알립니다."""
    system_prompt: Annotated[str | None, NONE_ALLOWED] = ASSISTANT
    """The system instruction of every conversation; `none`: no system message is sent.
    모든 대화에 적용되는 시스템 지시문입니다. `none`이면 시스템 메시지를 보내지 않습니다."""
    allow_system: bool = True
    """Whether a request's `system` may replace the system instruction.
    요청의 `system`으로 시스템 지시문을 바꿀 수 있는지 정합니다."""
    prices_file: ExistingFile = ""
    """Prices that take precedence over those of genai-prices, in the format of `service/llm/prices.toml`.
    genai-prices보다 우선하는 가격표입니다. 형식은 `service/llm/prices.toml`과 같습니다."""


class OtherProviders(Group):
    """Other providers: the variables of their own packages
    다른 제공사(각 패키지가 쓰는 변수)"""

    anthropic_api_key: HeaderSecret = SecretStr("")
    """The API key for `anthropic:` models.
    `anthropic:` 모델의 API 키입니다."""
    anthropic_base_url: Url = ""
    """The address for them; empty: Anthropic's own.
    요청을 보낼 주소입니다. 비우면 Anthropic의 기본 주소를 씁니다."""
    google_api_key: HeaderSecret = SecretStr("")
    """The API key for `google_genai:` models.
    `google_genai:` 모델의 API 키입니다."""
    google_gemini_base_url: Url = ""
    """The address for them; empty: Google's own.
    요청을 보낼 주소입니다. 비우면 Google의 기본 주소를 씁니다."""
    ollama_host: str = ""
    """The Ollama server for `ollama:` models; empty: port 11434 on this machine.
    `ollama:` 모델의 Ollama 서버입니다. 비우면 이 컴퓨터의 11434 포트를 씁니다."""
    ollama_api_key: HeaderSecret = SecretStr("")
    """The key, if that server requires one.
    키를 요구하는 서버에 보낼 키입니다."""
    azure_openai_api_key: HeaderSecret = SecretStr("")
    """The API key for `azure_openai:` models; their names are deployment names.
    `azure_openai:` 모델의 API 키입니다. 모델 이름에는 배포(deployment) 이름을 씁니다."""
    azure_openai_endpoint: Url = ""
    """The address of the Azure resource.
    Azure 리소스의 주소입니다."""
    openai_api_version: str = ""
    """The version of Azure's API.
    Azure API의 버전입니다."""
