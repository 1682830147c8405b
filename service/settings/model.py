"""The environment, read once: every setting, its default, and the values refused at start."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

OPENAI_BASE_URL = "https://api.openai.com/v1"
KOREAN_ASSISTANT = "당신은 정확하고 간결한 한국어 비서입니다."
STOP_MARGIN_SECONDS = 15
GRACEFUL_MARGIN_SECONDS = 5
SECRETS = ("OPENAI_API_KEY", "FALLBACK_API_KEY", "REDIS_URL")
REDIS_SCHEMES = ("redis", "rediss", "unix")

Seconds = Annotated[float, Field(gt=0, le=86400, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=10_000_000)]
Port = Annotated[int, Field(ge=1, le=65535)]
Names = tuple[str, ...]


class UnsafeSettings(ValueError):
    """The environment does not describe a service that can run. Its text names variables, never their values."""


class Settings(BaseModel):
    """One field per variable of .env.example, which explains each. Field names are the variables' in lower case."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    port: Port = 8000
    metrics_port: Port = 8001
    web_concurrency: Annotated[int, Field(ge=1, le=64)] = 2

    openai_api_key: SecretStr = SecretStr("")
    openai_base_url: str = OPENAI_BASE_URL
    llm_model: str = "gpt-4o-mini"
    llm_models: Names = ()
    llm_client: Literal["lean", "stock"] = "lean"
    llm_temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = 0.2
    max_output_tokens: Count = 4096
    fallback_model: str = ""
    fallback_base_url: str = ""
    fallback_api_key: SecretStr = SecretStr("")
    system_prompt: str = KOREAN_ASSISTANT
    allow_system: bool = True
    prices_file: str = ""

    max_body_bytes: Count = 262144
    max_question_chars: Count = 32000
    max_system_chars: Count = 8000
    max_history_messages: Count = 100
    max_history_chars: Count = 100000

    max_concurrent_turns: Count = 100
    admission_wait_seconds: Annotated[float, Field(ge=0, le=60, allow_inf_nan=False)] = 0.5
    connect_timeout_seconds: Seconds = 3
    first_token_timeout_seconds: Seconds = 10
    idle_timeout_seconds: Seconds = 10
    turn_timeout_seconds: Seconds = 120
    send_timeout_seconds: Seconds = 30
    stream_hold_seconds: Annotated[float, Field(ge=0, le=60, allow_inf_nan=False)] = 3
    heartbeat_seconds: Seconds = 10
    drain_seconds: Seconds | None = None
    stop_grace_seconds: Seconds | None = None

    retry_attempts: Annotated[int, Field(ge=1, le=10)] = 3
    retry_budget: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.2
    breaker_failures: Count = 5
    breaker_open_seconds: Seconds = 15
    redis_url: SecretStr = SecretStr("")

    cors_origins: Names = ()
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("llm_models", "cors_origins", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("llm_temperature", mode="before")
    @classmethod
    def _empty_is_not_sent(cls, value: Any) -> Any:
        return None if value == "" else value

    @field_validator("openai_base_url", "fallback_base_url", mode="after")
    @classmethod
    def _is_url(cls, value: str) -> str:
        if value and not _is_http(value):
            raise ValueError("must be an http:// or https:// address")
        return value.rstrip("/")

    @field_validator("openai_api_key", "fallback_api_key", mode="after")
    @classmethod
    def _fits_into_a_header(cls, value: SecretStr) -> SecretStr:
        key = value.get_secret_value()
        if not key.isascii() or not key.isprintable() or " " in key:
            raise ValueError("must be one line of ASCII characters without spaces")
        return value

    @field_validator("redis_url", mode="after")
    @classmethod
    def _is_redis_url(cls, value: SecretStr) -> SecretStr:
        try:
            url = urlsplit(value.get_secret_value())
            usable = url.scheme in REDIS_SCHEMES and bool(url.port or url.hostname or url.path)
        except ValueError:
            # its text quotes what stands for the port: a part of a password that holds a slash
            usable = False
        if value and not usable:
            raise ValueError(
                "must be redis://[:password@]host[:port], the password percent-encoded"
            )
        return value

    @field_validator("cors_origins", mode="after")
    @classmethod
    def _origins_are_explicit(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            scheme, _, host = origin.partition("://")
            if scheme not in ("http", "https") or not host or any(c in host for c in "/*?#@ "):
                raise ValueError("each origin is scheme://host[:port], never *")
        return value

    @field_validator("prices_file", mode="after")
    @classmethod
    def _file_exists(cls, value: str) -> str:
        if value and not Path(value).is_file():
            raise ValueError("there is no such file")
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: Any) -> Any:
        return value.upper() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _refuse_what_cannot_run(self) -> Self:
        if not self.api_key and self.openai_base_url == OPENAI_BASE_URL:
            raise ValueError(
                "OPENAI_API_KEY is not set, and OPENAI_BASE_URL does not name a server that needs none"
            )
        if self.port == self.metrics_port:
            raise ValueError("PORT and METRICS_PORT must differ")
        needed = self.drain_deadline_seconds + STOP_MARGIN_SECONDS
        if self.stop_grace_seconds is not None and self.stop_grace_seconds < needed:
            raise ValueError(
                f"STOP_GRACE_SECONDS must be at least DRAIN_SECONDS + {STOP_MARGIN_SECONDS} = {needed:g}"
            )
        return self

    @property
    def api_key(self) -> str:
        return self.openai_api_key.get_secret_value()

    @property
    def models(self) -> tuple[str, ...]:
        """The models a request may name; the first is the default."""
        return tuple(dict.fromkeys((self.llm_model, *self.llm_models)))

    @property
    def drain_deadline_seconds(self) -> float:
        """From SIGTERM until running answers are ended: by default later than any turn can last."""
        return self.turn_timeout_seconds + 5 if self.drain_seconds is None else self.drain_seconds

    @property
    def graceful_timeout_seconds(self) -> int:
        """When gunicorn kills what is left; the app's own drain has ended everything before."""
        return int(self.drain_deadline_seconds + GRACEFUL_MARGIN_SECONDS + 0.999)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every secret value, for redaction."""
        held = (self.openai_api_key, self.fallback_api_key, self.redis_url)
        return tuple(value for secret in held if (value := secret.get_secret_value()))

    @property
    def prices_path(self) -> Path | None:
        """Prices that win over the shipped ones."""
        return Path(self.prices_file) if self.prices_file else None


def load(environment: Mapping[str, str] = os.environ) -> Settings:
    """An empty variable means its default, but for LLM_TEMPERATURE, where it means that none is sent.

    Raises UnsafeSettings with a sentence for each variable that cannot be used.
    """
    values = {name: environment.get(name.upper(), "").strip() for name in Settings.model_fields}
    given = {name: value for name, value in values.items() if value}
    if "LLM_TEMPERATURE" in environment:
        given["llm_temperature"] = values["llm_temperature"]
    try:
        return Settings.model_validate(_secret_files(environment) | given)
    except ValidationError as error:
        raise UnsafeSettings("; ".join(_sentence(item) for item in error.errors())) from None


def _is_http(address: str) -> bool:
    try:
        url = urlsplit(address)
        return url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        # its text would repeat the address, which may hold a password
        return False


def _secret_files(environment: Mapping[str, str]) -> dict[str, str]:
    paths = {name: environment.get(f"{name}_FILE", "").strip() for name in SECRETS}
    return {name.lower(): _read_secret(name, Path(path)) for name, path in paths.items() if path}


def _read_secret(name: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UnsafeSettings(
            f"{name}_FILE cannot be read: {_why_unreadable(path, error)}"
        ) from None


def _why_unreadable(path: Path, error: Exception) -> str:
    if isinstance(error, PermissionError):
        try:
            status = path.stat()
        except OSError:
            return f"no access to its folder for uid {os.getuid()}"
        mode = f"uid {status.st_uid} with mode {status.st_mode & 0o777:o}"
        return f"it belongs to {mode}, and this process is uid {os.getuid()}"
    return (
        "it is not a text file"
        if isinstance(error, UnicodeDecodeError)
        else "there is no such file"
    )


def _sentence(item: Any) -> str:
    variable = "_".join(str(part) for part in item["loc"][:1]).upper()
    reason = item["msg"].removeprefix("Value error, ")
    return f"{variable}: {reason}" if variable else reason
